"""Plans with one flaw each: as a planner with that flaw would make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from skylift.actions.await_ended import AwaitEnded
from skylift.actions.backend_traffic import AwaitQuiet, DrainBackend, UndrainBackend
from skylift.actions.closing import AwaitIdle, CloseService, OpenService, Placed
from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.parking import ParkPool, UnparkPool
from skylift.actions.prove import VerifyComponent
from skylift.actions.service_run import AwaitHealthy, StartService, StopService, WarmUpBackend
from skylift.model.ids import StepId
from skylift.planning.plan import Plan, Stage, Step
from skylift.ports import Ports


@dataclass(frozen=True, slots=True)
class _DrainsAnyway(DrainBackend):
    def advance(self, ports: Ports) -> None:
        ports.balancer.set_state(self.pool, self.server, "drain")


@dataclass(frozen=True, slots=True)
class _OpensAll(OpenService):
    """On every host, whoever closed it."""

    def _ours(self, ports: Ports) -> tuple[Placed, ...]:
        rows = ((r, row) for r in self.rosters for row in ports.database.reports(r))
        return tuple((roster, row) for roster, row in rows if row.service == self.service and not row.enabled)


def without(plan: Plan, gone: Callable[[Step], bool]) -> Plan:
    """The plan without some steps; what waited for one waits for what that had waited for."""
    pairs = {(edge.before, edge.after) for edge in plan.edges}
    for name in (step.id for step in plan.steps if gone(step)):
        through = {(a, b) for a, here in pairs for there, b in pairs if here == there == name}
        pairs = {pair for pair in pairs | through if name not in pair}
    kept = {(edge.before, edge.after): edge for edge in plan.edges}
    like = plan.edges[0]
    edges = (kept.get(p) or replace(like, before=p[0], after=p[1]) for p in sorted(pairs))
    return replace(plan, steps=tuple(s for s in plan.steps if not gone(s)), edges=tuple(edges))


def parted(plan: Plan, where: Callable[[Step, Step], bool]) -> Plan:
    """The plan without the edges between some steps."""
    steps: dict[StepId, Step] = {step.id: step for step in plan.steps}
    edges = (edge for edge in plan.edges if not where(steps[edge.before], steps[edge.after]))
    return replace(plan, edges=tuple(edges))


def turns_at_once(plan: Plan) -> Plan:
    """No turn waits for another one."""
    return parted(plan, lambda _, after: isinstance(after.action, DrainBackend))


def drains_anyway(plan: Plan) -> Plan:
    """Whatever else is down."""
    return _instead(plan, DrainBackend, _DrainsAnyway)


def opens_what_others_closed(plan: Plan) -> Plan:
    return _instead(plan, OpenService, _OpensAll)


def stops_what_builds(plan: Plan) -> Plan:
    """No host is closed to new work, and nobody waits for what is in hand."""
    return without(plan, lambda step: isinstance(step.action, CloseService | AwaitIdle | OpenService))


def starts_before_all_have_stopped(plan: Plan) -> Plan:
    """An engine starts as soon as its own host has none, whatever the other hosts run."""
    hosts = {s.id: s.action.host for s in plan.steps if isinstance(s.action, StopService | StartService)}

    def of_another(before: Step, after: Step) -> bool:
        both = isinstance(before.action, StopService) and isinstance(after.action, StartService)
        return both and hosts[before.id] != hosts[after.id] and before.id.startswith("heat-engine:")

    loose = parted(plan, of_another)
    last = StepId(f"heat-engine:stop@{max(hosts.values())}")
    held = replace(plan.edges[0], before=StepId(f"heat-engine:healthy@{min(hosts.values())}"), after=last)
    return replace(loose, edges=(*loose.edges, held))


def waits_for_no_stack(plan: Plan) -> Plan:
    """Nobody waits for what users asked for, and nobody keeps them from asking."""
    return without(plan, lambda step: isinstance(step.action, AwaitEnded | ParkPool | UnparkPool))


def _instead(
    plan: Plan, of: type[DrainBackend | OpenService], other: type[DrainBackend | OpenService]
) -> Plan:
    """Another action in place of each of a kind, with the same fields."""
    steps = (
        replace(s, action=other(**{f.name: getattr(s.action, f.name) for f in fields(of)}))
        if isinstance(s.action, of)
        else s
        for s in plan.steps
    )
    return replace(plan, steps=tuple(steps))


def contract_at_any_time(plan: Plan) -> Plan:
    """What removes columns waits for nothing but the backup."""

    def hurries(before: Step, after: Step) -> bool:
        late = isinstance(after.action, MigrateSchema) and after.action.destructive
        return late and not before.id.startswith("backup")

    return parted(plan, hurries)


def stops_what_is_in_use(plan: Plan) -> Plan:
    return without(plan, lambda step: isinstance(step.action, DrainBackend | AwaitQuiet))


def lets_back_too_soon(plan: Plan) -> Plan:
    """Users come back when the service is stopped."""
    between = StartService | AwaitHealthy | WarmUpBackend
    back = {s.id: s.action.server for s in plan.steps if isinstance(s.action, UndrainBackend)}
    stops = {s.action.host: s.id for s in plan.steps if isinstance(s.action, StopService)}
    hasty = parted(plan, lambda b, a: a.id in back and isinstance(b.action, between))
    added = (replace(plan.edges[0], before=stops[host], after=step) for step, host in back.items())
    return replace(hasty, edges=(*hasty.edges, *added))


def forgets_a_host(plan: Plan) -> Plan:
    """It stays old, with the schema, and nobody looks in the end."""
    host = next(s.action.server for s in plan.steps if isinstance(s.action, DrainBackend))

    def gone(step: Step) -> bool:
        of_host = step.id.endswith(f"@{host}") and step.stage is Stage.CONTROL_PLANE
        return of_host or step.no_return or isinstance(step.action, VerifyComponent)

    return without(plan, gone)


def never_lets_back(plan: Plan) -> Plan:
    return without(plan, lambda step: isinstance(step.action, UndrainBackend))
