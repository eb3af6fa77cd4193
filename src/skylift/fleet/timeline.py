"""Simulated time: hosts that wait, that are out and that are back, and what their turns book."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence

from skylift.fleet.lanes import Lanes, Trip
from skylift.fleet.layout import Layout, Unit
from skylift.fleet.limits import Limits
from skylift.fleet.packing import Packing
from skylift.fleet.room import Placed

_NOBODY = -1
"""The host of an event that only wakes the planner."""


class Timeline:
    """What was planned so far. All times are milliseconds from the start."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.trips: dict[int, list[Trip]] = {}
        """Per host that had its turn, what left it."""
        self.turns: dict[int, tuple[int, int, int]] = {}
        """Per host that had its turn, when it is closed, empty and back."""
        self.wave: dict[int, int] = {}
        self.stranded: list[int] = []
        self.forced = [0] * len(layout.pools)
        """Per pool, instances that move twice because nothing fitted, beyond its first wave."""
        self.packing = Packing(layout)
        self.limits = Limits(layout)
        self.lanes = Lanes(len(layout.names), layout.policy)
        self.waiting: list[list[int]] = [[] for _ in layout.pools]
        """Per pool, the hosts whose turn is yet to come, in their order."""
        self.settled = [0] * len(layout.names)
        """Per host, when the last of what was moved to it before its turn has arrived."""
        self.events: list[tuple[int, int]] = []
        self._flying = [0] * len(layout.pools)
        self.offers = [load + free for load, free in zip(self.packing.load, layout.free[0], strict=True)]
        """Memory that each host offers when it is empty."""
        self._largest = [max(self.offers[h] for h in hosts) for hosts in layout.pools]

    def is_still(self, pool: int) -> bool:
        """Whether none of a pool's hosts is out."""
        return not self._flying[pool]

    def has_room(self, pool: int) -> bool:
        """Whether a host of the pool takes instances, or will when it is back."""
        return bool(self.packing.open_ram[pool] or self._flying[pool])

    def wake(self, moment: int) -> None:
        """Let the planner look again then."""
        if (moment, _NOBODY) not in self.events:
            heapq.heappush(self.events, (moment, _NOBODY))

    def advance(self, moment: int) -> int:
        """Let all happen that happens next, and say when that was."""
        moment = max(moment, self.events[0][0])
        while self.events and self.events[0][0] <= moment:
            _, host = heapq.heappop(self.events)
            if host != _NOBODY:
                self._flying[self.layout.pool[host]] -= 1
                self.limits.back(host)
                if not self.layout.fleet.hosts[self.layout.names[host]].closed:
                    self.packing.open(host)
        return moment

    def go_anyhow(self, host: int, moment: int, first: Sequence[int] = ()) -> bool:
        """Give the host its turn now, partly onto hosts that have yet to be emptied if need be.

        With ``first``, the hosts that its pool begins with, so that the others can follow, if they can.
        """
        lack = (lambda placed: self._lack(host, first, placed)) if first else (lambda _: 0)
        placed = self.packing.spill(host, self.receivers(host), lack)
        return placed is not None and self.go(host, placed, moment)

    def _lack(self, host: int, first: Sequence[int], placed: Placed) -> int:
        """How much memory will be short for those that follow, one by one onto the first and each other.

        One that is back leaves the room that it took and what was free on it before. So room never shrinks:
        if they can follow in any order, they can in that of their loads.
        """
        packing, pool = self.packing, self.layout.pool[host]
        room = packing.open_ram[pool] + sum(self.offers[h] for h in first)
        if room >= self._largest[pool]:
            return 0
        load = Counter({h: packing.load[h] for h in self.waiting[pool]})
        for unit, target in placed:
            load[target] += unit.ram
        short = 0
        for follower in sorted(set(self.waiting[pool]) - set(first), key=lambda h: (load[h], h)):
            short = max(short, load[follower] - room)
            room += packing.room.ram[follower]
        return short

    def receivers(self, host: int) -> list[int]:
        """Hosts whose turn is yet to come, the last first: so the next ones stay as light as they are."""
        hosts, names = self.layout.fleet.hosts, self.layout.names
        waiting = self.waiting[self.layout.pool[host]]
        others = ((h, hosts[names[h]]) for h in reversed(waiting) if h != host)
        return [h for h, of in others if not (of.closed or of.begun or of.out_s)]

    def go(self, host: int, placed: Placed, moment: int) -> bool:
        """Give the host its turn now, if it would be back before the window closes."""
        by_target: dict[int, list[Unit]] = {}
        for unit, target in reversed(placed):
            by_target.setdefault(target, []).append(unit)
        saved = self.lanes.saved(host, by_target) if self.layout.policy.windows else None
        trips = self.lanes.reserve(host, by_target, moment)
        empty = max((trip.end for trip in trips), default=moment)
        left_s = self.layout.fleet.hosts[self.layout.names[host]].out_s
        back = empty + (left_s or self.layout.policy.host_s) * 1000
        if saved is not None and not self.limits.in_window(moment, back):
            self.lanes.restore(saved)
            self.packing.forget(host, placed)
            return False
        self.packing.settle(host, placed)
        self.waiting[self.layout.pool[host]].remove(host)
        self._flying[self.layout.pool[host]] += 1
        self.limits.go(host)
        self.trips[host] = trips
        self.turns[host] = (moment, empty, back)
        done = (self.wave.get(t, 0) for t in by_target if t in self.packing.opened)
        self.wave[host] = 1 + max(done, default=0)
        for trip in trips:
            if trip.target not in self.packing.opened:
                self.settled[trip.target] = max(self.settled[trip.target], trip.end)
        heapq.heappush(self.events, (back, host))
        return True

    def strand(self, hosts: Iterable[int]) -> None:
        """Give up hosts that wait."""
        for host in list(hosts):
            self.waiting[self.layout.pool[host]].remove(host)
            self.limits.strike(host)
            self.stranded.append(host)
