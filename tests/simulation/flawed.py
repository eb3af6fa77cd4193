"""Engines and planners with one flaw each: what the watch of a simulation must see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from skylift.actions.backend_traffic import AwaitQuiet, DrainBackend, UndrainBackend
from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.service_run import AwaitHealthy, StartService, StopService, WarmUpBackend
from skylift.engine.decide import Decision, decide
from skylift.engine.execute import Execution, Limits, Push, Sight
from skylift.engine.fold import Run
from skylift.engine.journal import Event, Journal, Overtaken, Reported, StepFailed, StepStarted, milliseconds
from skylift.model.ids import Epoch, StepId
from skylift.model.problem import Uncertain
from skylift.planning.plan import Plan, Step
from skylift.ports import Ports
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.play import Product


class _WritesLater:
    """Keeps what is to start in memory until something else is written."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._owed: list[Event] = []

    def append(self, event: Event, *, after: int) -> None:
        if isinstance(event, StepStarted):
            self._owed.append(event)
            return
        before = after - len(self._owed)
        for number, owed in enumerate(self._owed):
            self._journal.append(owed, after=before + number)
        self._owed = []
        self._journal.append(event, after=after)

    def events(self) -> tuple[Event, ...]:
        return (*self._journal.events(), *self._owed)

    def close(self) -> None:
        self._journal.close()


class _AppendsBlindly:
    """Writes whatever others wrote meanwhile."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, event: Event, *, after: int) -> None:
        try:
            self._journal.append(event, after=after)
        except Overtaken:
            self.append(event, after=len(self._journal.events()))

    def events(self) -> tuple[Event, ...]:
        return self._journal.events()

    def close(self) -> None:
        self._journal.close()


class _Decides(Execution):
    """Decides by another run than the one there is."""

    def seen_as(self, run: Run) -> Run:
        """The run as this one takes it to be."""
        return run

    @property
    def decision(self) -> Decision:
        return decide(self._order, self.seen_as(self.run), at_once=self._limits.at_once)


class _DeafToPauses(_Decides):
    def seen_as(self, run: Run) -> Run:
        return replace(run, pause=None)


class _ApprovesItself(_Decides):
    def seen_as(self, run: Run) -> Run:
        return replace(run, gated=frozenset(), approved=frozenset(s.id for s in self._order.steps))


class _GoesOnAfterAbort(_Decides):
    def seen_as(self, run: Run) -> Run:
        return replace(run, abort=None)


class _NeverGivesBack(Execution):
    """Knows of nothing that was taken, so that a run given up is closed with backends out."""

    def __init__(self, plan: Plan, journal: Journal, ports: Ports, *, limits: Limits) -> None:
        super().__init__(plan, journal, ports, limits=limits)
        self._order = replace(self._order, loans=())


class _StartsAll(Execution):
    def __init__(self, plan: Plan, journal: Journal, ports: Ports, *, limits: Limits) -> None:
        super().__init__(plan, journal, ports, limits=replace(limits, at_once=99))


class _TakesUncertainForFailed(Execution):
    """A lost answer counts as a job that ended, so that a retry starts a second one beside it."""

    def _settle(self, step: Step, came: Push, now: Epoch) -> None:
        if isinstance(came, Uncertain):
            attempt = self.run.steps[step.id].attempt
            failed = StepFailed(step.id, attempt, Reported.of(came), ended=True, at_ms=milliseconds(now))
            self.ledger.record(failed)
            del self._sights[step.id]
            return
        super()._settle(step, came, now)


class _LooksOnce(Execution):
    """Stops what was quiet at some time."""

    def __init__(self, plan: Plan, journal: Journal, ports: Ports, *, limits: Limits) -> None:
        super().__init__(plan, journal, ports, limits=limits)
        self._order = replace(self._order, relied_on={})


@dataclass(frozen=True, slots=True)
class _DrainsAnyway(DrainBackend):
    def advance(self, ports: Ports) -> None:
        ports.balancer.set_state(self.pool, self.server, "drain")


class _ForgetsItsKey(Execution):
    """A key for each push: a job's second start is another job."""

    pushes = 0

    def _lent(self, step: Step) -> Ports:
        type(self).pushes += 1
        return self._ports.under(f"{self.run.id}.{step.id}.{self.pushes}")


