"""Wait until a service that was started says in its component's database that it works, and how new it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal
from skylift.actions.service_run import observe_started
from skylift.model.ids import HostName, ServiceName, UnitName
from skylift.model.roster import Roster, ServiceReport
from skylift.ports import Ports

_SKEW_S = 2
"""How far the clock that a row is written by may be ahead of its service's host: nova's conductors write for
nova-compute. A report from before the stop, taken for a new one, would say nothing of what was started."""


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
        started = observe_started(ports, self.host, self.unit, self.link)
        if isinstance(started, Pending):
            return started
        since = ports.services.unit(self.host, self.unit, self.link).started_at
        rows = [row for roster in self.rosters for row in ports.database.reports(roster) if self._is_own(row)]
        new = [row for row in rows if since is not None and row.seen_at and row.seen_at > since + _SKEW_S]
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

    def _is_own(self, row: ServiceReport) -> bool:
        return row.service == self.service and row.is_from(self.host)
