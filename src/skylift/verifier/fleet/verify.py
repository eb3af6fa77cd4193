"""All rules over the plan of one fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from skylift.verifier.fleet import rules
from skylift.verifier.fleet.afterwards import afterwards_is_as_it_says
from skylift.verifier.fleet.replay import replay
from skylift.verifier.fleet.seen import FleetSeen, PlanSeen, Violation, fleet_seen, plan_seen

RULES: tuple[Callable[[FleetSeen, PlanSeen], Iterator[Violation]], ...] = (
    replay,
    rules.goes_where_it_may,
    rules.is_moved_as_agreed,
    rules.moves_once,
    rules.turns_are_whole,
    rules.proofs_hold,
    rules.waves_are_counted,
    rules.groups_stay_together,
    rules.limits_hold,
    rules.times_are_kept,
    afterwards_is_as_it_says,
)


def verify_fleet(fleet: Mapping[str, Any], plan: Mapping[str, Any]) -> tuple[Violation, ...]:
    """What speaks against a plan, by the documents of the fleet and the plan; none if it may be shown.

    A document that names what is not there, or lacks what it needs, has one violation that says so.
    """
    try:
        seen, planned = fleet_seen(fleet), plan_seen(plan)
        return tuple(violation for rule in RULES for violation in rule(seen, planned))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return (Violation("form", f"the documents cannot be judged: {type(error).__name__} {error}"),)
