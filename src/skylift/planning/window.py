"""How far a run can be taken back, component by component: until the first event that ends its way back.

Pure: from the plan, the steps that had begun, and what the catalog says of each component. An event is told
in the words of the catalog's constraints, so that the verifier can judge it with code of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from skylift.actions.backend_traffic import DrainBackend
from skylift.actions.closing import CloseService
from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.service_run import StartService, StopService
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.actions.unit_start import DisableUnit
from skylift.catalog.catalog import Catalog
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, ServiceName, StepId
from skylift.planning.plan import Plan, Step
from skylift.planning.turns import UNPIN

_TURNING = (DrainBackend, CloseService, DisableUnit, StopService, SwitchArtifact)
"""What begins to turn a service over; what was only let back or looked at is as it was."""


@dataclass(frozen=True, slots=True)
class Window:
    """How far the steps of one component lead back."""

    component: ComponentName
    changed: bool
    """Whether any of its services has begun to be turned over."""
    until: tuple[StepId, ...]
    """The steps of the plan of which the first to begin ends it: its own, and those of components that were
    upgraded after it and go back before it. None if no step of the plan ends it."""
    closed_by: StepId | None
    """The step that has begun, and ended it; none while it is open."""
    ended_by: ComponentName
    """Whose step that is; its own while it is open."""
    because: str
    source: str


def windows(plan: Plan, catalog: Catalog, begun: Collection[StepId] = ()) -> tuple[Window, ...]:
    """The window of each component that an upgrade plan has steps for, in the plan's order.

    A plan that goes back has none: what follows it is another upgrade.
    """
    return tuple(_windows(plan, catalog, frozenset(begun))) if isinstance(plan.goal, Upgrade) else ()


def ended_with(plan: Plan, catalog: Catalog, step: StepId) -> tuple[Window, ...]:
    """The windows that end when ``step`` begins, if all is new and no other has ended them; its own first."""
    ending = dict(_ending(plan, catalog)) if isinstance(plan.goal, Upgrade) else {}
    begun = [each.id for each in plan.steps if each.id == step or each.id not in ending]
    found = [window for window in windows(plan, catalog, begun) if window.closed_by == step]
    return tuple(sorted(found, key=lambda window: window.component != ending[step]))


def changed(plan: Plan, begun: Collection[StepId]) -> frozenset[ComponentName]:
    """The components of which a service has begun to be turned over: what is only prepared is not."""
    own = (step for step in plan.steps if step.id in begun and isinstance(step.action, _TURNING))
    return frozenset(plan.services[_service(step)] for step in own)


def begun_events(plan: Plan, begun: Collection[StepId]) -> tuple[str, ...]:
    """What had begun of the plan, as events."""
    return tuple(sorted({event for s in plan.steps if s.id in begun and (event := _event(plan, s))}))


def owner_of(plan: Plan, event: str) -> ComponentName | None:
    """The component that an event is of."""
    verb, _, subject = event.partition(" ")
    if verb == "start":
        return plan.services.get(ServiceName(subject))
    return ComponentName(subject.partition(":")[0])


def owner_of_step(plan: Plan, step: StepId) -> ComponentName:
    """The component that a step is about; of one that is about none, whatever its first word is."""
    subject = step.partition(":")[0]
    return plan.services.get(ServiceName(subject), ComponentName(subject))


def _windows(plan: Plan, catalog: Catalog, begun: frozenset[StepId]) -> Iterator[Window]:
    turned = changed(plan, begun)
    ending = dict(_ending(plan, catalog))
    owners = (owner_of_step(plan, step.id) for step in plan.steps)
    for name in (name for name in dict.fromkeys(owners) if name in catalog.components):
        # What was upgraded after it goes back before it, or stands in its way: if it is new at all.
        first = {owner: step for step, owner in reversed(ending.items())}
        own = (name, *sorted(catalog.after(name)))
        barred = (name, *(owner for owner in own[1:] if owner in turned))
        # Its own comes first: it stays closed if what was upgraded after it is taken back by other means.
        closed_by = next((s for o in barred for s in ending if ending[s] == o and s in begun), None)
        ended_by = ending[closed_by] if closed_by else name
        way_back = catalog.components[ended_by].way_back
        yield Window(
            component=name,
            changed=name in turned,
            until=tuple(first[owner] for owner in own if owner in first),
            closed_by=closed_by,
            ended_by=ended_by,
            because=way_back.because,
            source=way_back.source,
        )


def _ending(plan: Plan, catalog: Catalog) -> Iterator[tuple[StepId, ComponentName]]:
    """The steps of the plan with which any way back ends, in its order, each with whose."""
    owners = {event: name for name, known in catalog.components.items() for event in known.way_back.ends}
    for step in plan.steps:
        if (event := _event(plan, step)) in owners:
            yield step.id, owners[event]


def _event(plan: Plan, step: Step) -> str:
    """What begins with a step, if a way back could end with it; otherwise empty."""
    match step.action:
        case MigrateSchema(component=component, phase=phase):
            return f"run {component}:{phase}"
        case StartService() if step.id.partition(":")[2].startswith(UNPIN):
            # It looks again at how new the others are when it starts, and not before.
            return f"unpin {plan.services[_service(step)]}"
        case StartService():
            return f"start {_service(step)}"
        case _:
            return ""


def _service(step: Step) -> ServiceName:
    return ServiceName(step.id.partition(":")[0])
