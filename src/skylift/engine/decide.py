"""What to watch and what to start: pure, and the same for a run that was killed as for one that was not.

What is started depends on how the run stands:

* running: every step whose predecessors are done, but none of a stage that waits for its approval, and
  no point of no return that was not approved by name, and nothing that takes what is given back only
  after such a point. What gives back what was taken needs no approval;
* paused: nothing, so running steps finish and the run comes to rest;
* a step failed, or the run was given up: only what lies between something that was taken and its
  giving back. A step that has its own reversal later in the plan takes (a backend out of its pool), and
  that later step gives it back. Going on with these never takes more from users, and not going on would
  leave a backend of a healthy host out for as long as the repair of another one lasts. A step an
  operator retries starts too. Of a run that was given up no point of no return is begun even so: what
  waits for one stays as it is, and is named. It is closed only when no command of it can still run: one
  that outlived its step's deadline, or whose host fell silent, is looked at until it has ended.

What was taken may not last by itself (a parked pool): then it is held while the process lives, and has
lapsed when another one resumes. It is taken again before what waits for it goes on. What was seen while it
was held is seen again then, unless something that waits for that has begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from skylift.engine.fold import Phase, Run
from skylift.engine.journal import Outcome, milliseconds
from skylift.engine.loans import Loan, Ways, has_begun, kept_back, loans_of, relied_on
from skylift.model.ids import Epoch, HostName, StepId
from skylift.planning.plan import Plan, Stage, Step


@dataclass(frozen=True, slots=True)
class Order:
    """A plan's steps with what each waits for; worked out once per run, since decisions are many.

    A part of it will do to decide by: the steps and loans that matter as a run stands (``Near``).
    """

    steps: tuple[Step, ...]
    before: Mapping[StepId, frozenset[StepId]]
    loans: tuple[Loan, ...]
    looks: Mapping[StepId, frozenset[StepId]]
    """What is to be seen again after a resume, with the steps that wait for it."""
    relied_on: Mapping[StepId, tuple[Step, ...]]
    """What must still be as it was seen when a step is pushed that cuts what users have in hand."""
    lasts_s: Mapping[StepId, int] = field(default_factory=dict)
    """How long what a step takes is gone at most, by the estimates; of those that take."""
    size: int = 0
    """Of how many steps the plan is."""
    following: Ways = field(default_factory=dict)
    """What waits directly for each step."""
    passes: Mapping[StepId, tuple[Step, ...]] = field(default_factory=dict)
    """By step that takes: the points of no return before what it takes is given back."""

    @classmethod
    def of(cls, plan: Plan) -> Order:
        """The order of ``plan``."""
        first: dict[StepId, list[StepId]] = {step.id: [] for step in plan.steps}
        following: dict[StepId, list[StepId]] = {step.id: [] for step in plan.steps}
        for earlier, later in dict.fromkeys((edge.before, edge.after) for edge in plan.edges):
            first[later].append(earlier)
            following[earlier].append(later)
        before = {step: frozenset(found) for step, found in first.items()}
        looks = {s.id: frozenset(following[s.id]) for s in plan.steps if s.action.looks_again}
        loans = loans_of(plan.steps, before, following)
        on = relied_on(plan.steps, before, loans)
        high = {step.id: step.estimate.high for step in plan.steps} if loans else {}
        lasts = {loan.taken_by: high[loan.taken_by] + sum(high[s] for s in loan.way) for loan in loans}
        points = [step for step in plan.steps if step.no_return] if loans else []
        passes = {loan.taken_by: tuple(p for p in points if p.id in loan.way) for loan in loans if points}
        return cls(plan.steps, before, loans, looks, on, lasts, len(plan.steps), following, passes)

    def ready(self, run: Run) -> tuple[Step, ...]:
        """The steps that may start by their predecessors, in the plan's order.

        What has lapsed is among them, if more than its giving back comes after it; and while it is taken
        again it is not given back, for whatever takes it would go on taking. Nothing is taken that would
        then wait for an operator to be given back.
        """
        waiting, again, passed = run.within(Phase.WAITING), self.seen_before(run), run.passed
        free = {
            s.id
            for s in self.steps
            if (s.id not in run.steps or s.id in waiting or s.id in again)
            and all(first in passed and first not in again for first in self.before[s.id])
        }
        for loan in self.lapsed(run):
            goes_on = (loan.way - {loan.given_back_by}) & (free | run.within(Phase.RUNNING))
            barred = {step for step in goes_on if loan.taken_by in self.before[step]}
            free = (free - barred) | ({loan.taken_by} if goes_on else set())
        running = run.within(Phase.RUNNING)
        free -= {loan.given_back_by for loan in self.loans if loan.taken_by in running}
        free -= kept_back(self.loans, run).keys()
        return tuple(s for s in self.steps if s.id in free)

    def seen_before(self, run: Run) -> frozenset[StepId]:
        """The looks of a process that is dead by now, which nothing that waits for them has begun upon."""
        done = run.within(Phase.DONE)
        old = (look for look in self.looks if look in done and look not in run.since_resume)
        return frozenset(look for look in old if is_ahead(self, look, run))

    def watched(self, run: Run) -> tuple[Step, ...]:
        """The steps under way, but for those that wait until what has lapsed is taken again."""
        lapsed, running = {loan.taken_by for loan in self.lapsed(run)}, run.within(Phase.RUNNING)
        found = (s for s in self.steps if s.id in running and self.before[s.id] <= run.passed)
        return tuple(s for s in found if lapsed.isdisjoint(self.before[s.id]))

    def lapsed(self, run: Run) -> tuple[Loan, ...]:
        """What must be held to last, and was taken by a process that is dead by now."""
        held = (loan for loan in self.loans if loan.hold_s is not None and loan.on(run))
        return tuple(loan for loan in held if loan.taken_by not in run.since_resume)

    def held(self, run: Run, now: Epoch) -> tuple[Step, ...]:
        """The steps that are done and to be pushed all the same, so that what they took lasts.

        Not for longer than they say, not once a step on the way to giving it back has failed, and not
        when nothing is left but to give it back.
        """
        failed = run.within(Phase.FAILED, Phase.POSTPONED)
        taking = {
            loan.taken_by
            for loan in self.loans
            if loan.hold_s is not None
            and loan.on(run)
            and loan.taken_by in run.since_resume
            and not loan.way & failed
            and not self.before[loan.given_back_by] <= run.passed
            and milliseconds(now) - run.steps[loan.taken_by].clock_ms <= loan.hold_s * 1000
        }
        return tuple(step for step in self.steps if step.id in taking)

    def owed(self, run: Run) -> frozenset[StepId]:
        """The steps on the way to giving back what was taken so far."""
        return frozenset[StepId]().union(*(loan.way for loan in self.taken(run)))

    def taken(self, run: Run) -> tuple[Loan, ...]:
        """What was taken, or perhaps in part, and is not given back yet."""
        return tuple(loan for loan in self.loans if loan.is_taken(run))

    def kept(self, run: Run) -> tuple[Loan, ...]:
        """What is taken and does not end by itself."""
        return tuple(loan for loan in self.taken(run) if loan.hold_s is None)

    def unapproved(self, run: Run) -> Mapping[Stage, tuple[StepId, ...]]:
        """The stages with something left that needs an approval, each with its points of no return.

        In the order of the plan.
        """
        left = [step for step in self.steps if step.id not in run.passed]
        return {
            stage: named
            for stage in dict.fromkeys(step.stage for step in left)
            if (named := _unnamed(left, stage, run)) or stage in run.gated
        }

    def takes_s(self, step: Step) -> int:
        """How long a step may take at most, by its estimate; of one that takes, until it is given back."""
        return self.lasts_s.get(step.id, step.estimate.high)

    def guards(self, step: StepId) -> bool:
        """Whether a step takes something for the run, or gives it back."""
        return any(step in {loan.taken_by, loan.given_back_by} for loan in self.loans)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the next tick works on."""

    watch: tuple[Step, ...]
    """Steps under way."""
    start: tuple[Step, ...]
    close: Outcome | None = None
    """How the run has ended, if that is yet to be written; a process may have died just before."""
    awaits: tuple[Step, ...] = ()
    """Steps that could start but for an approval."""
    look: tuple[Step, ...] = ()
    """Steps not under way whose command may still run: until it has ended, the run is not closed."""

    @property
    def over(self) -> bool:
        """Whether there is nothing to do until an operator acts, or at all."""
        return not self.watch and not self.start and not self.look and self.close is None


