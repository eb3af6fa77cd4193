"""Guests asked from the client host all the while, past everything that is ours.

How long each was away; and whether one of them began anew, whose count then falls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from skylift.gate.lab.host import Lab, run

EVERY_S = 0.2
COUNT_EVERY_S = 3
_GAP_S = 1.0
_LINE = re.compile(r"^\[(?P<at>[\d.]+)\] \d+ bytes from .* icmp_seq=(?P<seq>\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Away:
    """What was heard of one guest."""

    pings: int
    lost: int
    longest_s: float
    """The longest time without an answer."""
    counts: tuple[int, ...] = ()
    """How far it had counted, time after time."""
    gaps_s: tuple[float, ...] = ()
    """Each time without an answer of more than a second, in their order."""

    @property
    def anew(self) -> list[tuple[int, int]]:
        """The counts that were followed by a lower one: its guest had begun again in between."""
        return [(before, after) for before, after in pairwise(self.counts) if after < before]


@dataclass(frozen=True, slots=True)
class Pinger:
    """One stream of pings for each address, and one of counts, until they are ended."""

    lab: Lab
    addresses: tuple[str, ...]

    def begin(self) -> None:
        """Start them as units of the client host, so that nothing here can end them early."""
        for address in self.addresses:
            asked = f"curl -fsS --max-time 2 http://{address}/counter && echo"
            self._start(address, "ping", f"exec ping -n -D -i {EVERY_S} -W 1 {address}")
            self._start(address, "count", f"while :; do {asked}; sleep {COUNT_EVERY_S}; done")

    def _start(self, address: str, what: str, command: str) -> None:
        unit = _unit(address, what)
        run(
            self.lab.client,
            f"systemd-run --quiet --collect --unit={unit} "
            f"sh -c 'exec >{_file(address, what)} 2>&1; {command}'",
            timeout_s=60,
        )

    def end(self) -> dict[str, Away]:
        """Stop them, and tell by address what was heard."""
        found = {}
        for address in self.addresses:
            ping, count = _unit(address, "ping"), _unit(address, "count")
            ended = f"systemctl kill --signal=INT {ping} || :; systemctl stop {count} || :; sleep 1"
            run(self.lab.client, ended, timeout_s=60)
            read = [f"cat {_file(address, what)}" for what in ("ping", "count")]
            heard, said = (run(self.lab.client, script, timeout_s=60) for script in read)
            found[address] = replace(away(heard), counts=counts(said))
        return found


def away(text: str) -> Away:
    """What ``ping -D`` wrote, as times without an answer."""
    heard = [(float(m["at"]), int(m["seq"])) for m in _LINE.finditer(text)]
    gaps = [after[0] - before[0] for before, after in pairwise(heard)]
    pings = heard[-1][1] - heard[0][1] + 1 if heard else 0
    lost = pings - len({seq for _, seq in heard})
    long = tuple(gap for gap in gaps if gap > _GAP_S)
    return Away(pings, lost, max(gaps, default=float("inf")), gaps_s=long)


def counts(text: str) -> tuple[int, ...]:
    """What the guest said each time that it was asked and answered."""
    return tuple(int(line) for line in text.splitlines() if line.strip().isdecimal())


def _unit(address: str, what: str) -> str:
    return f"test-{what}-{address.replace('.', '-')}.service"


def _file(address: str, what: str) -> str:
    return f"/var/tmp/{what}-{address}"  # noqa: S108 - on a host of the lab
