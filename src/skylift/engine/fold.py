"""The run: what the journal says, folded. Pure; every screen is made from this value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from enum import Enum
from operator import attrgetter

from skylift.engine.grown import Growing, Grown, Sorted, Sorting
from skylift.engine.journal import (
    Event,
    LossCounted,
    MovesAsked,
    Outcome,
    Reported,
    RunAborting,
    RunClosed,
    RunOpened,
    RunPaused,
    RunResumed,
    RunTakenUp,
    RunWarned,
    StageApproved,
    StepDone,
    StepFailed,
    StepPostponed,
    StepRetried,
    StepSkipped,
    StepStarted,
    StepWaits,
)
from skylift.engine.said import Abort, Aside, Pause
from skylift.model.ids import Digest, RunId, StepId
from skylift.model.seal import Signers
from skylift.planning.plan import Stage


class Phase(Enum):
    """Where one step of a run is; a step that was never started has no phase."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"
    """To be started again, as an operator asked."""
    SKIPPED = "skipped"
    """Not to be done by this run: an operator answers for it, and what depends on it goes on."""
    POSTPONED = "postponed"
    """Put aside with all that depends on it, until an operator takes it back by a retry."""


ASIDE = frozenset({Phase.SKIPPED, Phase.POSTPONED})
# Asked for at every event, and a member of an enum takes its time to be found.
_RUNNING, _WAITING, _DONE, _FAILED = Phase.RUNNING, Phase.WAITING, Phase.DONE, Phase.FAILED
_SKIPPED, _POSTPONED = Phase.SKIPPED, Phase.POSTPONED
_UNDONE = tuple(phase for phase in Phase if phase is not Phase.DONE)


class Standing(Enum):
    """Where a run is, in one word."""

    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    """A step failed: only what gives back what was taken is still started."""
    ABORTING = "aborting"
    """Given up: only what gives back what was taken is still started."""
    COMPLETED = "completed"
    ABORTED = "aborted"


INTERRUPTED = "interrupted (its process is gone)"
"""How a run stands that runs by its journal, and that nobody works on."""


@dataclass(frozen=True, slots=True)
class StepRun:
    """One step of a run: its newest attempt."""

    phase: Phase
    attempt: int
    started_ms: int
    """When this attempt was first started; of one that waits, when the attempt before it was; of one that
    was put aside before it began, when that was."""
    clock_ms: int
    """Since when its deadline counts: a resumed run gives each running step its whole deadline again."""
    ended_ms: int | None = None
    problem: Reported | None = None
    job_ended: bool = False
    """Whether the job of a failed attempt has ended."""
    aside: Aside | None = None
    begun: bool = False
    """Whether any attempt was started: what an operator puts aside may never have been."""
    unsettled: bool = False
    """Whether an attempt was started of which nobody has written down that it, or its job, has ended."""

    def __post_init__(self) -> None:
        # Made at every event, of which a long run has a million: so phases are not hashed, nor words joined.
        phase = self.phase
        if self.attempt < 1:
            raise _contradiction(f"a step has attempt {self.attempt}")
        if (self.ended_ms is None) != (phase is _RUNNING or phase is _WAITING):
            raise _contradiction(f"a step is {phase.value} and has another end")
        aside = phase is _SKIPPED or phase is _POSTPONED
        if (self.aside is not None) != aside:
            raise _contradiction(f"a step is {phase.value}, and it is said why it is aside")
        if not aside and (self.problem is not None) != (phase is _FAILED):
            raise _contradiction("only a failed step has a problem")

    def ended(
        self, phase: Phase, at_ms: int, problem: Reported | None = None, *, job: bool = False
    ) -> StepRun:
        """A running step once its attempt has ended so, and perhaps its ``job``."""
        open_yet, started, clock = phase is _FAILED and not job, self.started_ms, self.clock_ms
        return StepRun(
            phase, self.attempt, started, clock, at_ms, problem, job, begun=self.begun, unsettled=open_yet
        )


