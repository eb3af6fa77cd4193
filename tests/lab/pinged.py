"""Guests pinged from the client host all the while, past everything that is ours: how long each was away."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from skylift.gate.lab.host import Lab, run

EVERY_S = 0.2
_LINE = re.compile(r"^\[(?P<at>[\d.]+)\] \d+ bytes from .* icmp_seq=(?P<seq>\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Away:
    """What was heard of one guest."""

    pings: int
    lost: int
    longest_s: float
    """The longest time without an answer."""


@dataclass(frozen=True, slots=True)
class Pinger:
    """One stream of pings for each address, until it is ended."""

    lab: Lab
    addresses: tuple[str, ...]

    def begin(self) -> None:
        """Start them as units of the client host, so that nothing here can end them early."""
        for address in self.addresses:
            command = f"exec ping -n -D -i {EVERY_S} -W 1 {address} >{_file(address)} 2>&1"
            run(
                self.lab.client,
                f"systemctl reset-failed {_unit(address)} 2>/dev/null; "
                f"systemd-run --quiet --collect --unit={_unit(address)} sh -c '{command}'",
                timeout_s=60,
            )

    def end(self) -> dict[str, Away]:
        """Stop them, and tell by address what was heard."""
        found = {}
        for address in self.addresses:
            run(self.lab.client, f"systemctl kill --signal=INT {_unit(address)} || :; sleep 1", timeout_s=60)
            found[address] = away(run(self.lab.client, f"cat {_file(address)}", timeout_s=60))
        return found


def away(text: str) -> Away:
    """What ``ping -D`` wrote, as times without an answer."""
    heard = [(float(m["at"]), int(m["seq"])) for m in _LINE.finditer(text)]
    gaps = [after[0] - before[0] for before, after in pairwise(heard)]
    pings = heard[-1][1] - heard[0][1] + 1 if heard else 0
    return Away(pings, pings - len({seq for _, seq in heard}), max(gaps, default=float("inf")))


def _unit(address: str) -> str:
    return f"test-ping-{address.replace('.', '-')}.service"


def _file(address: str) -> str:
    return f"/var/tmp/ping-{address}"  # noqa: S108 - on a host of the lab
