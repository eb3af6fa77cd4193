"""Wait until a service that went back has been there for long enough to be known to all that speak to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal
from skylift.actions.await_report import reports_since_start
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
        new = reports_since_start(ports, self, after_s=self.for_s)
        if isinstance(new, Pending):
            return new
        if new:
            return Done()
        return Pending(f"{self.service} has not reported {self.for_s} s after its start yet")

    def advance(self, ports: Ports) -> None:
        """Nothing to push: others learn of it by themselves."""

    def reversal(self) -> Reversal:
        return NothingToUndo("waiting changes nothing")
