"""Wait until a service that was started says in its component's database that it works, and how new it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar, Protocol

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal
from skylift.actions.service_run import observe_started
from skylift.model.ids import HostName, ServiceName, UnitName
from skylift.model.roster import Roster, ServiceReport
from skylift.ports import Ports

_SKEW_S = 2
"""How far the clock that a row is written by may be ahead of its service's host: nova's conductors write for
nova-compute. A report from before the stop, taken for a new one, would say nothing of what was started."""


class Reporting(Protocol):
    """A service on one host, and where it reports."""

    @property
    def host(self) -> HostName: ...
    @property
    def service(self) -> ServiceName: ...
    @property
    def unit(self) -> UnitName: ...
    @property
    def link(self) -> PurePosixPath: ...
    @property
    def rosters(self) -> tuple[Roster, ...]: ...


@dataclass(frozen=True, slots=True)
class AwaitReport(Action):
    """Wait until ``service`` on ``host`` has reported since its unit was started."""

    kind: ClassVar[str] = "await-report"

    host: HostName
    service: ServiceName
    unit: UnitName
    link: PurePosixPath
    rosters: tuple[Roster, ...]
    """Where it reports; a report in one of them will do."""
    version: int
    """The lowest version that it must show; 0 if its rows have none."""

    @property
    def title(self) -> str:
        return f"wait until {self.service} on {self.host} reports that it works"

    def observe(self, ports: Ports) -> Progress:
        """Done when a row was written after the start, by code as new as the target.

        Raises:
            ServiceDied: the unit ended by itself.
        """
        new = reports_since_start(ports, self, after_s=_SKEW_S)
        if isinstance(new, Pending):
            return new
        if any((row.version or 0) >= self.version for row in new):
            return Done()
        if new:
            told = ", ".join(sorted({str(row.version) for row in new}))
            return Pending(f"{self.service} reports version {told}, and {self.version} is what it should be")
        return Pending(f"{self.service} has not reported since it was started")

    def advance(self, ports: Ports) -> None:
        """Nothing to push: it reports by itself."""

    def reversal(self) -> Reversal:
        return NothingToUndo("waiting changes nothing")


def reports_since_start(ports: Ports, of: Reporting, *, after_s: int) -> Pending | tuple[ServiceReport, ...]:
    """The rows that a service wrote more than ``after_s`` seconds after its unit was started, if that runs.

    Raises:
        ServiceDied: the unit ended by itself.
    """
    started = observe_started(ports, of.host, of.unit, of.link)
    if isinstance(started, Pending):
        return started
    since = ports.services.unit(of.host, of.unit, of.link).started_at
    rows = (row for roster in of.rosters for row in ports.database.reports(roster))
    own = (row for row in rows if row.service == of.service and row.is_from(of.host))
    return tuple(r for r in own if since is not None and r.seen_at and r.seen_at > since + after_s)
