from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from skylift.engine.execute import Execution, Limits
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.journal import Outcome, RunClosed, StepDone, StepStarted, Why, milliseconds
from skylift.engine.operate import Asked, open_run, resume, retry
from skylift.engine.problems import RunRefuses, StepRefuses
from skylift.model.ids import Epoch, HostName, Seconds, StepId
from skylift.model.problem import Fix, Problem, Refused, Remedy, Transient, Uncertain
from skylift.planning.plan import Plan, Step
from skylift.ports.hosts import HostUnreachable
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import PLAN_DIGEST, RUN, plan_of, step_of
from skylift.testing.samples import sample_record
from skylift.testing.scripted import Script, Scripted

T0 = Epoch(1000.0)
LIMITS = Limits(at_once=4, unreachable=Seconds(300))
PORTS = ports_of(FakeCloud(sample_record()))
CTL1 = HostName("ctl1")


def step(name: str, script: Script, deadline: int = 60) -> Step:
    return step_of(Scripted(name, script), name=name, deadline=deadline)


def opened(
    plan: Plan, journal: MemoryJournal, pool: ThreadPoolExecutor | None = None, *, limits: Limits = LIMITS
) -> Execution:
    if not journal.events():
        open_run(journal, RUN, cloud="sample", plan=PLAN_DIGEST, approved=(), asked=Asked("rey", T0))
    return Execution(plan, journal, PORTS, limits=limits, pool=pool)


def at(seconds: float) -> Epoch:
    return Epoch(T0 + seconds)


def problem_of(run: Run, name: str) -> tuple[str, str]:
    problem = run.steps[StepId(name)].problem
    assert problem is not None
    assert any(remedy.fix is Fix.RETRY and "skylift retry" in remedy.how for remedy in problem.remedies)
    return problem.code, problem.sentence


def test_a_step_is_on_record_before_it_is_pushed_for_the_first_time() -> None:
    """DESIGN, invariant 1."""
    script, journal = Script(left={"a": 1}), MemoryJournal()
    execution = opened(plan_of([step("a", script)]), journal)
    seen: list[bool] = []

    def look() -> Problem:
        seen.append(StepStarted(StepId("a"), 1, 1_000_000) in journal.events())
        return Transient("not now")

    script.raises["a"] = look

    execution.tick(T0)

    assert seen == [True]


def test_a_step_is_pushed_once_a_tick_until_it_is_observed_to_be_done() -> None:
    script, journal = Script(left={"a": 2}), MemoryJournal()
    execution = opened(plan_of([step("a", script)]), journal)

    left = []
    for second in range(4):
        execution.tick(at(second))
        left.append(execution.left.get(StepId("a")))

    assert left == ["2 pushes left", "1 pushes left", None, None]
    assert script.pushed == ["a", "a"]
    assert journal.events()[-2:] == (
        StepDone(StepId("a"), 1, 1_002_000),
        RunClosed(Outcome.COMPLETED, 1_003_000),
    )


def test_a_step_past_its_deadline_fails_with_what_was_left_and_is_not_pushed_again() -> None:
    script = Script(left={"a": 99})
    execution = opened(plan_of([step("a", script, deadline=60)]), MemoryJournal())

    execution.tick(T0)
    execution.tick(at(60))
    run = execution.tick(at(61))

    assert problem_of(run, "a") == ("step.deadline", "could not do a within 60 s: 97 pushes left")
    assert len(script.pushed) == 2
    assert run.standing is Standing.HALTED


def test_a_step_that_is_done_after_its_deadline_is_done() -> None:
    script = Script(left={"a": 1})
    execution = opened(plan_of([step("a", script, deadline=60)]), MemoryJournal())

    execution.tick(T0)
    run = execution.tick(at(3600))

    assert run.steps[StepId("a")].phase is Phase.DONE


def test_a_refusal_fails_the_step_at_once_with_its_own_words() -> None:
    remedy = Remedy(Fix.RETRY, "skylift retry")
    script = Script(raises={"a": lambda: Refused("could not do a: it is not a day for it", remedy)})
    execution = opened(plan_of([step("a", script)]), MemoryJournal())

    run = execution.tick(T0)

    assert problem_of(run, "a") == ("refused", "could not do a: it is not a day for it")


@pytest.mark.parametrize("kind", [Transient, Uncertain], ids=lambda k: k.code)
def test_what_may_pass_is_waited_for_and_observed_again(kind: type[Problem]) -> None:
    script = Script(left={"a": 1}, raises={"a": lambda: kind("the line broke")})
    execution = opened(plan_of([step("a", script)]), MemoryJournal())

    execution.tick(T0)
    shown = execution.left[StepId("a")]
    del script.raises["a"]
    execution.tick(at(1))
    run = execution.tick(at(2))

    assert shown == "no answer yet: the line broke"
    assert run.steps[StepId("a")].phase is Phase.DONE


