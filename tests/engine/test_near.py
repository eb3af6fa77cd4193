"""A tick costs what is under way and what has just changed, however long the plan and the run are by then."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from tests.engine.costs import Cost, cost_of

from skylift.drivers.sqlite_journal import SqliteJournal
from skylift.engine.decide import Order
from skylift.engine.execute import Execution, Limits
from skylift.engine.fold import Run, after, fold
from skylift.engine.journal import FORMAT, Event, Journal, RunOpened, StepDone, StepStarted
from skylift.engine.operate import Asked, open_run
from skylift.model.ids import Epoch, Seconds, StepId
from skylift.planning.plan import Plan, Step
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import PLAN_DIGEST, RUN, plan_of, step_of
from skylift.testing.samples import sample_record
from skylift.testing.scripted import Script, Scripted

AT_ONCE = 4
FEW, MANY = 10, 100


def host(number: int, script: Script) -> list[Step]:
    """What is done about one host: it is taken, looked at, worked on and given back."""
    takes = Scripted(f"take-{number}", script, f"give-{number}")
    looks = Scripted(f"look-{number}", script, looks_again=True)
    rest = [Scripted(f"{what}-{number}", script) for what in ("stop", "switch", "start", "give")]
    return [step_of(action, name=action.name) for action in (takes, looks, *rest)]


def plan_over(hosts: int) -> Plan:
    """Hosts four at a time: each waits for the fourth before it."""
    script = Script()
    turns = [host(number, script) for number in range(hosts)]
    edges = [edge for turn in turns for edge in pairwise(turn)]
    edges += [(first[-1], then[0]) for first, then in zip(turns, turns[AT_ONCE:], strict=False)]
    return plan_of([step for turn in turns for step in turn], edges)


def execution_of(plan: Plan) -> Execution:
    journal, asked = MemoryJournal(), Asked("rey", Epoch(0))
    open_run(journal, RUN, cloud="sample", plan=PLAN_DIGEST, approved=(), asked=asked)
    ports = ports_of(FakeCloud(sample_record()))
    return Execution(plan, journal, ports, limits=Limits(at_once=AT_ONCE, unreachable=Seconds(60)))


def cost_of_a_tick(hosts: int) -> Cost:
    """Of the ticks over the last hosts but for the very last."""
    execution, now = execution_of(plan_over(hosts)), 1.0
    while len(execution.run.steps) < 6 * (hosts - 7):
        execution.tick(Epoch(now))

    def tick() -> None:
        assert not execution.rests(Epoch(now))
        execution.tick(Epoch(now))

    return cost_of(tick, times=6)


def events(steps: int) -> tuple[Event, ...]:
    """Of a run that has done so many."""
    opened = RunOpened(FORMAT, RUN, "sample", PLAN_DIGEST, (), "rey", 0)
    pairs = ((StepStarted(StepId(f"s{n}"), 1, n), StepDone(StepId(f"s{n}"), 1, n)) for n in range(steps))
    return (opened, *(event for pair in pairs for event in pair))


def cost_of_a_step(steps: int) -> Cost:
    """Its two events, folded one by one, and a look at where things are after each."""
    run = fold(events(steps))

    def then(event: Event) -> Run:
        found = after(run, event)
        assert not found.within()
        assert len(found.passed) + len(found.steps) > 0
        return found

    def step() -> None:
        nonlocal run
        new = StepId(f"new{len(run.steps)}")
        run = then(StepStarted(new, 1, 1))
        run = then(StepDone(new, 1, 2))

    return cost_of(step, times=200)


def cost_of_an_append(journal: Journal, steps: int) -> Cost:
    """And of reading what is new; all of it is read once before, as whoever resumes does."""
    for number, event in enumerate(events(steps)):
        journal.append(event, after=number)
    length = len(journal.events())

    def append() -> None:
        nonlocal length
        journal.append(StepStarted(StepId("s"), 1, 1), after=length)
        length += 1
        assert journal.events(after=length) == ()

    return cost_of(append, times=50)


def hardly_more(many: Cost, few: Cost) -> None:
    """Of ten times and more as many: what goes by the number would cost ten times as much, not twice."""
    assert many.lines < 1.5 * few.lines
    assert many.bytes < 2 * few.bytes


def test_a_tick_late_in_a_long_run_costs_what_one_in_a_short_run_does() -> None:
    cost_of_a_tick(FEW)  # the first of all takes what later ones find there, whatever runs it

    hardly_more(cost_of_a_tick(MANY), cost_of_a_tick(FEW))


def test_a_step_late_in_a_long_run_is_folded_at_the_cost_of_one_in_a_short_run() -> None:
    hardly_more(cost_of_a_step(20_000), cost_of_a_step(2000))


@pytest.mark.parametrize("kept", ["in memory", "in a file"])
def test_an_event_is_appended_to_many_at_the_cost_of_one_to_few(kept: str, tmp_path: Path) -> None:
    def journal(name: str) -> Journal:
        return MemoryJournal() if kept == "in memory" else SqliteJournal(tmp_path / name)

    hardly_more(cost_of_an_append(journal("many"), 600), cost_of_an_append(journal("few"), 30))


def test_the_order_of_a_long_plan_is_worked_out_at_the_cost_of_a_short_one_for_each_step() -> None:
    def lines(hosts: int) -> float:
        plan = plan_over(hosts)
        return cost_of(lambda: Order.of(plan), times=1).lines

    assert lines(MANY) / MANY < 1.3 * lines(FEW) / FEW


def test_a_run_of_a_plan_whose_hosts_overlap_is_completed() -> None:
    execution, now = execution_of(plan_over(FEW)), 1.0
    while not execution.rests(Epoch(now)):
        execution.tick(Epoch(now))
        now += 1

    assert len(execution.run.passed) == 6 * FEW
    assert execution.run.closed
