"""Properties: for any plan, any deaths and any lost answers, the run ends as one that nothing disturbed.

A failing example is printed with a line to replay it (``@reproduce_failure``), as Hypothesis does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st

from skylift.actions.action import Action, NothingToUndo, Progress, Reversal
from skylift.actions.job import observe_job
from skylift.engine.execute import Execution, Limits
from skylift.engine.fold import Phase, Standing, fold
from skylift.engine.journal import StepDone, StepStarted
from skylift.model.ids import HostName, Seconds
from skylift.planning.plan import Plan
from skylift.ports import Command, Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fake_work import DUMP
from skylift.testing.fuse import Fuse, FusedJournal, Killed, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner, plan_of, step_of
from skylift.testing.samples import sample_record

HOSTS = (HostName("ctl1"), HostName("ctl2"), HostName("ctl3"))


@dataclass(frozen=True, slots=True)
class RunOnce(Action):
    """A command that must not run twice."""

    kind: ClassVar[str] = "run-once"

    host: HostName
    name: str

    @property
    def title(self) -> str:
        return f"run {self.name}"

    def observe(self, ports: Ports) -> Progress:
        return observe_job(ports, self.host, self.title)

    def advance(self, ports: Ports) -> None:
        ports.jobs.start(self.host, Command((DUMP, self.name, self.name)))

    def reversal(self) -> Reversal:
        return NothingToUndo("it is only counted")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plan of up to ten commands, each after any of those before it."""
    size = draw(st.integers(1, 10))
    steps = [step_of(RunOnce(draw(st.sampled_from(HOSTS)), f"c{n}"), name=f"c{n}") for n in range(size)]
    pairs = [(steps[a], steps[b]) for b in range(size) for a in range(b) if draw(st.booleans())]
    return plan_of(draw(st.permutations(steps)), pairs)


@dataclass(slots=True)
class World:
    cloud: FakeCloud = field(default_factory=lambda: FakeCloud(sample_record(components=())))
    journal: MemoryJournal = field(default_factory=MemoryJournal)

    def live(self, plan: Plan, deaths: Sequence[int], at_once: int) -> None:
        """Run ``plan``, dying after so many touches each time, until no death is left."""
        limits = Limits(at_once=at_once, unreachable=Seconds(300))
        for notches in (*deaths, 10**9):
            fuse = Fuse(notches)
            runner = Runner(
                cloud=self.cloud,
                journal=FusedJournal(self.journal, fuse),
                ports=fused(ports_of(self.cloud), fuse),
                limits=limits,
            )
            try:
                if self.journal.events() and fold(self.journal.events()).closed:
                    return
                runner.run(plan)
            except Killed:
                self.cloud.pass_time(1)


@settings(max_examples=60, print_blob=True)
@given(
    plan=plans(),
    deaths=st.lists(st.integers(0, 60), max_size=6),
    at_once=st.integers(1, 6),
    lost=st.integers(0, 4),
)
def test_any_plan_with_any_deaths_runs_every_command_once_and_in_order(
    plan: Plan, deaths: list[int], at_once: int, lost: int
) -> None:
    world = World()
    world.cloud.lose_answer("jobs.start", lost)

    world.live(plan, deaths, at_once)

    run = fold(world.journal.events())
    ran = [deed.what.split()[-1] for deed in world.cloud.deeds]
    assert run.standing is Standing.COMPLETED
    assert Counter(ran) == Counter(dict.fromkeys((s.id for s in plan.steps), 1))
    assert all(ran.index(e.before) < ran.index(e.after) for e in plan.edges)


@settings(max_examples=60, print_blob=True)
@given(plan=plans(), deaths=st.lists(st.integers(0, 60), max_size=6), at_once=st.integers(1, 6))
def test_any_journal_starts_a_step_only_after_all_before_it_and_never_too_many(
    plan: Plan, deaths: list[int], at_once: int
) -> None:
    world = World()

    world.live(plan, deaths, at_once)

    done: set[str] = set()
    flying: set[str] = set()
    for event in world.journal.events():
        if isinstance(event, StepStarted):
            assert plan.before(event.step) <= done
            flying.add(event.step)
            assert len(flying) <= at_once
        elif isinstance(event, StepDone):
            flying.discard(event.step)
            done.add(event.step)
    assert done == {s.id for s in plan.steps}


@settings(max_examples=60, print_blob=True)
@given(plan=plans(), deaths=st.lists(st.integers(0, 60), max_size=3))
def test_any_prefix_of_a_journal_folds_and_the_run_kept_up_event_by_event_is_the_journal_folded(
    plan: Plan, deaths: list[int]
) -> None:
    world = World()
    world.live(plan, deaths, 3)
    events = world.journal.events()

    runs = [fold(events[:n]) for n in range(1, len(events) + 1)]
    execution = Execution(
        plan, world.journal, ports_of(world.cloud), limits=Limits(at_once=3, unreachable=Seconds(9))
    )

    finished = [len(run.within(Phase.DONE)) for run in runs]
    assert finished == sorted(finished)
    assert execution.run == runs[-1]
