"""Why a step is in a plan, and why there: what ``skylift why STEP`` tells."""

from __future__ import annotations

from dataclasses import dataclass

from skylift.actions.action import NothingToUndo, NoWayBack, Reversal, Undo
from skylift.catalog.catalog import Catalog
from skylift.model.ids import StepId
from skylift.planning.plan import Edge, Impact, Plan, Stage
from skylift.planning.window import Window, ended_with


@dataclass(frozen=True, slots=True)
class Reasons:
    """A step as an operator asks for it: what it does, what users notice, what it waits for and why."""

    step: StepId
    title: str
    stage: Stage
    impact: Impact
    way_back: str
    """Of the step alone."""
    ends: tuple[Window, ...]
    """How far components can be taken back, of which the end is this step, unless another was before it."""
    waits_for: tuple[Edge, ...]
    then: tuple[Edge, ...]
    """The edges to what waits for it."""


def why(plan: Plan, step: StepId, catalog: Catalog) -> Reasons:
    """The reasons for ``step``, in the plan's order of edges; ``catalog`` says with what ways back end.

    Raises:
        KeyError: the plan has no such step.
    """
    found = plan.step(step)
    return Reasons(
        step=step,
        title=found.action.title,
        stage=found.stage,
        impact=found.impact,
        way_back=way_back(found.action.reversal()),
        ends=ended_with(plan, catalog, step),
        waits_for=tuple(e for e in plan.edges if e.after == step),
        then=tuple(e for e in plan.edges if e.before == step),
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
