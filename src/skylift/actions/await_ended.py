"""Wait until nothing is under way in a whole component (rows 96, 97)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal
from skylift.actions.closing import told
from skylift.model.ids import ComponentName, Seconds
from skylift.model.problem import Fix, Remedy
from skylift.model.roster import Roster
from skylift.ports import Ports


@dataclass(frozen=True, slots=True)
class AwaitEnded(Action):
    """Wait until all that users asked of ``component`` has ended, on whichever host it is under way."""

    kind: ClassVar[str] = "await-ended"

    component: ComponentName
    rosters: tuple[Roster, ...]
    """Where its work is seen."""
    limit: Seconds
    """How long it may take while users' requests wait; 0 while they do not."""

    @property
    def title(self) -> str:
        return f"wait until nothing of {self.component} is under way"

    @property
    def looks_again(self) -> bool:
        """While users' requests do not wait, something may begin at any time."""
        return self.limit > 0

    @property
    def must_last(self) -> bool:
        """Something began if requests flowed since: their parking ended, or a balancer had forgotten it."""
        return self.looks_again

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """See what does not end; a retry lets requests wait anew."""
        return (
            Remedy(Fix.REPAIR, "see what users have in hand, and end what is stuck: skylift inspect"),
            Remedy(Fix.RETRY, "at a time when less is asked for: skylift retry"),
        )

    def observe(self, ports: Ports) -> Progress:
        left = [work for roster in self.rosters for work in ports.database.work(roster)]
        return Pending(f"in hand: {', '.join(told(work) for work in left)}") if left else Done()

    def advance(self, ports: Ports) -> None:
        """It ends by itself."""

    def reversal(self) -> Reversal:
        return NothingToUndo("waiting changes nothing")
