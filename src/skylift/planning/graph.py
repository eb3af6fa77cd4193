"""The order of a plan's steps as a graph."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter

from skylift.model.ids import StepId
from skylift.planning.plan import Plan


def waits_for(plan: Plan) -> Mapping[StepId, frozenset[StepId]]:
    """Per step, those that must be done before it starts."""
    found: dict[StepId, set[StepId]] = {step.id: set() for step in plan.steps}
    for edge in plan.edges:
        found[edge.after].add(edge.before)
    return {name: frozenset(before) for name, before in found.items()}


def in_order(plan: Plan) -> tuple[StepId, ...]:
    """All steps, each after those it waits for.

    Raises:
        graphlib.CycleError: steps wait for each other; no accepted plan does.
    """
    return tuple(TopologicalSorter(waits_for(plan)).static_order())


def directly_before(plan: Plan) -> Mapping[StepId, tuple[StepId, ...]]:
    """Per step, those it waits for that no other of them waits for already: enough to show the order."""
    before = waits_for(plan)
    number = {step.id: n for n, step in enumerate(plan.steps)}
    behind: dict[StepId, int] = {}
    found: dict[StepId, tuple[StepId, ...]] = {}
    for step in in_order(plan):
        implied = 0
        for name in before[step]:
            implied |= behind[name]
        behind[step] = implied | sum(1 << number[name] for name in before[step])
        found[step] = tuple(sorted(name for name in before[step] if not implied >> number[name] & 1))
    return found