def is_ahead(order: Order, look: StepId, run: Run) -> bool:
    """Whether nothing has begun that waits for this look."""
    return not any(has_begun(run, step) for step in order.looks[look])


def outlives(run: Run, step: StepId) -> bool:
    """Whether a command that a step has started, if it starts any, may run while the step does not."""
    at = run.steps.get(step)
    return at is not None and at.unsettled and at.phase is not Phase.RUNNING


def may_run(order: Order, run: Run) -> Mapping[StepId, HostName]:
    """The steps not under way of which a command may still run, each with the host that knows."""
    begun = (step for step in order.steps if outlives(run, step.id))
    return {step.id: host for step in begun if (host := step.action.runs_on) is not None}


def decide(order: Order, run: Run, *, at_once: int, ended: AbstractSet[StepId] = frozenset()) -> Decision:
    """Choose the steps to watch and to start, at most ``at_once`` in flight, in the plan's order.

    ``ended`` are those whose command was seen not to run, though the journal cannot know that.
    """
    if run.closed is None and len(run.passed) == order.size:
        return Decision((), (), close=Outcome.COMPLETED)
    watch = order.watched(run)
    if run.pause or run.closed:
        return Decision(watch, ())
    free, owed = order.ready(run), order.owed(run)
    waits_for = {step.id: _waits_for(order, step, run, owed) for step in free}
    barred = tuple({point.id: point for points in waits_for.values() for point in points}.values())
    ready = tuple(step for step in free if not waits_for[step.id])
    look: tuple[Step, ...] = ()
    if run.abort or run.within(Phase.FAILED):
        # Of what is done, only what has lapsed is ever ready: it is part of a way back.
        again = run.within(Phase.WAITING, Phase.DONE)
        ready = tuple(step for step in ready if step.id in owed or step.id in again)
    if run.abort:
        # Whoever gives a run up has taken back her consent to what has no way back.
        ready = tuple(step for step in ready if not step.no_return or step.id in run.steps)
        if run.abort.leave:
            # A step under way may wait for what has lapsed: that alone is taken again, so that it can end.
            ready = tuple(step for step in ready if step.id in run.within(Phase.DONE))
        else:
            left = may_run(order, run).keys() - ended
            look = tuple(step for step in order.steps if step.id in left)
        holds = run.within(Phase.RUNNING) or order.kept(run)
        if not watch and not ready and not look and (run.abort.leave or not holds):
            return Decision((), (), close=Outcome.ABORTED)
    # Of a run that was given up nobody approves anything any more.
    awaits = () if run.abort else barred
    return Decision(watch, ready[: max(at_once - len(watch), 0)], awaits=awaits, look=look)


def _unnamed(left: list[Step], stage: Stage, run: Run) -> tuple[StepId, ...]:
    """The points of no return in ``stage`` that nobody has named yet."""
    return tuple(s.id for s in left if s.stage is stage and s.no_return and s.id not in run.approved)


def _waits_for(order: Order, step: Step, run: Run, owed: frozenset[StepId]) -> tuple[Step, ...]:
    """The steps whose approval a step waits for: its own, and of one that takes those that lie ahead.

    Else it would take a service from users, and they would be without it for as long as somebody thinks.
    """
    if not _approved(step, run, owed):
        return (step,)
    if has_begun(run, step.id):
        return ()
    return tuple(p for p in order.passes.get(step.id, ()) if p.id not in run.approved | run.passed)


def _approved(step: Step, run: Run, owed: frozenset[StepId]) -> bool:
    if step.no_return and step.id not in run.approved:
        return False
    return step.stage not in run.gated or step.id in owed
