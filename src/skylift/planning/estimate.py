"""How long a plan takes: the longest way through its steps."""

from __future__ import annotations

from collections.abc import Callable

from skylift.model.ids import Seconds, StepId
from skylift.planning.graph import in_order, waits_for
from skylift.planning.plan import Estimate, Plan, Step


def critical_path(plan: Plan) -> tuple[tuple[StepId, ...], Estimate]:
    """The steps that decide how long the run takes, and how long that is likely to be, with its spread.

    Each of the three figures is the longest way by that figure: more hands would not make it shorter.
    """
    way, likely = _longest(plan, lambda step: step.estimate.likely)
    _, low = _longest(plan, lambda step: step.estimate.low)
    _, high = _longest(plan, lambda step: step.estimate.high)
    return way, Estimate(Seconds(low), Seconds(likely), Seconds(high), "the longest way through the plan")


def _longest(plan: Plan, seconds: Callable[[Step], int]) -> tuple[tuple[StepId, ...], int]:
    steps = {step.id: step for step in plan.steps}
    before = waits_for(plan)
    end: dict[StepId, int] = {}
    via: dict[StepId, StepId | None] = {}
    for name in in_order(plan):
        last = max(sorted(before[name]), key=lambda step: end[step], default=None)
        via[name] = last
        end[name] = seconds(steps[name]) + (end[last] if last else 0)
    here: StepId | None = max(sorted(end), key=lambda name: end[name], default=None)
    total = end[here] if here else 0
    way: list[StepId] = []
    while here:
        way.append(here)
        here = via[here]
    return tuple(reversed(way)), total
