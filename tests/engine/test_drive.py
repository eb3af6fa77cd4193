from __future__ import annotations

from collections.abc import Mapping

from skylift.engine.drive import Surroundings, drive
from skylift.engine.execute import Execution, Limits
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.journal import Why
from skylift.engine.operate import Asked, open_run
from skylift.model.ids import Epoch, Seconds, StepId
from skylift.model.problem import Fix, Problem, Refused, Remedy
from skylift.planning.plan import Plan
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import PLAN_DIGEST, RUN, plan_of, step_of
from skylift.testing.samples import sample_record
from skylift.testing.scripted import Script, Scripted


class Watch:
    """A clock that moves only when the loop waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> Epoch:
        return Epoch(self.now)

    def pause(self) -> None:
        self.now += 1


def two_steps(script: Script) -> Plan:
    a, b = (step_of(Scripted(name, script), name=name) for name in "ab")
    return plan_of([a, b], [(a, b)])


def begun(plan: Plan) -> Execution:
    journal = MemoryJournal()
    asked = Asked("rey", Epoch(1000.0))
    open_run(journal, RUN, cloud="sample", plan=PLAN_DIGEST, approved=(), asked=asked)
    ports = ports_of(FakeCloud(sample_record()))
    return Execution(plan, journal, ports, limits=Limits(at_once=4, unreachable=Seconds(300)))


def test_a_run_is_driven_to_its_end_and_waits_only_when_nothing_moves() -> None:
    watch, script = Watch(), Script(left={"a": 3})

    run = drive(begun(two_steps(script)), Surroundings(clock=watch.clock, pause=watch.pause))

    assert run.standing is Standing.COMPLETED
    assert watch.now == 1002


def test_the_view_sees_the_run_after_each_tick_with_what_is_left_of_running_steps() -> None:
    watch, seen = Watch(), list[tuple[frozenset[StepId], dict[StepId, str]]]()

    def view(run: Run, left: Mapping[StepId, str]) -> None:
        seen.append((frozenset(run.within(Phase.DONE)), dict(left)))

    drive(
        begun(two_steps(Script(left={"a": 1}))),
        Surroundings(clock=watch.clock, pause=watch.pause, view=view),
    )

    a, b = StepId("a"), StepId("b")
    assert seen == [
        (frozenset(), {}),
        (frozenset(), {a: "1 pushes left"}),
        (frozenset({a}), {}),
        (frozenset({a, b}), {}),
        (frozenset({a, b}), {}),
    ]


def test_a_signal_lets_running_steps_finish_and_starts_no_other() -> None:
    watch, asked = Watch(), list[bool]()

    def asked_to_stop() -> bool:
        asked.append(True)
        return len(asked) > 1

    run = drive(
        begun(two_steps(Script(left={"a": 2}))),
        Surroundings(clock=watch.clock, pause=watch.pause, asked_to_stop=asked_to_stop),
    )

    assert run.standing is Standing.PAUSED
    assert run.pause is not None
    assert run.pause.why is Why.SIGNAL
    assert {step: at.phase for step, at in run.steps.items()} == {"a": Phase.DONE}


def test_a_guard_that_finds_a_problem_pauses_the_run_and_keeps_the_problem() -> None:
    watch = Watch()
    spent = Refused("the loss budget is spent: 6 requests failed", Remedy(Fix.RETRY, "skylift resume"))

    def guard(run: Run, now: Epoch) -> Problem | None:
        return spent if run.steps and now > watch.now - 1 else None

    run = drive(
        begun(two_steps(Script(left={"a": 2}))),
        Surroundings(clock=watch.clock, pause=watch.pause, guard=guard),
    )

    assert run.pause is not None
    assert run.pause.why is Why.LOSS_BUDGET
    assert run.pause.problem is not None
    assert run.pause.problem.sentence == "the loss budget is spent: 6 requests failed"
    assert run.steps[StepId("a")].phase is Phase.DONE


def test_a_halted_run_comes_to_rest() -> None:
    watch, script = Watch(), Script(raises={"a": lambda: Refused("no")})

    run = drive(begun(two_steps(script)), Surroundings(clock=watch.clock, pause=watch.pause))

    assert run.standing is Standing.HALTED
    assert watch.now == 1000
