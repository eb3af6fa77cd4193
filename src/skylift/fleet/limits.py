"""How many hosts may be out at once, in all, in each zone and in each aggregate; and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from skylift.fleet.layout import Layout


class Limits:
    """Counts who is out. A host is out from when it is closed until it is back."""

    def __init__(self, layout: Layout) -> None:
        policy, hosts = layout.policy, list(layout.fleet.hosts.values())
        self._windows = policy.windows
        self._turn = (
            sorted({h.zone for n, h in enumerate(hosts) if layout.due[n]}) if policy.zones_in_turn else []
        )
        self._left = Counter(h.zone for n, h in enumerate(hosts) if layout.due[n])
        every: Counter[tuple[int, str]] = Counter()
        for host in hosts:
            every.update(_places(host.zone, host.aggregates))
        percents = (policy.out_percent, policy.zone_percent, policy.aggregate_percent)
        self._most = {place: policy.share(percents[place[0]], count) for place, count in every.items()}
        # A share of all of them is no limit, and is not counted.
        self._places = [
            [p for p in _places(h.zone, h.aggregates) if percents[p[0]] < 100]  # noqa: PLR2004
            for h in hosts
        ]
        self._zone = [h.zone for h in hosts]
        self._out: Counter[tuple[int, str]] = Counter()

    def may_go(self, host: int) -> bool:
        """Whether one more host, this one, may be out."""
        if self._turn and self._zone[host] != self._turn[0]:
            return False
        return all(self._out[place] < self._most[place] for place in self._places[host])

    def in_window(self, moment: int, back: int) -> bool:
        """Whether a host may be out from that moment until then."""
        return not self._windows or any(
            w.opens * 1000 <= moment and back <= w.closes * 1000 for w in self._windows
        )

    def next_window(self, moment: int) -> int | None:
        """When the next window opens, if one does."""
        return min((w.opens * 1000 for w in self._windows if w.opens * 1000 > moment), default=None)

    def go(self, host: int) -> None:
        """The host is out."""
        self._out.update(self._places[host])

    def back(self, host: int) -> None:
        """The host is back, and the next zone's turn comes when it was the last of its own."""
        self._out.subtract(self._places[host])
        self.strike(host)

    def strike(self, host: int) -> None:
        """Nothing more is to be done with the host, be it done or given up."""
        self._left[self._zone[host]] -= 1
        while self._turn and self._left[self._turn[0]] <= 0:
            self._turn.pop(0)


def _places(zone: str, aggregates: Iterable[str]) -> list[tuple[int, str]]:
    return [(0, ""), (1, zone), *((2, name) for name in aggregates)]