@dataclass(frozen=True)
class Run:
    """One execution of one plan, as far as its journal goes."""

    id: RunId
    cloud: str
    plan: Digest
    approved: frozenset[StepId]
    actor: str
    opened_ms: int
    gated: frozenset[Stage] = frozenset()
    """The stages that still need an approval."""
    author: str = ""
    """Who made the plan and may not approve it; empty if anybody may."""
    signers: Signers = field(default_factory=dict)
    """Who may approve it then, by name."""
    not_before_ms: int = 0
    """When its first step may start at the earliest; 0 if that is at once."""
    steps: Sorted[StepId, StepRun, Phase] = field(default_factory=lambda: steps_of({}))
    waits: Mapping[StepId, str] = field(default_factory=dict)
    """What others do that a running step waits for."""
    pause: Pause | None = None
    abort: Abort | None = None
    closed: Outcome | None = None
    since_resume: Grown[StepId, int] = field(default_factory=Grown)
    """Of the steps that were done since the run was last resumed, taken up or opened, when that was."""
    excused: frozenset[StepId] = frozenset()
    """The steps that had failed when the run was last let go on after a pause: who did that knows of them."""
    lost: LossCounted | None = None
    """What users had lost when an operator last let it go on; none if nobody has counted since."""
    warned: Mapping[str, Reported] = field(default_factory=dict)
    """What would have paused it since then, but for its going back; by code."""
    last_ms: int = 0
    """When the last event was written."""
    length: int = 1
    """Of how many events this is the fold."""

    def __post_init__(self) -> None:
        if self.closed is Outcome.COMPLETED:
            _must(len(self.steps) == len(self.passed), "it was completed with steps open")
        elif self.closed is Outcome.ABORTED:
            _must(self.abort is not None, "it was aborted, and nobody asked for that")
            # As it is, a step may be left that waited for something taken anew, which failed.
            left = self.abort is not None and self.abort.leave
            _must(left or not self.within(Phase.RUNNING), "it was aborted with steps under way")

    @property
    def standing(self) -> Standing:
        """Where it is: what failed comes before why it was paused, for that needs the operator more."""
        if self.closed is not None:
            return Standing.ABORTED if self.closed is Outcome.ABORTED else Standing.COMPLETED
        if self.abort:
            return Standing.ABORTING
        if self.within(Phase.FAILED):
            return Standing.HALTED
        return Standing.PAUSED if self.pause else Standing.RUNNING

    @property
    def passed(self) -> AbstractSet[StepId]:
        """The steps that those after them need not wait for any more."""
        return self.within(Phase.DONE, Phase.SKIPPED)

    def within(self, *phases: Phase) -> AbstractSet[StepId]:
        """The steps that are in one of ``phases``; if done ones are, it is to be asked and not copied."""
        return self.steps.within(phases)


def steps_of(at: dict[StepId, StepRun]) -> Sorted[StepId, StepRun, Phase]:
    """These steps as a run has them; most are done, once it has gone on for a while."""
    return Sorted(_phase, Phase.DONE, at)


_phase: Callable[[StepRun], Phase] = attrgetter("phase")


def fold(events: Iterable[Event]) -> Run:
    """The run that ``events`` tell of.

    Raises:
        ValueError: there is no event, so there is no run yet.
        AssertionError: they contradict each other, which is a bug in whatever wrote them.
    """
    told = iter(events)
    opened = next(told, None)
    if opened is None:
        msg = "an empty journal tells of no run"
        raise ValueError(msg)
    # Nobody has seen the run yet: it grows in place, for a copy at each event would take minutes of many.
    run = replace(_opened(opened), steps=Sorting(_phase, Phase.DONE), since_resume=Growing())
    last, length = opened, 1
    for last in told:
        run = _followed(run, last)
        length += 1
    steps, since_resume = run.steps.grown(), run.since_resume.grown()
    return replace(run, steps=steps, since_resume=since_resume, last_ms=last.at_ms, length=length)


def after(run: Run | None, event: Event) -> Run:
    """``run`` once ``event`` has become true; only an opening event needs no run before it.

    Raises:
        AssertionError: ``event`` cannot follow, which is a bug in whatever wrote it.
    """
    if run is None:
        return _opened(event)
    return replace(_followed(run, event), last_ms=event.at_ms, length=run.length + 1)


def _opened(event: Event) -> Run:
    if not isinstance(event, RunOpened):
        msg = f"{event.kind} came before the run was opened"
        raise AssertionError(msg)
    return Run(
        event.run,
        event.cloud,
        event.plan,
        frozenset(event.approved),
        event.actor,
        event.at_ms,
        gated=frozenset(event.gated),
        author=event.author,
        signers=event.signers,
        not_before_ms=event.not_before_ms,
        last_ms=event.at_ms,
    )


def _followed(run: Run, event: Event) -> Run:
    """What ``event`` changes of ``run``, but for when that was and how many there are."""
    if isinstance(event, RunOpened):
        raise _contradiction("it was opened twice")
    if run.closed is not None:
        raise _contradiction(f"{event.kind} came after the run was closed")
    return _moved(run, event) if isinstance(event, _OF_STEP) else _changed(run, event)


_OfStep = StepStarted | StepDone | StepFailed | StepRetried | StepSkipped | StepPostponed
_OF_STEP = (StepStarted, StepDone, StepFailed, StepRetried, StepSkipped, StepPostponed)
_OfWords = StageApproved | RunPaused | RunResumed | RunTakenUp | RunAborting
_OfRun = _OfWords | MovesAsked | StepWaits | RunWarned | LossCounted | RunClosed


