"""The books that the watch keeps of a journal, event by event: what may follow what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from skylift.engine.fold import Run, after, fold
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
    Why,
)
from skylift.model.goal import Restore, Rollback
from skylift.model.ids import StepId
from skylift.planning.plan import Plan, Stage
from skylift.verifier.fleet.seen import Violation

_BEGIN_ANEW = frozenset(
    {"drain-backend", "close-service", "migrate-schema", "stage-artifact", "back-up-database"}
)
"""Kinds of step that take something, or change what is not given back: none begins in a run given up.

But for the backup of what is there before a restore, which lies on the way on which that is given back.
"""
_PHASES = {
    StepStarted.kind: "running",
    StepDone.kind: "done",
    StepFailed.kind: "failed",
    StepRetried.kind: "waiting",
    StepSkipped.kind: "skipped",
    StepPostponed.kind: "postponed",
}
_WORKS = StepStarted | StepDone | StepFailed | RunWarned | RunClosed


@dataclass(slots=True)
class _Step:
    phase: str = "not begun"
    attempt: int = 1
    begun: bool = False


class Books:
    """Keeps its own account of a run; each event yields what it breaks."""

    def __init__(self, plan: Plan, at_once: int) -> None:
        self.plan = plan
        self._at_once = at_once
        self._before = {step.id: plan.before(step.id) for step in plan.steps}
        self._known = {step.id: step for step in plan.steps}
        self.steps = {step.id: _Step() for step in plan.steps}
        self._paused = False
        self._given_up = False
        self._gated: frozenset[Stage] = frozenset()
        self._approved: frozenset[StepId] = frozenset()
        self.run: Run | None = None
        self._events: list[Event] = []
        """As they were appended."""
        self.checks: Counter[str] = Counter()

    @property
    def failures(self) -> tuple[tuple[str, Reported], ...]:
        """What failed or stopped the run, in its order: the step, or nothing, and the problem."""
        failed = ((e.step, e.problem) for e in self._events if isinstance(e, StepFailed))
        paused = (("", e.problem) for e in self._events if isinstance(e, RunPaused) and e.problem)
        return (*failed, *paused)

    @property
    def length(self) -> int:
        """How many events were added."""
        return len(self._events)

    def runs(self, step: StepId, attempt: int) -> bool:
        """Whether a step's newest attempt is said to run, or to be held."""
        at = self.steps.get(step)
        if at is None:
            return False
        held = at.phase == "done" and self._known[step].action.hold_s is not None
        return (at.phase == "running" or held) and at.attempt == attempt

    def add(self, event: Event, by: int, worker: int) -> Iterator[Violation]:
        """One more event, written by this process while that one has the lease."""
        self.checks["writer"] += 1
        works = isinstance(event, _WORKS) or (isinstance(event, RunPaused) and event.why is not Why.OPERATOR)
        if works and (by == 0 or by != worker):
            yield Violation("writer", f"{event.kind} was written by process {by}, and {worker} has the lease")
        yield from self._may_follow(event)
        self._take(event)
        self._events.append(event)
        if isinstance(event, RunClosed):
            yield from self._may_close(event)
        try:
            self.run = after(self.run, event)
        except AssertionError as contradicted:
            yield Violation("fold", f"after {event.kind}: {contradicted}")

    def reload(self, events: tuple[Event, ...]) -> Iterator[Violation]:
        """What a process reads that is started anew is what was appended."""
        self.checks["reload"] += 1
        if events != tuple(self._events):
            yield Violation("reload", f"the {len(events)} events on disk tell of another run")

    def end(self) -> Iterator[Violation]:
        """All events folded at once tell of the run that they told of one by one."""
        try:
            same = not self._events or fold(self._events) == self.run
        except AssertionError as contradicted:
            yield Violation("fold", f"at the end: {contradicted}")
            return
        if not same:
            yield Violation("fold", "folded at once, the events tell of another run than one by one")

    def _may_follow(self, event: Event) -> Iterator[Violation]:
        match event:
            case StepStarted(step):
                yield from self._may_start(step)
            case StepDone(step, attempt) | StepFailed(step, attempt):
                self.checks["order"] += 1
                if not (self.steps[step].phase == "running" and self.steps[step].attempt == attempt):
                    yield Violation("order", f"{step} ended and did not run")
            case RunPaused(why) | RunWarned(why) if isinstance(self.plan.goal, Rollback):
                self.checks["goes back"] += 1
                if isinstance(event, RunPaused) and why not in {Why.OPERATOR, Why.SIGNAL}:
                    yield Violation("goes back", f"a way back was paused by {why.value}")
            case _:
                return

    def _may_start(self, step: StepId) -> Iterator[Violation]:
        self.checks.update(("order", "at once", "paused", "approved", "given up"))
        at, known = self.steps[step], self._known[step]
        open_yet = [b for b in sorted(self._before[step]) if self.steps[b].phase not in {"done", "skipped"}]
        if open_yet and not (at.phase == "done" and known.action.hold_s is not None):
            # What lapsed with a process is taken again beside what it had waited for at first.
            yield Violation("order", f"{step} was started before {open_yet[0]} was done")
        if at.phase == "running":
            yield Violation("order", f"{step} was started while it ran")
        if sum(s.phase == "running" for s in self.steps.values()) >= self._at_once:
            yield Violation("at once", f"{step} was started beside {self._at_once} others")
        if self._paused:
            yield Violation("paused", f"{step} was started in a paused run")
        if known.no_return and step not in self._approved:
            yield Violation("approved", f"{step} has no way back, and nobody approved it by name")
        saves = isinstance(self.plan.goal, Restore) and known.action.kind == "back-up-database"
        if self._given_up and not at.begun and known.action.kind in _BEGIN_ANEW and not saves:
            yield Violation("given up", f"{step} was started anew in a run that was given up")
        if known.stage in self._gated and known.action.kind in _BEGIN_ANEW:
            yield Violation("approved", f"{step} was started, and stage {known.stage.value} waits for a word")

    def _may_close(self, event: RunClosed) -> Iterator[Violation]:
        self.checks["closed"] += 1
        if event.outcome is Outcome.COMPLETED:
            left = [s for s, at in self.steps.items() if at.phase not in {"done", "skipped"}]
            if left:
                yield Violation(
                    "closed", f"the run is complete, and {left[0]} is {self.steps[left[0]].phase}"
                )
        elif not self._given_up:
            yield Violation("closed", "the run is aborted, and nobody gave it up")

    def _take(self, event: Event) -> None:
        match event:
            case RunOpened():
                self._gated, self._approved = frozenset(event.gated), frozenset(event.approved)
            case StageApproved(stage, steps):
                self._gated, self._approved = self._gated - {stage}, self._approved | set(steps)
            case RunPaused() | RunResumed() | RunAborting():
                self._paused = isinstance(event, RunPaused)
                self._given_up |= isinstance(event, RunAborting)
            case RunClosed() | MovesAsked() | StepWaits() | RunTakenUp() | LossCounted() | RunWarned():
                pass
            case _:
                at = self.steps[event.step]
                at.phase = _PHASES[event.kind]
                at.begun |= isinstance(event, StepStarted)
                if isinstance(event, StepStarted | StepRetried):
                    at.attempt = event.attempt
