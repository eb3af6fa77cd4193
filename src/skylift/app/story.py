"""What there is to tell of a run: pure, from its plan and its journal, event by event.

The same journal always tells the same, under the same keys. So whoever resumes a run knows what its dead
process should have told, and what was told is a matter of comparing keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from skylift.app.cadence import next_update
from skylift.app.subject import Subject
from skylift.app.windows import Windows
from skylift.engine.fold import Run, Standing, after
from skylift.engine.journal import (
    Event,
    Outcome,
    Reported,
    RunClosed,
    RunOpened,
    RunPaused,
    RunWarned,
    StepFailed,
    StepStarted,
    Why,
    milliseconds,
)
from skylift.engine.problems import naming
from skylift.model.ids import Epoch, RunId
from skylift.model.notification import Notification, Occasion, announcement
from skylift.model.record import Policy
from skylift.planning.plan import Stage

_PAUSED = {
    Why.OPERATOR: "as an operator asked",
    Why.SIGNAL: "because its process was asked to end",
    Why.LOSS_BUDGET: "because users lost too much",
    Why.GATE: "by a gate",
    Why.FAILURES: "because more hosts failed than may",
    Why.DRIFT: "because it is not to begin as things are",
    Why.AUTOMATION: "because other automation could not be seen to be paused",
}


class Story:
    """A run as it is told; it goes on from the event after the last that it heard of."""

    def __init__(self, subject: Subject, policy: Policy | None = None) -> None:
        self._subject = subject
        self._policy = policy or Policy()
        self._run: Run | None = None
        self._told: set[tuple[Occasion, Stage]] = set()

    def goes_on(self, events: Sequence[Event]) -> Iterator[Notification]:
        """What the events tell that it has not heard of; ``events`` are all that the journal has."""
        for event in events[self._run.length if self._run else 0 :]:
            before, self._run = self._run, after(self._run, event)
            yield from self._of(before, event, self._run)

    def _of(self, before: Run | None, event: Event, run: Run) -> Iterator[Notification]:
        subject = self._subject
        match event:
            case RunOpened(actor=actor):
                opened = Epoch(event.at_ms / 1000)
                begins = subject.begins(Windows(self._policy), replace(run, gated=frozenset()), opened)
                later = f"; it begins on {_moment(begins)}" if begins else ""
                told = f"a run of {subject.what} was opened by {actor}{later}"
                yield self._notification(Occasion.OPENED, told)
                if subject.touches_users:
                    yield users_before(subject, run.id, begins or opened)
            case StepStarted(step=step):
                stage = subject.stage_of(step)
                if self._first(Occasion.STAGE_BEGUN, stage):
                    yield self._notification(
                        Occasion.STAGE_BEGUN, f"the stage {stage.value} has begun", stage
                    )
            case StepFailed(step=step, problem=problem):
                yield self._notification(
                    Occasion.STEP_FAILED, f"{step} failed: {problem.sentence}", details=_ways_out(problem)
                )
                halted = subject.halted_by(step)
                if halted and before is not None and before.standing is not run.standing is Standing.HALTED:
                    yield self._notification(Occasion.HALTED, halted, details=_ways_out(problem))
            case RunPaused(why=why, problem=found):
                told = f": {found.sentence}" if found else f" {_PAUSED[why]}"
                yield self._notification(
                    Occasion.PAUSED, f"the run was paused{told}", details=_ways_out(found)
                )
            case RunWarned(problem=met):
                told = f"the way back goes on, though {met.sentence}"
                yield self._notification(Occasion.WARNED, told, details=_ways_out(met))
            case RunClosed(outcome=outcome):
                yield from self._closed(outcome, run)
            case _:
                pass
        yield from self._awaited(run)

    def _closed(self, outcome: Outcome, run: Run) -> Iterator[Notification]:
        if outcome is Outcome.COMPLETED:
            yield self._notification(Occasion.COMPLETED, f"the run of {self._subject.what} is completed")
            if due := next_update(self._policy, self._subject, run, Epoch(run.last_ms / 1000)):
                yield self._notification(Occasion.UPDATE_DUE, due.line)
        else:
            why = run.abort.reason if run.abort else ""
            yield self._notification(Occasion.ABORTED, f"the run was given up and is closed: {why}")
        if not self._subject.touches_users:
            return
        if outcome is Outcome.ABORTED and not self._noticed(run):
            off = f"the maintenance of {run.cloud} does not take place; nothing was changed that users notice"
            yield self._notification(Occasion.USERS_CALLED_OFF, off)
        else:
            yield self._notification(
                Occasion.USERS_AFTER, f"the maintenance of {run.cloud} has ended", details=(outcome.value,)
            )

    def _noticed(self, run: Run) -> bool:
        """Whether a step was ever started that users may have noticed."""
        begun = (step for step, at in run.steps.items() if at.begun)
        return any(self._subject.stage_of(step) is not Stage.PREPARE for step in begun)

    def _awaited(self, run: Run) -> Iterator[Notification]:
        """Each stage once that could begin, or go on, but for an approval."""
        for stage, passes in () if run.closed else self._subject.awaiting(run).items():
            if self._first(Occasion.APPROVAL_AWAITED, stage):
                command = f"skylift approve {stage.value}{naming(passes)}"
                says = f"the run waits for the approval of {stage.value}: {command}"
                yield self._notification(Occasion.APPROVAL_AWAITED, says, stage)

    def _first(self, occasion: Occasion, stage: Stage) -> bool:
        new = (occasion, stage) not in self._told
        self._told.add((occasion, stage))
        return new

    def _notification(
        self,
        occasion: Occasion,
        sentence: str,
        stage: Stage | None = None,
        *,
        details: tuple[str, ...] = (),
    ) -> Notification:
        run = self._run
        if run is None:
            msg = "nothing is told of a run before it is opened"
            raise AssertionError(msg)
        key = "/".join((run.id, str(run.length), occasion.value, *([stage.value] if stage else ())))
        return Notification(key, occasion, run.cloud, run.id, run.last_ms, sentence, details)


def _ways_out(problem: Reported | None) -> tuple[str, ...]:
    return tuple(map(str, problem.remedies)) if problem else ()


def users_before(subject: Subject, run: RunId, begins: Epoch) -> Notification:
    """What users will notice, by the plan, of a run that begins then: told once, before or at its opening."""
    return Notification(
        announcement(run),
        Occasion.USERS_BEFORE,
        subject.cloud,
        run,
        milliseconds(begins),
        f"maintenance of {subject.cloud} from {_moment(begins)}: {subject.lasts}",
        subject.noticed or ("nothing to notice",),
    )


def window_awaited(subject: Subject, run: RunId, until: Epoch, now: Epoch) -> Notification:
    """That a run waits for a window, which opens then."""
    return Notification(
        f"{run}/{round(until)}/{Occasion.WINDOW_AWAITED.value}",
        Occasion.WINDOW_AWAITED,
        subject.cloud,
        run,
        milliseconds(now),
        f"the run waits for a window until {_moment(until)}",
    )


def _moment(at: Epoch) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%a %Y-%m-%d %H:%M} UTC"
