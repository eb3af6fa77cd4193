"""The only place with effects: a tick appends what is decided, pushes steps, and writes down what came.

Everything else of the engine is a pure function of the journal. So a run that was killed goes on by the
same calls as one that was not: fold, decide, observe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from skylift.actions.action import Done, Pending
from skylift.engine.decide import Decision, Order, decide
from skylift.engine.fold import Phase, Run
from skylift.engine.in_bulk import in_bulk
from skylift.engine.journal import (
    Journal,
    Reported,
    RunClosed,
    RunPaused,
    StepDone,
    StepFailed,
    StepStarted,
    Why,
    milliseconds,
)
from skylift.engine.ledger import Ledger
from skylift.engine.left_running import lent, look_at
from skylift.engine.near import Near
from skylift.engine.problems import StepOverdue, lasting
from skylift.model.goal import Rollback
from skylift.model.ids import Epoch, Seconds, StepId
from skylift.model.problem import Problem, Transient, Uncertain
from skylift.planning.plan import Plan, Step
from skylift.ports import Ports


def _at_any_time(_seconds: int, _now: Epoch) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, when, and for how long a silent host is waited for: from the record's policy."""

    at_once: int
    unreachable: Seconds
    patience_s: float = 2
    """How long a tick waits for its pushes: a host that is slow to answer must not hold up the others."""
    may_take: Callable[[int, Epoch], bool] = _at_any_time
    """Whether what takes so many seconds may start now: not if the window closes before it can end."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """Not there yet, and its time is up."""

    left: str


Push = Done | Pending | Overdue | Problem
"""What came of one push."""
_Flight = tuple[str, StepId]
"""Of a step, a push or a look: a look that comes late says nothing of what was started meanwhile."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was last seen of a running step; never stored, for it can be seen again."""

    left: str
    silent_since: Epoch | None = None
    """Since when it gives no answer; none if it gave one last."""
    silent_ms: int = 0
    """How long it was silent before that, in all."""

    def silence_ms(self, now: Epoch) -> int:
        """How long it was silent until ``now``, in all."""
        since = now if self.silent_since is None else self.silent_since
        return self.silent_ms + milliseconds(now) - milliseconds(since)


def overdue(step: Step, run: Run, sight: Sight, unreachable: Seconds, *, now: Epoch) -> bool:
    """Whether the time of a step is up."""
    # A host that reboots must not use up the time of the step that waits for it; but one that comes
    # and goes must not prolong it for ever either.
    silence_ms = min(sight.silence_ms(now), unreachable * 1000)
    return milliseconds(now) - run.steps[step.id].clock_ms - silence_ms > step.deadline * 1000


class Outlived:
    """What this process has seen of commands that outlived their step, and for how long it waits for them."""

    def __init__(self, unreachable: Seconds) -> None:
        self.ended: frozenset[StepId] = frozenset()
        """Whose command does not run: nobody starts it again, but by a word."""
        self.sights: dict[StepId, Sight] = {}
        self._unreachable = unreachable

    def waits(self, step: Step, run: Run, now: Epoch) -> bool:
        """Whether its end is waited for yet: as long as a step under way would be."""
        sight = self.sights.setdefault(step.id, Sight("its command may still run"))
        since = now if sight.silent_since is None else sight.silent_since
        return now - since <= self._unreachable and not overdue(step, run, sight, self._unreachable, now=now)

    def see(self, step: StepId, came: Push, now: Epoch) -> None:
        """Keep what came of a look."""
        sight = self.sights[step]
        match came:
            case Pending(left):
                self.sights[step] = Sight(left, silent_ms=sight.silence_ms(now))
            case Problem():
                since = now if sight.silent_since is None else sight.silent_since
                self.sights[step] = Sight(f"no answer yet: {came}", since, sight.silent_ms)
            case _:
                self.ended |= {step}
                del self.sights[step]

    def begin(self, step: StepId) -> None:
        """Forget what was seen of a step that is started."""
        self.ended -= {step}
        self.sights.pop(step, None)


