"""What a window holds back: the start of steps, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from tests.engine.test_execute import LIMITS, T0, at, opened, step

from skylift.engine.fold import Phase, Standing
from skylift.engine.journal import StepStarted
from skylift.engine.operate import Asked, abort
from skylift.model.ids import Epoch
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import plan_of, step_of
from skylift.testing.scripted import Script, Scripted


def test_a_step_that_cannot_end_before_the_window_closes_is_not_started_and_what_runs_goes_on() -> None:
    script, journal = Script(left={"a": 2}), MemoryJournal()
    a, b = step("a", script), step("b", script)

    def may_take(seconds: int, now: Epoch) -> bool:
        return now + seconds <= T0 + 4 or now >= T0 + 100

    limits = replace(LIMITS, at_once=1, may_take=may_take)
    execution = opened(plan_of([a, b]), journal, limits=limits)

    for second in range(4):
        execution.tick(at(second))
    rests = [execution.rests(at(second)) for second in (0, 2, 4, 50, 100)]
    execution.tick(at(50))
    then = execution.tick(at(100))

    assert rests == [False, True, True, True, False]
    assert [e.at_ms for e in journal.events() if isinstance(e, StepStarted)] == [1_000_000, 1_100_000]
    assert then.within(Phase.DONE) == {"a", "b"}


def test_what_was_taken_is_given_back_and_a_run_is_given_up_at_any_time() -> None:
    script, journal = Script(), MemoryJournal()
    take = step_of(Scripted("take", script, "give"), name="take")
    give, far = step("give", script), step("far", script)
    limits = replace(LIMITS, at_once=1, may_take=lambda _seconds, now: now == T0)
    execution = opened(plan_of([take, give, far], [(take, give)]), journal, limits=limits)

    for second in range(3):
        execution.tick(at(second))
    closed = execution.rests(at(3))
    abort(journal, Asked("rey", at(4)), reason="no", leave=False)
    run = execution.tick(at(5))

    assert closed
    assert run.within(Phase.DONE) == {"take", "give"}
    assert run.standing is Standing.ABORTED
