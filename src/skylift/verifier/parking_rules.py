"""Rules for parked pools: what waits is let go on every way, soon, and whoever reads the plan sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from skylift.verifier.document import PARK, UNPARK, PlanSeen, StepSeen

_SLOW = "slow"
_LOSES = "stop-service"
"""What loses work in hand: the reason to park at all."""
_CANNOT = 0
"""For how long balancers hold requests that cannot."""


@dataclass(frozen=True, slots=True)
class Span:
    """A pool from its parking to its unparking, with all that surely lies between."""

    park: StepSeen
    unpark: StepSeen
    inside: tuple[StepSeen, ...]


def parked_pools_are_unparked(plan: PlanSeen) -> Iterator[str]:
    """Each parking has an unparking of its own after it, and each unparking a parking before it."""
    spans = spans_of(plan)
    pools = {text for name, text in plan.facts.items() if name.startswith("pool ")}
    for park in plan.of_kind(PARK):
        if _pool(park) not in pools:
            yield f"{park.id} parks pool {_pool(park)}, which is the pool of no service"
        if not any(span.park is park for span in spans):
            yield f"{park.id} parks pool {_pool(park)}, and no step surely unparks it after that"
    for unpark in plan.of_kind(UNPARK):
        if not any(span.unpark is unpark for span in spans):
            yield f"{unpark.id} unparks pool {_pool(unpark)}, which no step surely parks before it"


def parkings_of_a_pool_follow_each_other(plan: PlanSeen) -> Iterator[str]:
    """One unparking would let go what another parking still holds."""
    spans = spans_of(plan)
    for number, one in enumerate(spans):
        for other in spans[number + 1 :]:
            apart = plan.surely_before(one.unpark, other.park) or plan.surely_before(other.unpark, one.park)
            if _pool(one.park) == _pool(other.park) and not apart:
                yield f"{one.park.id} and {other.park.id} may park pool {_pool(one.park)} at the same time"


def parking_is_short(plan: PlanSeen) -> Iterator[str]:
    """Users wait no longer than policy.park_s, if everything takes as long as is likely."""
    longest = int(plan.facts.get("policy park_s", _CANNOT))
    for park in plan.of_kind(PARK):
        limit = int(park.action["limit"])
        if longest == _CANNOT:
            yield f"{park.id} parks pool {_pool(park)}, and the record names no map for it (balancer.parking)"
        elif limit > longest:
            yield f"{park.id} may hold requests for {limit} s, and policy.park_s allows {longest}"
        elif park.deadline > longest:
            yield f"{park.id} may take {park.deadline} s to get quiet, and policy.park_s allows {longest}"
    for span in spans_of(plan) if longest != _CANNOT else ():
        likely = _longest(plan, span)
        if likely > longest:
            yield (
                f"requests to pool {_pool(span.park)} would wait for {likely} s from {span.park.id} to "
                f"{span.unpark.id}, and policy.park_s allows {longest}"
            )


def what_needs_parking_gets_it(plan: PlanSeen) -> Iterator[str]:
    """What waits for a parking ends within it, and each stop within one waits for it itself.

    After a death only what waits for the parking itself is kept back until the pool is parked again.
    """
    for span in spans_of(plan):
        inside = {step.id for step in (*span.inside, span.unpark)}
        waiting = {then for first, then in plan.edges if first == span.park.id}
        for name in sorted(waiting - inside):
            yield f"{name} waits for {span.park.id}, and may run when {span.unpark.id} has let requests go"
        for step in span.inside:
            if step.kind == _LOSES and step.id not in waiting:
                yield f"{step.id} lies behind {span.park.id} and does not wait for it itself"


def waiting_is_told(plan: PlanSeen) -> Iterator[str]:
    """Whoever reads the plan sees during which steps users wait (row 11)."""
    for span in spans_of(plan):
        for step in (span.park, *span.inside):
            if step.impact["notice"] != _SLOW:
                yield f"requests to pool {_pool(span.park)} wait during {step.id}, which does not say so"


def _longest(plan: PlanSeen, span: Span) -> int:
    """How long the longest way through it likely takes: what waits for nothing in it goes side by side."""
    steps = sorted(
        (span.park, *span.inside, span.unpark), key=lambda step: plan.ancestors[step.id].bit_count()
    )
    ends: dict[str, int] = {}
    for step in steps:
        before = (ends[first] for first, then in plan.edges if then == step.id and first in ends)
        ends[step.id] = step.figures[1] + max(before, default=0)
    return ends[span.unpark.id]


def spans_of(plan: PlanSeen) -> tuple[Span, ...]:
    """Each parking with the first unparking of its pool that surely follows, no other parking between."""
    found: list[Span] = []
    parks, unparks = plan.of_kind(PARK), plan.of_kind(UNPARK)
    for park in parks:
        after = [u for u in unparks if _pool(u) == _pool(park) and plan.surely_before(park, u)]
        first = [u for u in after if not any(plan.surely_before(other, u) for other in after)]
        again = [
            p
            for p in parks
            for u in first
            if p is not park and _pool(p) == _pool(park)
            if plan.surely_before(park, p) and plan.surely_before(p, u)
        ]
        if len(first) == 1 and not again:
            (unpark,) = first
            inside = tuple(
                step
                for step in plan.steps.values()
                if plan.surely_before(park, step) and plan.surely_before(step, unpark)
            )
            found.append(Span(park, unpark, inside))
    return tuple(found)


def _pool(step: StepSeen) -> str:
    return str(step.action["pool"])
