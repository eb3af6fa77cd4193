from __future__ import annotations

import pytest

from skylift.engine.fold import Phase, Run, Standing, StepRun, after, fold
from skylift.engine.grown import Grown, Sorted
from skylift.engine.journal import (
    FORMAT,
    Event,
    LossCounted,
    Outcome,
    Reported,
    RunClosed,
    RunOpened,
    RunPaused,
    RunResumed,
    RunTakenUp,
    StepDone,
    StepFailed,
    StepRetried,
    StepStarted,
    Why,
)
from skylift.model.ids import Digest, RunId, StepId
from skylift.model.problem import Fix, Remedy

A, B = StepId("a"), StepId("b")
OPENED = RunOpened(FORMAT, RunId("r1"), "sample", Digest("sha256:0"), (B,), "rey@console", 1000)
PROBLEM = Reported("job.failed", "could not do a: it said no", (Remedy(Fix.RETRY, "skylift retry"),))


def run_of(*events: Event) -> Run:
    return fold((OPENED, *events))


def failed(*, ended: bool) -> StepFailed:
    return StepFailed(A, 1, PROBLEM, ended=ended, at_ms=3000)


def test_an_opened_run_knows_its_plan_its_actor_and_what_was_approved() -> None:
    run = run_of()

    assert (run.id, run.plan, run.actor, run.opened_ms) == ("r1", "sha256:0", "rey@console", 1000)
    assert run.approved == {B}
    assert run.standing is Standing.RUNNING


def test_a_step_runs_from_its_start_to_its_end() -> None:
    run = run_of(StepStarted(A, 1, 2000), StepDone(A, 1, 5000))

    assert run.steps[A] == StepRun(Phase.DONE, 1, 2000, 2000, ended_ms=5000, begun=True)
    assert run.last_ms == 5000


def test_a_failed_step_halts_the_run_and_keeps_its_problem() -> None:
    run = run_of(StepStarted(A, 1, 2000), failed(ended=True))

    assert run.standing is Standing.HALTED
    assert run.steps[A].problem == PROBLEM


def test_a_retry_after_the_job_ended_is_a_new_attempt() -> None:
    run = run_of(StepStarted(A, 1, 2000), failed(ended=True), StepRetried(A, 2, "rey", 4000))

    assert (run.steps[A].phase, run.steps[A].attempt) == (Phase.WAITING, 2)
    assert run.steps[A].problem is None
    assert run.standing is Standing.RUNNING


def test_a_retry_while_the_job_may_run_keeps_the_attempt_so_that_no_second_job_starts() -> None:
    run = run_of(StepStarted(A, 1, 2000), failed(ended=False), StepRetried(A, 1, "rey", 4000))

    assert (run.steps[A].phase, run.steps[A].attempt) == (Phase.WAITING, 1)


def test_a_pause_holds_until_the_run_is_resumed() -> None:
    paused = run_of(RunPaused(Why.LOSS_BUDGET, PROBLEM, 2000))
    resumed = after(paused, RunResumed("rey", 9000))

    assert paused.standing is Standing.PAUSED
    assert paused.pause is not None
    assert paused.pause.problem == PROBLEM
    assert resumed.standing is Standing.RUNNING


def test_a_resumed_run_gives_running_steps_their_whole_deadline_again_and_no_others() -> None:
    run = run_of(
        StepStarted(A, 1, 2000), StepStarted(B, 1, 2000), StepDone(B, 1, 2500), RunResumed("rey", 9000)
    )

    assert (run.steps[A].clock_ms, run.steps[A].started_ms) == (9000, 2000)
    assert run.steps[B].clock_ms == 2000


def test_who_takes_a_run_up_gives_deadlines_anew_and_answers_for_nothing() -> None:
    """What failed is not excused, what was lost still counts, a pause stays one: those are an operator's."""
    lost = LossCounted(3, 0, {"glance": 300}, 1500)
    halted = run_of(
        lost,
        StepStarted(A, 1, 2000),
        StepStarted(B, 1, 2000),
        RunPaused(Why.FAILURES, PROBLEM, 2500),
        failed(ended=True),
    )

    taken_up, resumed = (after(halted, event) for event in (RunTakenUp("w", 9000), RunResumed("rey", 9000)))

    assert (taken_up.pause, taken_up.excused, taken_up.lost) == (halted.pause, frozenset(), lost)
    assert (resumed.pause, resumed.excused, resumed.lost) == (None, frozenset({A}), None)
    assert taken_up.steps == resumed.steps
    assert taken_up.steps[B].clock_ms == 9000