def _changed(run: Run, event: _OfRun) -> Run:
    match event:
        case MovesAsked():
            return run  # whoever works on a fleet looks at them by itself
        case StepWaits(step, what):
            _in(run, step, Phase.RUNNING)
            others = {s: told for s, told in run.waits.items() if s != step}
            return replace(run, waits=others | ({step: what} if what else {}))
        case StageApproved(stage, steps):
            return replace(run, gated=run.gated - {stage}, approved=run.approved | set(steps))
        case RunPaused(why, problem, at_ms):
            return replace(run, pause=Pause(why, problem, at_ms))
        case RunWarned(_, problem, _):
            return replace(run, warned={**run.warned, problem.code: problem})
        case RunResumed() | RunTakenUp():
            return _again(run, event)
        case LossCounted():
            return replace(run, lost=event)
        case RunAborting(reason, leave, actor, _):
            return replace(run, pause=None, abort=Abort(reason, leave, actor))
        case RunClosed(outcome, _):
            return replace(run, closed=outcome)


def _again(run: Run, event: RunResumed | RunTakenUp) -> Run:
    """A run that another process goes on with, or the same one after a rest."""
    steps = run.steps
    for step in run.within(*_UNDONE):
        if steps[step].unsettled:
            steps = steps.with_(step, replace(steps[step], clock_ms=event.at_ms))
    driven = replace(run, steps=steps, since_resume=type(run.since_resume)())
    if isinstance(event, RunTakenUp):
        return driven
    excused = frozenset(run.within(Phase.FAILED)) if run.pause else run.excused
    return replace(driven, pause=None, excused=excused, lost=None, warned={})


def _moved(run: Run, event: _OfStep) -> Run:
    match event:
        # Nothing is taken apart by a pattern here: of what happens most that was a fifth of the cost.
        case StepStarted():
            step, at_ms = event.step, event.at_ms
            before = run.steps.get(step)
            if before is not None and before.phase is not Phase.WAITING:
                # What was done before a resume may have lapsed since, and is then done again.
                lapsed = before.phase is Phase.DONE and step not in run.since_resume
                _must(lapsed, step, "was started while it was open")
            _must(event.attempt == (before.attempt if before else 1), step, "was started out of turn")
            running = StepRun(_RUNNING, event.attempt, at_ms, at_ms, begun=True, unsettled=True)
            return _with(run, step, running)
        case StepDone():
            done = _ended(run, event).ended(_DONE, event.at_ms)
            since = run.since_resume.with_(event.step, event.at_ms)
            run = _with(run, event.step, done)
            return run if since is run.since_resume else replace(run, since_resume=since)
        case StepFailed(step, attempt, problem, ended, at_ms):
            return _with(run, step, _ended(run, event).ended(Phase.FAILED, at_ms, problem, job=ended))
        case StepRetried(step, attempt, _, _):
            before = _in(run, step, Phase.FAILED, Phase.POSTPONED)
            _must(attempt == next_attempt(before), step, "was retried out of turn")
            began, begun, unsettled = before.started_ms, before.begun, before.unsettled
            clock = before.clock_ms
            waiting = StepRun(Phase.WAITING, attempt, began, clock, begun=begun, unsettled=unsettled)
            return replace(_with(run, step, waiting), excused=run.excused - {step})
        case StepSkipped(step, reason, actor, at_ms, costs):
            return _with(
                run, step, _aside(run, step, Phase.SKIPPED, Aside(reason, actor, costs), at_ms=at_ms)
            )
        case StepPostponed(step, reason, actor, at_ms):
            return _with(run, step, _aside(run, step, Phase.POSTPONED, Aside(reason, actor), at_ms=at_ms))


def _ended(run: Run, event: StepDone | StepFailed) -> StepRun:
    """The attempt that has ended so."""
    running = _in(run, event.step, _RUNNING)
    _must(event.attempt == running.attempt, event.step, "ended as an attempt that did not run")
    return running


def next_attempt(before: StepRun) -> int:
    """The attempt that a retry starts: the same one if its job may still be running, or never began."""
    return before.attempt + 1 if before.job_ended else before.attempt


def _aside(run: Run, step: StepId, phase: Phase, why: Aside, *, at_ms: int) -> StepRun:
    """What it was before is kept, its problem too: that is why it is aside, or what a retry goes on with."""
    before = run.steps.get(step) or StepRun(Phase.WAITING, 1, at_ms, at_ms)
    ended = before.phase is not Phase.RUNNING and before.phase is not Phase.DONE
    _must(ended, step, "was put aside while it was", before.phase.value)
    return replace(before, phase=phase, ended_ms=at_ms, aside=why)


def _in(run: Run, step: StepId, *phases: Phase) -> StepRun:
    found = run.steps.get(step)
    if found is None or found.phase not in phases:
        raise _contradiction(f"{step} was not {' or '.join(p.value for p in phases)}")
    return found


def _with(run: Run, step: StepId, at: StepRun) -> Run:
    """A step that is somewhere else by now waits for nobody any more."""
    waits, steps = run.waits, run.steps.with_(step, at)
    if step in waits:
        waits = {s: told for s, told in waits.items() if s != step}
    return run if steps is run.steps and waits is run.waits else replace(run, steps=steps, waits=waits)


def _must(holds: bool, *what: str) -> None:  # noqa: FBT001 - a private assertion
    if not holds:
        raise _contradiction(" ".join(what))


def _contradiction(what: str) -> AssertionError:
    return AssertionError(f"the journal contradicts itself: {what}")