class Execution:
    """One process's work on one run. Its holder has the lease; nobody else writes the journal.

    ``pool`` bounds the pushes of a tick; without one they are made in turn, in the plan's order.
    """

    def __init__(
        self, plan: Plan, journal: Journal, ports: Ports, *, limits: Limits, pool: Executor | None = None
    ) -> None:
        self.goes_back = isinstance(plan.goal, Rollback)
        self._keep = without_ways_back if self.goes_back else as_it_is
        with in_bulk():
            self.ledger = Ledger(journal)
            self._order = Order.of(plan)
            self._near = Near(self._order)
        self._ports = ports
        self._limits = limits
        self._pool = pool
        self._decided: tuple[Run, AbstractSet[StepId], Decision] | None = None
        self._sights: dict[StepId, Sight] = {}
        self._outlived = Outlived(limits.unreachable)
        self._flying: dict[_Flight, Future[Push]] = {}
        self._holds: dict[StepId, Future[None]] = {}

    @property
    def run(self) -> Run:
        """The run, as its journal was last looked at."""
        return self.ledger.run

    @property
    def left(self) -> Mapping[StepId, str]:
        """What is left of each running step, as last seen: its only progress line."""
        return {step: sight.left for step, sight in (self._sights | self._outlived.sights).items()}

    @property
    def decision(self) -> Decision:
        """What the next tick would work on; worked out again only once the journal has grown."""
        run, ended = self.run, self._outlived.ended
        if self._decided is None or self._decided[0] is not run or self._decided[1] is not ended:
            chosen = decide(self._near.order(run), run, at_once=self._limits.at_once, ended=ended)
            self._decided = run, ended, chosen
        return self._decided[2]

    def rests(self, now: Epoch) -> bool:
        """Whether there is nothing to do until an operator acts, or until a window opens."""
        decision = self.decision
        may_start = _startable(self._near.order(self.run), self.run, decision, self._limits, now=now)
        waits = any(self._outlived.waits(step, self.run, now) for step in decision.look)
        return not decision.watch and decision.close is None and not may_start and not waits

    def tick(self, now: Epoch) -> Run:
        """Start what may start, push what is under way once, and write down what came of it.

        Waits for its pushes at most ``limits.patience_s``; one still under way is looked at by a later tick.

        Raises:
            BaseException: whatever a bug in an action or a driver raises, on purpose unhandled.
        """
        self.ledger.catch_up()
        self._hold_all(now)
        decision = self.decision
        # A push that is still on its way would take again what a giving back has just given back.
        still_held = {n.given_back_by for n in self._near.order(self.run).loans if n.taken_by in self._holds}
        may_start = _startable(self._near.order(self.run), self.run, decision, self._limits, now=now)
        start = tuple(step for step in may_start if step.id not in still_held)
        for step in start:
            attempt = self.run.steps[step.id].attempt if step.id in self.run.steps else 1
            if not self.ledger.write(StepStarted(step.id, attempt, milliseconds(now))):
                # An operator said something meanwhile, perhaps to stop: decide again.
                return self.run
            self._outlived.begin(step.id)
        under_way = (*decision.watch, *start)
        for step in under_way:
            self._sights.setdefault(step.id, Sight("just started"))
        looks = tuple(step for step in decision.look if self._outlived.waits(step, self.run, now))
        came = self._push_all(under_way, looks, now)
        for step in under_way:
            if (pushed := came.get(("push", step.id))) is not None:
                self._settle(step, pushed, now)
        for step in looks:
            if (seen := came.get(("look", step.id))) is not None:
                self._outlived.see(step.id, seen, now)
        if decision.close:
            self.ledger.write(RunClosed(decision.close, milliseconds(now)))
        return self.run

    def pause(self, why: Why, now: Epoch, problem: Problem | None = None) -> Run:
        """Start nothing new from here on; what runs goes on to its end. No effect on a paused run."""
        reported = self._keep(Reported.of(problem)) if problem else None
        while self.run.pause is None and self.run.closed is None:
            self.ledger.write(RunPaused(why, reported, milliseconds(now)))
        return self.run

    def _push_all(
        self, steps: tuple[Step, ...], looks: tuple[Step, ...], now: Epoch
    ) -> Mapping[_Flight, Push]:
        done = self.run.within(Phase.DONE)

        def pushed(step: Step) -> Callable[[], Push]:
            # A wait that an operator skipped is not asked for again.
            on = tuple(s for s in self._order.relied_on.get(step.id, ()) if s.id in done)
            return partial(push, step, self._lent(step), overdue=self._overdue(step, now), on=on)

        pushes = {("push", step.id): pushed(step) for step in steps}
        pushes |= {("look", step.id): partial(look_at, step, self._lent(step)) for step in looks}
        if self._pool is None:
            return {flight: make() for flight, make in pushes.items()}
        for flight, make in pushes.items():
            if flight not in self._flying:
                self._flying[flight] = self._pool.submit(make)
        landed = wait(self._flying.values(), timeout=self._limits.patience_s).done
        names = [name for name, flight in self._flying.items() if flight in landed]
        return {name: self._flying.pop(name).result() for name in names}

    def _hold_all(self, now: Epoch) -> None:
        for landed in [name for name, flight in self._holds.items() if flight.done()]:
            self._holds.pop(landed).result()
        for step in self._near.order(self.run).held(self.run, now):
            if self._pool is None:
                hold(step, self._lent(step))
            elif step.id not in self._holds:
                self._holds[step.id] = self._pool.submit(hold, step, self._lent(step))

    def _lent(self, step: Step) -> Ports:
        return lent(self._ports, self.run, step.id)

    def _overdue(self, step: Step, now: Epoch) -> bool:
        return overdue(step, self.run, self._sights[step.id], self._limits.unreachable, now=now)

    def _settle(self, step: Step, came: Push, now: Epoch) -> None:
        attempt, at_ms = self.run.steps[step.id].attempt, milliseconds(now)
        sight = self._sights[step.id]
        match came:
            case Done():
                self.ledger.record(StepDone(step.id, attempt, at_ms))
            case Pending(left):
                self._sights[step.id] = Sight(left, silent_ms=sight.silence_ms(now))
                return
            case Overdue(left):
                late = StepOverdue(step.action.title, step.deadline, left, *step.action.if_late)
                problem = self._keep(Reported.of(late))
                self.ledger.record(StepFailed(step.id, attempt, problem, ended=False, at_ms=at_ms))
            case Transient() | Uncertain():
                since = now if sight.silent_since is None else sight.silent_since
                if now - since <= self._limits.unreachable:
                    self._sights[step.id] = Sight(f"no answer yet: {came}", since, sight.silent_ms)
                    return
                problem = self._keep(lasting(came, step.action.title, round(now - since)))
                self.ledger.record(StepFailed(step.id, attempt, problem, ended=False, at_ms=at_ms))
            case Problem():
                problem = self._keep(Reported.of(came))
                ended = came.job_ended
                self.ledger.record(StepFailed(step.id, attempt, problem, ended=ended, at_ms=at_ms))
        del self._sights[step.id]


