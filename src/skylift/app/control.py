"""What an operator says to a run from any terminal: pause it, skip or postpone a step.

Told to the journal alone, so it works while no host can be reached; whoever runs the plan obeys it.
"""

from __future__ import annotations

from collections.abc import Callable

from skylift.app.conduct import approved_plan
from skylift.app.runs import RunFolder
from skylift.app.wiring import open_journal
from skylift.engine.decide import Order
from skylift.engine.fold import Run
from skylift.engine.journal import Journal
from skylift.model.ids import StepId
from skylift.model.problem import Fix, Refused, Remedy
from skylift.planning.plan import Plan


class StepUnknown(Refused):
    """A step was named that the run's plan does not have."""

    code = "step.unknown"

    def __init__(self, step: StepId, plan: Plan) -> None:
        known = [s.id for s in plan.steps]
        near = [name for name in known if step in name] or known
        super().__init__(
            f"the plan has no step {step}",
            Remedy(Fix.RETRY, f"name one of its steps: {', '.join(near[:8])}"),
            Remedy(Fix.REPAIR, "see how they stand: skylift status"),
        )


def tell(folder: RunFolder, say: Callable[[Journal, Order], Run], *, step: StepId | None = None) -> Run:
    """Say a word to the run in ``folder``, about ``step`` if one is named.

    Raises:
        StepUnknown: the plan has no such step.
        PlanChanged: its plan is not the one that was approved.
        RunRefuses, StepRefuses: not as the run or the step stands.
    """
    with open_journal(folder) as journal:
        plan = approved_plan(folder, journal)
        known_step(plan, step)
        return say(journal, Order.of(plan))


def known_step(plan: Plan, step: StepId | None) -> None:
    """See that the plan has ``step``, if one is named.

    Raises:
        StepUnknown: it has none of that name.
    """
    if step is not None and all(step != known.id for known in plan.steps):
        raise StepUnknown(step, plan)
