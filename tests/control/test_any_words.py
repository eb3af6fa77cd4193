"""Any words, in any order, to a run that works, fails, dies and is taken up again: the engine's own code.

``test_every_state`` explores small plans whole; here plans are larger, times pass, and attempts count.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from skylift.engine.decide import Order, decide
from skylift.engine.execute import Execution, Limits
from skylift.engine.fold import Phase, Run, fold
from skylift.engine.journal import (
    Event,
    RunPaused,
    RunResumed,
    StepDone,
    StepFailed,
    StepPostponed,
    StepRetried,
    StepSkipped,
    StepStarted,
)
from skylift.engine.near import Near
from skylift.engine.operate import (
    Asked,
    Gates,
    abort,
    approve,
    hand_over,
    open_run,
    pause,
    postpone,
    resume,
    retry,
    skip,
)
from skylift.engine.verbs import Kind, Verb, allowed
from skylift.model.ids import Epoch, RunId, Seconds, StepId
from skylift.model.problem import Refused
from skylift.planning.plan import Plan, Stage
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import PLAN_DIGEST, RUN, plan_of, step_of
from skylift.testing.samples import sample_record
from skylift.testing.scripted import Script, Scripted

PORTS = ports_of(FakeCloud(sample_record()))
NAMES = ("take-1", "work-1", "give-1", "take-2", "work-2", "give-2", "far", "last")
LOOKS = {"work-1", "work-2", "far"}
AT_ONCE = 3
names = st.sampled_from(NAMES)
PHASES: dict[type[Event], Phase] = {
    StepStarted: Phase.RUNNING,
    StepDone: Phase.DONE,
    StepFailed: Phase.FAILED,
    StepRetried: Phase.WAITING,
    StepSkipped: Phase.SKIPPED,
    StepPostponed: Phase.POSTPONED,
}


class Ended(Refused):
    """A problem that tells of a job's end."""

    code = "test.ended"
    job_ended = True


def plan_with(script: Script) -> Plan:
    """Two hosts in turn, each taken and given back, the second one held; and two steps beside them.

    What is done while a host is gone is a look, and so is one of those two.
    """
    take_1 = step_of(Scripted("take-1", script, "give-1"), name="take-1")
    take_2 = step_of(Scripted("take-2", script, "give-2", Seconds(600)), name="take-2")
    work_1, give_1, work_2, give_2, far = (
        step_of(Scripted(name, script, looks_again=name in LOOKS), name=name, deadline=50)
        for name in NAMES[:-1]
        if "take" not in name
    )
    last = step_of(Scripted("last", script, no_way_back=True), name="last", stage=Stage.CONVERGE)
    chain = (take_1, work_1, give_1, take_2, work_2, give_2, last)
    return plan_of([*chain, far], [*pairwise(chain), (far, last)])


def runner_of(plan: Plan, journal: MemoryJournal) -> Execution:
    return Execution(plan, journal, PORTS, limits=Limits(at_once=AT_ONCE, unreachable=Seconds(30)))


def phases_of(events: tuple[Event, ...]) -> dict[StepId, list[Phase]]:
    """Where each step was, one after the other."""
    found: dict[StepId, list[Phase]] = {}
    for event in events:
        if (phase := PHASES.get(type(event))) and hasattr(event, "step"):
            found.setdefault(event.step, []).append(phase)
    return found


def is_what_all_its_events_say(run: Run, events: tuple[Event, ...]) -> None:
    told = {step: phases[-1] for step, phases in phases_of(events).items()}
    assert {step: at.phase for step, at in run.steps.items()} == told
    for phase in Phase:
        assert run.within(phase) == {step for step, last in told.items() if last is phase}


def decides_as_all_of_the_plan_would(near: Order, order: Order, run: Run, now: Epoch) -> None:
    assert decide(near, run, at_once=AT_ONCE) == decide(order, run, at_once=AT_ONCE)
    assert near.held(run, now) == order.held(run, now)