class _NeverLate(Execution):
    """Waits for ever for what does not come."""

    def _overdue(self, step: Step, now: Epoch) -> bool:
        del step, now
        return False

    def _settle(self, step: Step, came: Push, now: Epoch) -> None:
        if isinstance(came, Uncertain):
            self._sights[step.id] = Sight("no answer yet")
            return
        super()._settle(step, came, now)


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
    steps = (
        replace(s, action=_DrainsAnyway(s.action.pool, s.action.server))
        if isinstance(s.action, DrainBackend)
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
    host = next(s.action.server for s in plan.steps if isinstance(s.action, DrainBackend))
    return without(plan, lambda s: s.id.endswith(f"@{host}") and s.stage.value == "control-plane")


def never_lets_back(plan: Plan) -> Plan:
    return without(plan, lambda step: isinstance(step.action, UndrainBackend))


@dataclass(frozen=True, slots=True)
class Flaw:
    """A flawed product, with the rules of which one must see it and the faults that bring it to light."""

    product: Product
    rules: frozenset[str]
    kinds: tuple[FaultKind, ...] = (FaultKind.KILL_AFTER_EFFECT,)
    at_once: int = 6
    """Steps in flight, by the record's policy."""


def _flaw(product: Product, rules: str, *kinds: FaultKind) -> Flaw:
    return Flaw(product, frozenset(rules.split("|")), kinds or (FaultKind.KILL_AFTER_EFFECT,))


def _engine(flawed: type[Execution]) -> Product:
    return Product(execution=flawed)


FLAWS: dict[str, Flaw] = {
    "writes what is to start later": _flaw(Product(journal=_WritesLater), "event first"),
    "writes whatever others wrote": _flaw(
        Product(journal=_AppendsBlindly), "paused|fold|given up|bug", FaultKind.WORD_RACES
    ),
    "deaf to pauses": _flaw(_engine(_DeafToPauses), "paused", FaultKind.PAUSE),
    "approves by itself": _flaw(_engine(_ApprovesItself), "approved"),
    "goes on after an abort": _flaw(_engine(_GoesOnAfterAbort), "given up|closed", FaultKind.ABORT),
    "gives nothing back": _flaw(_engine(_NeverGivesBack), "given back", FaultKind.ABORT),
    "starts all at once": replace(_flaw(_engine(_StartsAll), "at once"), at_once=1),
    "takes a lost answer for a failure": _flaw(
        _engine(_TakesUncertainForFailed), "once", FaultKind.LOST_ANSWER
    ),
    "looks only once": replace(
        _flaw(_engine(_LooksOnce), "in use", FaultKind.KILL_AT_A_LOOK, FaultKind.BALANCER_RESTARTS),
        at_once=1,
    ),
    "drains whatever is down": _flaw(Product(plan=drains_anyway), "last", FaultKind.SERVICE_DIES),
    "forgets its key": _flaw(_engine(_ForgetsItsKey), "event first|once"),
    "waits for ever": _flaw(_engine(_NeverLate), "ends", FaultKind.SERVICE_DIES),
    "works without the lease": _flaw(Product(holds=False), "lease", FaultKind.SECOND_APPLY),
    "plans turns side by side": _flaw(Product(plan=turns_at_once), "batch|users|last"),
    "plans the contract too early": _flaw(Product(plan=contract_at_any_time), "contract"),
    "plans a stop of what is in use": _flaw(Product(plan=stops_what_is_in_use), "in use"),
    "plans to let back too soon": _flaw(Product(plan=lets_back_too_soon), "back"),
    "plans nothing for a host": _flaw(Product(plan=forgets_a_host), "goal|contract"),
    "plans no way back into the pool": _flaw(Product(plan=never_lets_back), "given back|users|batch"),
}
