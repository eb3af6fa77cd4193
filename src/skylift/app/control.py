"""What an operator says to a run from any terminal: pause it, skip or postpone a step.

Told to the journal alone, so it works while no host can be reached; whoever runs the plan obeys it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches

from skylift.app.conduct import approved_plan
from skylift.app.fleet_account import account_of
from skylift.app.mandates import approved_mandate
from skylift.app.runs import RunFolder
from skylift.app.wiring import open_journal
from skylift.engine.decide import Order
from skylift.engine.fold import Run
from skylift.engine.guards import gives_back
from skylift.engine.journal import Journal
from skylift.engine.verbs import Kind, said_to
from skylift.model.ids import StepId
from skylift.model.problem import Fix, Refused, Remedy
from skylift.planning.plan import Stage


class StepUnknown(Refused):
    """A step was named that the run's plan does not have."""

    code = "step.unknown"

    def __init__(self, step: StepId, known: list[StepId]) -> None:
        super().__init__(
            f"the plan has no step {step}",
            Remedy(Fix.RETRY, meant(step, known)),
            Remedy(Fix.REPAIR, "see how they stand: skylift status"),
        )


def meant(step: StepId, known: Collection[StepId]) -> str:
    """What may have been meant by a step that is not ``known``: a line of a plan is several steps."""
    if of_line := [name for name in known if _line_of(name) == step]:
        return f"name one of the steps of that line: {', '.join(of_line)}"
    near = [name for name in known if step in name] or get_close_matches(step, known, n=3)
    return f"did you mean {' or '.join(near[:8])}?" if near else f"name one of its {len(known)} steps"


def _line_of(step: StepId) -> str:
    """The line of a printed plan that a step is on: what happens to one service on one host."""
    subject, _, verb = step.partition(":")
    return f"{subject}@{verb.partition('@')[2]}"


def tell(folder: RunFolder, say: Callable[[Journal, Order], Run], *, steps: Collection[StepId] = ()) -> Run:
    """Say a word to the run in ``folder``, about ``steps`` if any are named.

    Raises:
        StepUnknown: the plan has no such step.
        PlanChanged: its plan is not the one that was approved.
        RunRefuses, StepRefuses: not as the run or the step stands.
    """
    with open_journal(folder) as journal:
        if folder.of_fleet:
            known_steps(account_of(approved_mandate(folder, journal), journal.events(), None).steps, steps)
            with said_to(Kind.HOSTS):
                return say(journal, NO_ORDER)
        plan = approved_plan(folder, journal)
        known_steps((known.id for known in plan.steps), steps)
        with said_to(Kind.of(plan)):
            return say(journal, Order.of(plan))


class FleetOrder(Order):
    """Of a run over a fleet: its conductor decides what waits for what, and gives back what was taken."""

    def unapproved(self, run: Run) -> Mapping[Stage, tuple[StepId, ...]]:
        """The stages as they were gated: no step of a host is a point of no return."""
        return dict.fromkeys(run.gated, ())

    def guards(self, step: StepId) -> bool:
        """Whether a step gives back what the run has paused."""
        return gives_back(step)


NO_ORDER = FleetOrder((), {}, (), {}, {})


def known_steps(steps: Iterable[StepId], named: Iterable[StepId]) -> None:
    """See that every step that was ``named`` is among these.

    Raises:
        StepUnknown: it is not.
    """
    known = list(steps)
    for step in named:
        if step not in known:
            raise StepUnknown(step, known)