class Words(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.script, self.journal, self.now = Script(), MemoryJournal(), 1000.0
        self.plan = plan_with(self.script)
        self.order = Order.of(self.plan)
        self.near = Near(self.order)
        open_run(
            self.journal,
            RUN,
            cloud="sample",
            plan=PLAN_DIGEST,
            approved=(),
            asked=Asked("rey", Epoch(0)),
            gates=Gates((Stage.CONVERGE,)),
        )
        self.runner: Execution | None = runner_of(self.plan, self.journal)

    @property
    def asked(self) -> Asked:
        return Asked("rey@console", Epoch(self.now))

    @property
    def run(self) -> Run:
        return fold(self.journal.events())

    @rule(seconds=st.sampled_from((0, 1, 40)))
    @precondition(lambda self: self.runner is not None)
    def tick(self, seconds: int) -> None:
        assert self.runner is not None
        self.now += seconds
        self.runner.tick(Epoch(self.now))

    @rule(name=names, pushes=st.integers(0, 3))
    def takes_long(self, name: str, pushes: int) -> None:
        self.script.left[name] = pushes

    @rule(name=names, problem=st.sampled_from((Refused, Ended, None)))
    def breaks_or_is_repaired(self, name: str, problem: type[Refused] | None) -> None:
        self.script.raises.pop(name, None)
        if problem is not None:
            self.script.raises[name] = lambda: problem("it said no")

    @rule()
    def dies(self) -> None:
        self.runner = None

    @rule(verb=st.sampled_from(Verb), name=names)
    def is_told(self, verb: Verb, name: str) -> None:
        before, step = self.run, StepId(name)
        words: dict[Verb, Callable[[], Run]] = {
            Verb.PAUSE: lambda: pause(self.journal, self.asked),
            Verb.RESUME: lambda: resume(self.journal, self.asked),
            Verb.APPROVE: lambda: approve(
                self.journal,
                self.order,
                self.asked,
                Stage.CONVERGE,
                no_returns=self.order.unapproved(before).get(Stage.CONVERGE, ()),
            ),
            Verb.RETRY: lambda: retry(self.journal, self.asked, step),
            Verb.SKIP: lambda: skip(self.journal, self.order, self.asked, step, reason="by hand"),
            Verb.POSTPONE: lambda: postpone(self.journal, self.order, self.asked, step, reason="later"),
            Verb.ROLLBACK: lambda: hand_over(self.journal, self.asked, RunId("back"), going_on={}),
            Verb.ABORT: lambda: abort(self.journal, self.asked, reason="no more", leave=False),
        }
        try:
            said = words[verb]()
        except Refused:
            assert self.run == before
            return
        is_paused_already = verb is Verb.PAUSE and before.pause is not None and said == before
        assert verb in allowed(before, Kind.UPGRADE) or is_paused_already
        assert said == self.run
        if self.runner is None and verb in {Verb.RESUME, Verb.RETRY, Verb.ABORT}:
            self.runner = runner_of(self.plan, self.journal)

    @invariant()
    def the_runner_knows_what_the_journal_says(self) -> None:
        if self.runner is not None:
            assert self.runner.ledger.catch_up() == self.run
            near = self.near.order(self.runner.run)
            decides_as_all_of_the_plan_would(near, self.order, self.run, Epoch(self.now))
        is_what_all_its_events_say(self.run, self.journal.events())

    @invariant()
    def no_more_is_under_way_than_allowed(self) -> None:
        assert len(self.run.within(Phase.RUNNING)) <= AT_ONCE

    @invariant()
    def nothing_started_while_the_run_was_paused_nor_before_what_it_waits_for(self) -> None:
        events = self.journal.events()
        paused = False
        for number, event in enumerate(events):
            paused = (paused or isinstance(event, RunPaused)) and not isinstance(event, RunResumed)
            if isinstance(event, StepStarted):
                assert not paused
                before = fold(events[:number])
                assert self.plan.before(event.step) <= before.passed
                assert event.step != "last" or "last" in before.approved

    def teardown(self) -> None:
        """Whatever was said: the operator can end it, and then nothing is left but what she was told."""
        if not hasattr(self, "journal") or self.run.closed:
            return
        abort(self.journal, self.asked, reason="the test is over", leave=True)
        runner = runner_of(self.plan, self.journal)
        for _ in range(30):
            self.now += 20
            runner.tick(Epoch(self.now))
        assert self.run.closed


TestAnyWords = Words.TestCase
TestAnyWords.settings = settings(max_examples=60, stateful_step_count=40, print_blob=True)