def test_a_host_out_of_reach_for_longer_than_the_policy_says_fails_its_step() -> None:
    script = Script(raises={"a": lambda: HostUnreachable(CTL1, "no answer on port 22")})
    execution = opened(plan_of([step("a", script, deadline=60)]), MemoryJournal())

    execution.tick(T0)
    waiting = execution.tick(at(300))
    run = execution.tick(at(301))

    assert waiting.steps[StepId("a")].phase is Phase.RUNNING
    assert problem_of(run, "a") == (
        "host.unreachable",
        "could not do a: for 301 s, ctl1 could not be reached: no answer on port 22",
    )


def test_a_silence_without_a_way_out_of_its_own_gets_one() -> None:
    script = Script(raises={"a": lambda: Uncertain("the line broke")})
    execution = opened(plan_of([step("a", script)]), MemoryJournal())

    execution.tick(T0)
    run = execution.tick(at(301))

    assert problem_of(run, "a")[0] == "uncertain"


def test_a_silence_does_not_use_up_the_time_of_the_step_that_waits_for_it() -> None:
    script = Script(left={"a": 99}, raises={"a": lambda: Transient("it reboots")})
    execution = opened(plan_of([step("a", script, deadline=60)]), MemoryJournal())
    execution.tick(T0)
    script.raises.clear()

    back = execution.tick(at(250))
    in_time = execution.tick(at(250 + 60))
    late = execution.tick(at(250 + 61))

    assert back.steps[StepId("a")].phase is Phase.RUNNING
    assert in_time.steps[StepId("a")].phase is Phase.RUNNING
    assert problem_of(late, "a")[0] == "step.deadline"


def test_silences_together_prolong_a_step_only_by_what_the_policy_allows() -> None:
    script = Script(left={"a": 9999})
    execution = opened(plan_of([step("a", script, deadline=60)]), MemoryJournal())

    for seconds in range(0, 2000, 20):
        script.raises = {} if seconds % 100 == 0 else {"a": lambda: Transient("it flaps")}
        if execution.tick(at(seconds)).standing is Standing.HALTED:
            break

    assert execution.run.last_ms == milliseconds(at(400))
    assert problem_of(execution.run, "a")[0] == "step.deadline"


def test_one_answer_ends_a_silence() -> None:
    script = Script(left={"a": 99}, raises={"a": lambda: Transient("busy")})
    execution = opened(plan_of([step("a", script, deadline=9000)]), MemoryJournal())
    execution.tick(T0)
    silent = script.raises.pop("a")
    execution.tick(at(200))
    script.raises["a"] = silent

    execution.tick(at(299))
    run = execution.tick(at(599))

    assert run.steps[StepId("a")].phase is Phase.RUNNING


def test_a_bug_in_a_step_stops_the_process_and_leaves_the_step_open() -> None:
    script, journal = Script(raises={"a": lambda: ZeroDivisionError("a bug")}), MemoryJournal()
    execution = opened(plan_of([step("a", script)]), journal)

    with pytest.raises(ZeroDivisionError):
        execution.tick(T0)

    assert isinstance(journal.events()[-1], StepStarted)


def test_a_paused_run_lets_running_steps_finish_and_starts_no_other() -> None:
    script, journal = Script(left={"a": 1}), MemoryJournal()
    a, b = step("a", script), step("b", script)
    execution = opened(plan_of([a, b], [(a, b)]), journal)
    execution.tick(T0)

    execution.pause(Why.SIGNAL, at(1))
    execution.pause(Why.SIGNAL, at(1))
    run = execution.tick(at(2))

    assert run.steps.keys() == {"a"}
    assert run.standing is Standing.PAUSED
    assert [e.kind for e in journal.events()].count("run-paused") == 1


def test_a_resumed_run_goes_on_where_the_journal_ends() -> None:
    script, journal = Script(left={"a": 1}), MemoryJournal()
    a, b = step("a", script), step("b", script)
    plan = plan_of([a, b], [(a, b)])
    first = opened(plan, journal)
    first.tick(T0)
    first.pause(Why.SIGNAL, at(1))

    resume(journal, Asked("rey", at(100)))
    second = opened(plan, journal)
    for seconds in (100, 101, 102):
        second.tick(at(seconds))

    assert second.run.standing is Standing.COMPLETED


def test_a_resumed_step_has_its_whole_deadline_again() -> None:
    script, journal = Script(left={"a": 99}), MemoryJournal()
    plan = plan_of([step("a", script, deadline=60)])
    opened(plan, journal).tick(T0)

    resume(journal, Asked("rey", at(3600)))
    run = opened(plan, journal).tick(at(3650))

    assert run.steps[StepId("a")].phase is Phase.RUNNING


class Ended(Refused):
    """A problem that tells of a job's end."""

    code = "test.ended"
    job_ended = True