def as_it_is(problem: Reported) -> Reported:
    """All of a problem."""
    return problem


def without_ways_back(problem: Reported) -> Reported:
    """What a run that goes back itself keeps of a problem: no command that would take it back."""
    offered = (remedy for remedy in problem.remedies if "skylift rollback" not in remedy.how)
    return replace(problem, remedies=tuple(offered))


def _startable(order: Order, run: Run, decision: Decision, limits: Limits, *, now: Epoch) -> tuple[Step, ...]:
    """What of the decision may start now: what was taken is given back, and a run given up, at any time."""
    anyway = order.owed(run) if decision.start else frozenset[StepId]()
    return tuple(
        step
        for step in decision.start
        if run.abort or step.id in anyway or limits.may_take(order.takes_s(step), now)
    )


def hold(step: Step, ports: Ports) -> None:
    """Push a step that is done, so that what it took lasts.

    A problem is not kept: the next push comes soon, and whoever waits for what lapsed observes it.
    """
    with suppress(Problem):
        step.action.advance(ports)


def push(step: Step, ports: Ports, *, overdue: bool, on: tuple[Step, ...] = ()) -> Push:
    """Observe one step and, if it is neither done nor overdue, push it one piece further.

    What it relies ``on`` is seen again just before that, and pushed instead if it is so no longer.

    A problem is returned, for the ticking thread alone decides what it means. Nothing is retried here:
    the next tick observes first, which is the answer to ``Transient`` and to ``Uncertain``.
    """
    try:
        progress = step.action.observe(ports)
        if isinstance(progress, Pending):
            if overdue:
                return Overdue(progress.left)
            lapsed = [(e, again) for e in on if isinstance(again := e.action.observe(ports), Pending)]
            # All of them: of a pool that is out as a whole, one may be taken again only once the others are.
            for earlier, _ in lapsed:
                earlier.action.advance(ports)
            if lapsed:
                return lapsed[0][1]
            step.action.advance(ports)
    except Problem as problem:
        return problem
    return progress
