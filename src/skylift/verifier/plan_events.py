"""The steps of a plan as events: a turn of a service on a host stops, starts and upgrades it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import and_

from skylift.verifier.document import PlanSeen, StepSeen
from skylift.verifier.events import Event, Events, Turn, bits, events_of
from skylift.verifier.knowledge import RUN

_MOVES = {
    "close": ("close-service",),
    "stop": ("stop-service",),
    "start": ("start-service", "await-healthy"),
    "open": ("open-service",),
}


def plan_events(plan: PlanSeen) -> Events:
    """What a plan does, and where its services are by the facts it relies on."""
    places = {component: plan.places_of(component) for component in set(plan.services.values())}
    return events_of(_turns(plan), (*_phases(plan), *_unpins(plan)), places)


def _turns(plan: PlanSeen) -> Iterator[Turn]:
    for (service, host), steps in plan.turns.items():
        moves = {
            verb: _seen(plan, [steps[kind] for kind in kinds if kind in steps])
            for verb, kinds in _MOVES.items()
            if kinds[0] in steps
        }
        yield Turn(
            component=plan.services.get(service, service),
            service=service,
            host=host,
            cell=plan.facts.get(f"cell {host}", ""),
            steps={**moves, "upgrade": _seen(plan, steps.values())},
            told=f"{service} on {host}",
            blocks={},
            last=plan.is_gone(service),
        )


def _phases(plan: PlanSeen) -> Iterator[Event]:
    for step in plan.of_kind("migrate-schema"):
        component = str(step.action["component"])
        yield _once(_seen(plan, [step]), step.id, (RUN, component, f"{component}:{step.action['phase']}"))


def _unpins(plan: PlanSeen) -> Iterator[Event]:
    """A component is unpinned by all the restarts that let its services look again."""
    for component in sorted({plan.services.get(service, "") for service, _ in plan.restarts}):
        own = [t for (service, _), t in plan.restarts.items() if plan.services.get(service) == component]
        seen = _seen(plan, [step for turn in own for step in turn.values()])
        yield _once(seen, f"unpin {component}", ("unpin", component, component))


def _seen(plan: PlanSeen, steps: Iterable[StepSeen]) -> Mapping[int, int]:
    return {step.number: plan.ancestors[step.id] for step in steps}


def _once(seen: Mapping[int, int], told: str, what: tuple[str, str, str]) -> Event:
    verb, component, subject = what
    return Event(
        verb=verb,
        component=component,
        subject=subject,
        host="",
        cell="",
        steps=bits(seen),
        waits=reduce(and_, seen.values()),
        told=told,
    )