class TestRetry:
    @staticmethod
    def failed(journal: MemoryJournal, kind: type[Problem] = Ended) -> tuple[Plan, Script]:
        script = Script(raises={"a": lambda: kind("no"), "b": lambda: kind("no")})
        plan = plan_of([step("a", script), step("b", script)])
        opened(plan, journal).tick(T0)
        script.raises.clear()
        return plan, script

    def test_steps_whose_jobs_have_ended_start_again_as_a_new_attempt(self) -> None:
        journal = MemoryJournal()
        plan, _ = self.failed(journal)

        retry(journal, Asked("rey", at(9)))
        run = opened(plan, journal).tick(at(9))

        assert {s: (r.phase, r.attempt) for s, r in run.steps.items()} == {
            "a": (Phase.DONE, 2),
            "b": (Phase.DONE, 2),
        }

    def test_a_step_whose_job_may_still_run_keeps_its_attempt_and_so_its_job(self) -> None:
        journal = MemoryJournal()
        plan, _ = self.failed(journal, Refused)

        retry(journal, Asked("rey", at(9)))
        run = opened(plan, journal).tick(at(9))

        assert {s: (r.phase, r.attempt) for s, r in run.steps.items()} == {
            "a": (Phase.DONE, 1),
            "b": (Phase.DONE, 1),
        }

    def test_one_step_alone_starts_again_if_it_is_named(self) -> None:
        journal = MemoryJournal()
        plan, _ = self.failed(journal)

        retry(journal, Asked("rey", at(9)), StepId("b"))
        run = opened(plan, journal).tick(at(9))

        assert {s: r.phase for s, r in run.steps.items()} == {"a": Phase.FAILED, "b": Phase.DONE}

    def test_a_step_that_has_not_failed_cannot_be_retried(self) -> None:
        journal = MemoryJournal()
        self.failed(journal)

        with pytest.raises(StepRefuses, match="cannot retry c: it is not begun"):
            retry(journal, Asked("rey", at(9)), StepId("c"))

    def test_a_run_in_which_nothing_failed_has_nothing_to_retry(self) -> None:
        journal = MemoryJournal()
        opened(plan_of([step("a", Script())]), journal)

        with pytest.raises(StepRefuses, match="no step has failed") as caught:
            retry(journal, Asked("rey", T0))

        assert any("skylift resume" in remedy.how for remedy in caught.value.remedies)

    def test_a_completed_run_neither_resumes_nor_retries(self) -> None:
        journal = MemoryJournal()
        execution = opened(plan_of([step("a", Script())]), journal)
        execution.tick(T0)
        execution.tick(T0)

        with pytest.raises(RunRefuses, match="it is completed"):
            resume(journal, Asked("rey", at(9)))
        with pytest.raises(RunRefuses):
            retry(journal, Asked("rey", at(9)))


def test_a_journal_is_opened_for_one_run_only() -> None:
    journal = MemoryJournal()
    opened(plan_of([]), journal)

    with pytest.raises(AssertionError, match="opened twice"):
        open_run(journal, RUN, cloud="sample", plan=PLAN_DIGEST, approved=(), asked=Asked("rey", T0))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as found:
        yield found


def test_the_pushes_of_a_tick_are_made_at_the_same_time(pool: ThreadPoolExecutor) -> None:
    together = threading.Barrier(3, timeout=60)
    script = Script(raises={name: _meeting(together) for name in "abc"})
    patient = replace(LIMITS, patience_s=60)
    plan = plan_of([step(name, script) for name in "abc"])
    execution = opened(plan, MemoryJournal(), pool, limits=patient)

    execution.tick(T0)

    assert execution.left == dict.fromkeys(("a", "b", "c"), "no answer yet: they met")


def test_a_host_that_is_slow_to_answer_does_not_hold_up_the_others(pool: ThreadPoolExecutor) -> None:
    answered = threading.Event()
    script = Script(raises={"slow": _waiting(answered)})
    slow, a, b = step("slow", script), step("a", script), step("b", script)
    brisk = replace(LIMITS, patience_s=0.2)
    execution = opened(plan_of([slow, a, b], [(a, b)]), MemoryJournal(), pool, limits=brisk)

    ticked_until(execution, lambda run: len(run.within(Phase.DONE)) == 2)
    phases = {step: at.phase for step, at in execution.run.steps.items()}
    answered.set()
    script.raises.clear()
    ticked_until(execution, lambda run: run.standing is Standing.COMPLETED)

    assert phases == {"a": Phase.DONE, "b": Phase.DONE, "slow": Phase.RUNNING}
    assert execution.run.standing is Standing.COMPLETED


def ticked_until(execution: Execution, holds: Callable[[Run], bool]) -> None:
    """Tick until that holds, or for some minutes: a tick waits for answers no longer than 0.2 s."""
    for _ in range(1000):
        if holds(execution.tick(T0)):
            return


def _meeting(barrier: threading.Barrier) -> Callable[[], Problem]:
    def met() -> Problem:
        barrier.wait()
        return Transient("they met")

    return met


def _waiting(event: threading.Event) -> Callable[[], Problem]:
    def waited() -> Problem:
        event.wait(timeout=120)
        return Transient("it was slow")

    return waited
