"""Why a step is in a plan, and why there: ``skylift why STEP``."""

from __future__ import annotations

from collections.abc import Iterator

from skylift.actions.action import NothingToUndo, NoWayBack, Reversal, Undo
from skylift.model.ids import StepId
from skylift.planning.plan import Edge, Notice, Plan


def why(plan: Plan, step: StepId) -> tuple[str, ...]:
    """What a step does, what it waits for and what waits for it, each with its reason; impact; way back.

    Raises:
        KeyError: the plan has no such step.
    """
    found = plan.step(step)
    before = [e for e in plan.edges if e.after == step]
    after = [e for e in plan.edges if e.before == step]
    impact = found.impact
    notice = "nothing" if impact.notice is Notice.NONE else f"{impact.notice.value} ({impact.api})"
    return (
        f"{step}: {found.action.title}",
        f"  stage      {found.stage.value}",
        f"  users see  {notice}",
        f"  way back   {way_back(found.action.reversal())}",
        "  waits for" if before else "  waits for nothing",
        *_reasons([(e.before, e) for e in before]),
        "  then" if after else "  nothing waits for it",
        *_reasons([(e.after, e) for e in after]),
    )


def way_back(reversal: Reversal) -> str:
    """How a step is taken back, in one line."""
    match reversal:
        case Undo(action):
            return action.title
        case NothingToUndo(why_not):
            return f"nothing to undo: {why_not}"
        case NoWayBack(why_not):
            return f"NO WAY BACK: {why_not}"


def _reasons(edges: list[tuple[StepId, Edge]]) -> Iterator[str]:
    for other, edge in edges:
        yield f"    {other}, because {edge.because} [{edge.source}]"
