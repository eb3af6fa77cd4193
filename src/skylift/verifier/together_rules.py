"""Rules for services that are switched on all hosts together: nobody asks meanwhile, nothing is half done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from skylift.verifier.closing_rules import is_cold
from skylift.verifier.document import ENDED, PlanSeen, StepSeen
from skylift.verifier.knowledge import TogetherKnown
from skylift.verifier.parking_rules import Span, spans_of

_STOP, _HEALTHY = "stop-service", "await-healthy"

Turn = Mapping[str, StepSeen]


def requests_wait_while_none_lives(plan: PlanSeen) -> Iterator[str]:
    """From before the first stop until the last is healthy, whoever would give it work waits."""
    spans = spans_of(plan)
    for rule, turn in _switched(plan):
        for pool in _pools(plan, rule):
            if not any(_is_around(plan, span, turn) for span in spans if _pool(span) == pool):
                told = f"requests to pool {pool} do not surely wait from before {turn[_STOP].id} on"
                yield f"{told} until {rule.service} is healthy there: {rule.because} ({rule.source})"


def nothing_is_under_way(plan: PlanSeen) -> Iterator[str]:
    """What users asked for has ended before the first stop, as was seen when nobody could ask any more."""
    spans = spans_of(plan)
    for rule, turn in _switched(plan):
        component, pools = plan.services[rule.service], _pools(plan, rule)
        parks = [s.park for s in spans if _pool(s) in pools and _is_around(plan, s, turn)]
        looks = [look for look in plan.of_kind(ENDED) if look.action["component"] == component]
        if not any(
            look.action["rosters"]
            and plan.surely_before(look, turn[_STOP])
            and all(plan.surely_before(park, look) for park in parks)
            for look in looks
        ):
            told = f"{turn[_STOP].id} may stop what is under way in {component}"
            yield f"{told}: {rule.because} ({rule.source})"


def _switched(plan: PlanSeen) -> Iterator[tuple[TogetherKnown, Turn]]:
    """Each turn that stops such a service while the rest of its component serves."""
    for (service, _), turn in plan.turns.items():
        rule = plan.known.together(service)
        if rule and _STOP in turn and not is_cold(plan, service):
            yield rule, turn


def _is_around(plan: PlanSeen, span: Span, turn: Turn) -> bool:
    """Whether a pool is surely parked before a turn's stop, and until what was started is healthy."""
    last = turn.get(_HEALTHY, turn[_STOP])
    return plan.surely_before(span.park, turn[_STOP]) and plan.surely_before(last, span.unpark)


def _pool(span: Span) -> str:
    return str(span.park.action["pool"])


def _pools(plan: PlanSeen, rule: TogetherKnown) -> tuple[str, ...]:
    return tuple(plan.facts[f"pool {name}"] for name in rule.park if name in plan.services)
