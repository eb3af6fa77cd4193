"""See that nothing keeps a component to the old form of its messages any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Progress, Reversal
from skylift.model.ids import ComponentName, ServiceName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.roster import Roster, ServiceReport
from skylift.ports import Ports


class PinHeld(Refused):
    """Rows of old services keep a component to the old form of its messages."""

    code = "pin.held"

    def __init__(self, component: ComponentName, rows: Iterable[tuple[ServiceReport, int, str]]) -> None:
        held = [
            (f"{row.service} on {row.host} in {row.database}, which is at {row.version} of {wanted}", how)
            for row, wanted, how in rows
        ]
        super().__init__(
            f"{component} still speaks the old form of its messages: "
            f"held by {'; '.join(told for told, _ in held)}",
            Remedy(Fix.REPAIR, "of a service that runs: see why it is old: skylift inspect"),
            *(Remedy(Fix.REPAIR, f"of one that is gone, remove its row: {how}") for _, how in held),
            Remedy(
                Fix.RETRY,
                "then: skylift retry; services that were restarted meanwhile keep what they saw: restart "
                "them first",
            ),
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """The lowest version that the rows of a service must show."""

    service: ServiceName
    version: int


@dataclass(frozen=True, slots=True)
class VerifyPin(Action):
    """See, in every database, the lowest version of each service's rows at what the target release writes."""

    kind: ClassVar[str] = "verify-pin"

    component: ComponentName
    rosters: tuple[Roster, ...]
    wanted: tuple[Wanted, ...]
    """Of a service that is not here, all rows must show the same."""

    @property
    def title(self) -> str:
        return f"verify that {self.component} speaks the newest form of its messages"

    def observe(self, ports: Ports) -> Progress:
        """Done when no row that counts is older than it should be.

        Raises:
            PinHeld: one is.
        """
        lowest = {wanted.service: wanted.version for wanted in self.wanted}
        held: list[tuple[ServiceReport, int, str]] = []
        for roster in self.rosters:
            rows = [row for row in ports.database.reports(roster) if row.holds]
            for row in rows:
                newest = max(r.version or 0 for r in rows if r.service == row.service)
                wanted = lowest.get(row.service, newest)
                if (row.version or 0) < wanted:
                    held.append((row, wanted, row.removal(roster)))
        if held:
            raise PinHeld(self.component, held)
        return Done()

    def advance(self, ports: Ports) -> None:
        """Nothing to push."""

    def reversal(self) -> Reversal:
        return NothingToUndo("looking changes nothing")
