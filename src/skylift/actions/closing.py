"""Close a service on a host to new work, wait until it has nothing in hand, open it again (rows 96, 97)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal, Undo
from skylift.model.closing import closed_at, closed_for
from skylift.model.cloud import UnitState
from skylift.model.ids import Epoch, HostName, ServiceName, UnitName
from skylift.model.problem import Fix, Remedy
from skylift.model.record import Record
from skylift.model.roster import Roster, RosterKind, ServiceReport
from skylift.model.work import InHand
from skylift.ports import Ports

SETTLE_S = 5
"""For how long after the closing a service may still be given work: that of a scheduler which had chosen it
before, and the time by which the clocks of two hosts may differ."""

_DEAD = {UnitState.INACTIVE, UnitState.FAILED}
_NOBODY = Epoch(0.0)

_OPEN = {
    RosterKind.NOVA: "openstack compute service set --enable {host} {binary}",
    RosterKind.CINDER: "openstack volume service set --enable {host} {binary}",
}
"""The operator's own commands. Source: python-openstackclient, compute service and volume service."""

Placed = tuple[Roster, ServiceReport]


@dataclass(frozen=True, slots=True)
class CloseService(Action):
    """Let ``service`` on ``host`` get no new work; what it has goes on.

    Each of its rows is closed with a reason that names the plan. One that is closed already stays as it is.
    """

    kind: ClassVar[str] = "close-service"

    host: HostName
    service: ServiceName
    rosters: tuple[Roster, ...]
    """Where it reports."""
    labels: tuple[str, ...]
    """The plan's own label, then those of earlier plans that left it closed."""

    @property
    def title(self) -> str:
        return f"close {self.service} on {self.host} to new work"

    def observe(self, ports: Ports) -> Progress:
        placed = tuple(_placed(ports, self.rosters, self.service, self.host))
        if not placed:
            return Pending(f"{self.service} on {self.host} has no row to close")
        still_open = [row.host for _, row in placed if row.enabled]
        return Pending(f"{', '.join(still_open)} still gets new work") if still_open else Done()

    def advance(self, ports: Ports) -> None:
        for roster, row in _placed(ports, self.rosters, self.service, self.host):
            if row.enabled:
                ports.intake.close(roster, row, label=self.labels[0])

    def reversal(self) -> Reversal:
        return Undo(OpenService(self.host, self.service, self.rosters, self.labels))


@dataclass(frozen=True, slots=True)
class OpenService(Action):
    """Let ``service`` on ``host`` get new work again, if it was we who closed it."""

    kind: ClassVar[str] = "open-service"

    host: HostName
    service: ServiceName
    rosters: tuple[Roster, ...]
    """Where it reports."""
    labels: tuple[str, ...]
    """Whose closing is taken back: no other is."""

    @property
    def title(self) -> str:
        return f"open {self.service} on {self.host} to new work"

    def observe(self, ports: Ports) -> Progress:
        ours = [row.host for _, row in self._ours(ports)]
        return Pending(f"{', '.join(ours)} gets no new work yet") if ours else Done()

    def advance(self, ports: Ports) -> None:
        for roster, row in self._ours(ports):
            ports.intake.open(roster, row, labels=self.labels)

    def by_hand(self, record: Record) -> tuple[str, ...]:
        """By the schedulers' own client."""
        del record
        return _opening(self.host, self.service, self.rosters)

    def reversal(self) -> Reversal:
        return NothingToUndo("a service that gets work is the usual state")

    def _ours(self, ports: Ports) -> tuple[Placed, ...]:
        placed = _placed(ports, self.rosters, self.service, self.host)
        return tuple((roster, row) for roster, row in placed if closed_for(row, self.labels))


@dataclass(frozen=True, slots=True)
class AwaitIdle(Action):
    """Wait until ``service`` on ``host`` has ended what it has in hand, and what was on its way to it.

    Done at once if it does not run: a stop can then lose nothing.
    """

    kind: ClassVar[str] = "await-idle"

    host: HostName
    service: ServiceName
    unit: UnitName
    link: PurePosixPath
    rosters: tuple[Roster, ...]
    """Where it reports, and its work is seen."""
    labels: tuple[str, ...]
    """Of the closing that came before; none if this plan does not close it."""

    @property
    def title(self) -> str:
        return f"wait until {self.service} on {self.host} has nothing in hand"

    @property
    def must_last(self) -> bool:
        """Somebody may open it again meanwhile."""
        return True

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Wait on, or let it take work again."""
        look = Remedy(Fix.REPAIR, "see what users have in hand, and end what is stuck: skylift inspect")
        opened = _opening(self.host, self.service, self.rosters)
        told = (Remedy(Fix.ROLL_BACK, f"or let it get new work again meanwhile: {how}") for how in opened)
        return (look, *(told if self.labels else ()))

    def observe(self, ports: Ports) -> Progress:
        if ports.services.unit(self.host, self.unit, self.link).state in _DEAD:
            return Done()
        placed = tuple(_placed(ports, self.rosters, self.service, self.host))
        if not placed:
            return Pending(f"{self.service} on {self.host} has no row that would tell")
        for _, row in placed:
            if self.labels and row.enabled:
                return Pending(f"{row.host} gets new work again")
            at = closed_at(row)
            # Its next report tells that this time has passed, and that it lives: no clock is needed.
            if at is not None and not (row.seen_at and row.seen_at > at + SETTLE_S):
                return Pending(f"{row.host} was closed only just now")
        left = [work for roster, row in placed for work in self._work(ports, roster, row)]
        return Pending(f"in hand: {', '.join(told(work) for work in left)}") if left else Done()

    def advance(self, ports: Ports) -> None:
        """Close it again, if somebody opened it meanwhile; its work ends by itself."""
        for roster, row in _placed(ports, self.rosters, self.service, self.host):
            if self.labels and row.enabled:
                ports.intake.close(roster, row, label=self.labels[0])

    def reversal(self) -> Reversal:
        return NothingToUndo("waiting changes nothing")

    def _work(self, ports: Ports, roster: Roster, row: ServiceReport) -> tuple[InHand, ...]:
        """Nothing is on its way to a service that others closed long ago; to one that is open, all may be."""
        at = closed_at(row)
        before = None if row.enabled else Epoch(at + SETTLE_S) if at is not None else _NOBODY
        return ports.database.work_of(roster, row, promised_before=before)


def _opening(host: HostName, service: ServiceName, rosters: tuple[Roster, ...]) -> tuple[str, ...]:
    """The operator's own commands that open a service on a host."""
    names = {(r.kind, n.row) for r in rosters for n in r.names if n.service == service}
    return tuple(_OPEN[kind].format(host=host, binary=binary) for kind, binary in sorted(names, key=str))


def _placed(
    ports: Ports, rosters: tuple[Roster, ...], service: ServiceName, host: HostName
) -> Iterator[Placed]:
    """Every row of a service on a host: of cinder-volume one for each backend."""
    for roster in rosters:
        for row in ports.database.reports(roster):
            if row.service == service and row.is_from(host):
                yield roster, row


def told(work: InHand) -> str:
    """What is in hand, as a sentence tells it."""
    such = f", such as {work.oldest[0].id}" if work.oldest else ""
    return f"{work.count} of kind {work.what} {work.state}{such}"
