"""Wait until a service that went back has been there for long enough to be known to all that speak to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal
from skylift.actions.service_run import observe_started
from skylift.model.ids import HostName, Seconds, ServiceName, UnitName
from skylift.model.roster import Roster
from skylift.ports import Ports


@dataclass(frozen=True, slots=True)
class AwaitHeard(Action):
    """Wait until ``service`` on ``host`` reports ``for_s`` seconds after its unit was started.

    The clocks are those of its host and of who writes its row; ``for_s`` is longer than these may differ.
    """

    kind: ClassVar[str] = "await-heard"

    host: HostName
    service: ServiceName
    unit: UnitName
    link: PurePosixPath
    rosters: tuple[Roster, ...]
    """Where it reports; a report in one of them will do."""
    for_s: Seconds

    @property
    def title(self) -> str:
        return f"wait until {self.service} on {self.host} is known to all that speak to it"

    def observe(self, ports: Ports) -> Progress:
        """Done when a row was written so long after the start.

        Raises:
            ServiceDied: the unit ended by itself.
        """
        started = observe_started(ports, self.host, self.unit, self.link)
        if isinstance(started, Pending):
            return started
        since = ports.services.unit(self.host, self.unit, self.link).started_at
        rows = [row for roster in self.rosters for row in ports.database.reports(roster)]
        own = (row for row in rows if row.service == self.service and row.is_from(self.host))
        if since is not None and any(row.seen_at and row.seen_at > since + self.for_s for row in own):
            return Done()
        return Pending(f"{self.service} has not reported {self.for_s} s after its start yet")

    def advance(self, ports: Ports) -> None:
        """Nothing to push: others learn of it by themselves."""

    def reversal(self) -> Reversal:
        return NothingToUndo("waiting changes nothing")