def test_a_failure_is_shown_before_a_pause_because_it_needs_the_operator_more() -> None:
    run = run_of(StepStarted(A, 1, 2000), RunPaused(Why.SIGNAL, None, 2100), failed(ended=True))

    assert run.standing is Standing.HALTED


def test_a_closed_run_is_completed() -> None:
    run = run_of(StepStarted(A, 1, 2000), StepDone(A, 1, 3000), RunClosed(Outcome.COMPLETED, 3000))

    assert run.standing is Standing.COMPLETED


def test_an_empty_journal_tells_of_no_run() -> None:
    with pytest.raises(ValueError, match="no run"):
        fold(())


CONTRADICTIONS: dict[str, tuple[Event, ...]] = {
    "opened twice": (OPENED, OPENED),
    "something before the opening": (RunResumed("rey", 1),),
    "something after the closing": (OPENED, RunClosed(Outcome.COMPLETED, 2), RunResumed("rey", 3)),
    "started twice": (OPENED, StepStarted(A, 1, 2), StepStarted(A, 1, 3)),
    "started out of turn": (OPENED, StepStarted(A, 2, 2)),
    "done but never started": (OPENED, StepDone(A, 1, 2)),
    "done twice": (OPENED, StepStarted(A, 1, 2), StepDone(A, 1, 3), StepDone(A, 1, 4)),
    "done as another attempt": (OPENED, StepStarted(A, 1, 2), StepDone(A, 2, 3)),
    "failed but never started": (OPENED, failed(ended=True)),
    "retried while it ran": (OPENED, StepStarted(A, 1, 2), StepRetried(A, 2, "rey", 3)),
    "retried though never started": (OPENED, StepRetried(A, 2, "rey", 3)),
    "a second job beside the first": (
        OPENED,
        StepStarted(A, 1, 2),
        failed(ended=False),
        StepRetried(A, 2, "rey", 3),
    ),
    "closed with a step open": (OPENED, StepStarted(A, 1, 2), RunClosed(Outcome.COMPLETED, 3)),
}


@pytest.mark.parametrize("events", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_journal_that_contradicts_itself_stops_the_process(events: tuple[Event, ...]) -> None:
    with pytest.raises(AssertionError):
        fold(events)


@pytest.mark.parametrize(
    ("phase", "attempt", "ended", "problem"),
    [
        (Phase.RUNNING, 0, None, None),
        (Phase.RUNNING, 1, 5, None),
        (Phase.DONE, 1, None, None),
        (Phase.DONE, 1, 5, PROBLEM),
        (Phase.FAILED, 1, 5, None),
    ],
)
def test_a_step_that_cannot_be_is_no_value(
    phase: Phase, attempt: int, ended: int | None, problem: Reported | None
) -> None:
    with pytest.raises(AssertionError):
        StepRun(phase, attempt, 1, 1, ended, problem)


@pytest.mark.parametrize("last", range(1, 12))
def test_a_run_that_is_folded_at_once_is_the_one_that_grew_event_by_event(last: int) -> None:
    events: tuple[Event, ...] = (
        OPENED,
        StepStarted(A, 1, 2000),
        failed(ended=True),
        StepRetried(A, 2, "rey@console", 4000),
        StepStarted(A, 2, 5000),
        StepDone(A, 2, 6000),
        StepStarted(B, 1, 7000),
        RunResumed("rey@console", 8000),
        LossCounted(3, 0, {"glance": 300}, 8000),
        RunTakenUp("worker@ops2", 8500),
        StepDone(B, 1, 9000),
        RunClosed(Outcome.COMPLETED, 9000),
    )[: last + 1]
    grew = after(None, events[0])
    for event in events[1:]:
        grew = after(grew, event)

    at_once = fold(events)

    assert at_once == grew
    assert (type(at_once.steps), type(at_once.since_resume)) == (Sorted, Grown)
