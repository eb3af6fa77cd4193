"""What keeps users away from a service is seen again just before it is stopped; and one is always left.

Both were found by simulated runs with faults from seeds (issue 5, section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.crash import test_closed

from skylift.actions.backend_traffic import DrainBackend
from skylift.engine.decide import Order
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.operate import Asked, pause, retry, skip
from skylift.model.cloud import BackendState, UnitState
from skylift.model.ids import HostName, PoolName, Seconds, StepId, UnitName
from skylift.planning.plan import Plan, Step
from skylift.testing.fake_builds import BUILD_S
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_work import run_unit
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner, host_chain, plan_of, step_of
from skylift.testing.samples import (
    EXPANDED_2024_1,
    KEYSTONE,
    R2024_1,
    artifact_name,
    sample_record,
)

RECORD = sample_record(controllers=2, components=(KEYSTONE,))
NEW = RECORD.artifacts[artifact_name(R2024_1)]
CTL1, CTL2 = HostName("ctl1"), HostName("ctl2")
POOL, UNIT = PoolName("keystone"), UnitName("keystone-api.service")
CHAIN = tuple(step_of(action, deadline=30) for action in host_chain(RECORD, KEYSTONE, CTL1, NEW))
DRAIN, QUIET, STOP = (step.id for step in CHAIN[:3])
PLAN: Plan = plan_of(CHAIN, pairwise(CHAIN))


def cloud() -> FakeCloud:
    here = FakeCloud(RECORD)
    here.stage(R2024_1)
    here.rows["keystone"] = EXPANDED_2024_1[KEYSTONE]
    here.pass_time(5)
    return here


def forget(here: FakeCloud) -> None:
    """Every balancer is restarted, and users ask for a while."""
    for host in here.controllers:
        here.traffic.forget(host.name)
    here.pass_time(3)


def paused_for_a_while(here: FakeCloud, journal: MemoryJournal, run: Run) -> None:
    if QUIET in run.within(Phase.DONE) and STOP not in run.steps and run.pause is None:
        pause(journal, Asked("rey", here.now))


def out_of_reach_for_a_while(here: FakeCloud, _journal: MemoryJournal, run: Run) -> None:
    here.hosts[CTL1].reachable = QUIET not in run.steps or run.last_ms < here.now * 1000 - 20_000
    if not here.hosts[CTL1].reachable and STOP in run.within(Phase.RUNNING):
        forget(here)


Meanwhile = Callable[[FakeCloud, MemoryJournal, Run], None]


@pytest.mark.parametrize("meanwhile", [paused_for_a_while, out_of_reach_for_a_while])
def test_a_service_that_balancers_use_again_is_not_stopped_under_its_users(meanwhile: Meanwhile) -> None:
    """Balancers are restarted between the look that it was quiet and its stop."""
    here, journal = cloud(), MemoryJournal()
    runner = Runner(cloud=here, journal=journal, view=lambda run, _: meanwhile(here, journal, run))
    ended = runner.run(PLAN)
    if ended.pause:
        forget(here)
        ended = replace(runner, view=None).run(PLAN)

    assert ended.standing is Standing.COMPLETED
    assert str(here.hosts[CTL1].units[UNIT].running) == str(NEW.path)
    assert here.failed == []


def test_what_a_stop_relies_on_is_what_was_seen_of_its_own_host() -> None:
    order = Order.of(PLAN)

    assert {stop: tuple(s.id for s in on) for stop, on in order.relied_on.items()} == {STOP: (QUIET,)}


def test_a_host_that_somebody_opened_again_gets_its_builds_done_before_it_is_stopped() -> None:
    here, journal, plan = test_closed.cloud(every_s=0), MemoryJournal(), test_closed.of_compute()
    idle, asked = StepId("nova-compute:idle@cmp1"), list[str]()

    def opens(run: Run, _left: object) -> None:
        if idle in run.within(Phase.DONE) and not asked:
            here.roster.closed.clear()
            asked.append(here.builds.ask(test_closed.CMP1).id)
            here.pass_time(3)

    ended = Runner(cloud=here, journal=journal, view=opens).run(plan)
    here.pass_time(BUILD_S)

    assert ended.standing is Standing.COMPLETED
    assert asked
    assert here.builds.lost == []


def test_a_wait_that_an_operator_skipped_holds_no_stop_up() -> None:
    """Row 5: what depends on a skipped step goes on, because a person said that it may."""
    here, journal, plan = test_closed.cloud(every_s=0), MemoryJournal(), test_closed.of_compute()
    idle = StepId("nova-compute:idle@cmp1")
    here.builds.ask(test_closed.CMP1)
    here.pass_time(1)

    def never_ends(_run: Run, _left: object) -> None:
        for build in here.builds.all:
            build.ends_at = here.now + 100

    runner = Runner(cloud=here, journal=journal, view=never_ends)
    halted = runner.run(plan)
    skip(journal, Order.of(plan), Asked("rey", here.now), idle, reason="her owner knows of it")
    ended = runner.go_on(plan)

    assert halted.steps[idle].phase is Phase.FAILED
    assert ended.steps[StepId("nova-compute:stop@cmp1")].phase is Phase.DONE


def test_the_last_backend_in_use_is_not_drained_while_another_is_down_and_a_retry_goes_on() -> None:
    here, journal = cloud(), MemoryJournal()
    dead = here.hosts[CTL2].units[UNIT]
    dead.state, dead.running, dead.pid = UnitState.FAILED, None, None
    here.pass_time(5)
    runner = Runner(cloud=here, journal=journal)

    halted = runner.run(PLAN)
    problem = halted.steps[DRAIN].problem
    lost = list(here.failed)
    run_unit(here, here.hosts[CTL2], dead)
    here.pass_time(5)
    retry(journal, Asked("rey", here.now))
    runner.go_on(PLAN)

    assert halted.standing is Standing.HALTED
    assert problem is not None
    assert "it is the last one in use, for ctl2 is down in its pool" in problem.sentence
    assert lost == []
    assert fold(journal.events()).standing is Standing.COMPLETED
    assert here.failed == []


def drained(step: Step, here: FakeCloud) -> set[str]:
    run = Runner(cloud=here, journal=MemoryJournal()).run(plan_of((step,)))
    assert run.standing is Standing.COMPLETED
    return {b.server for b in here.traffic.views() if b.state is BackendState.DRAIN}


def test_a_pool_that_is_taken_out_as_a_whole_is_drained_to_its_last_backend() -> None:
    """Others that somebody drained do not bar it: the plan has announced that."""
    here = cloud()

    first = drained(step_of(DrainBackend(POOL, CTL1), deadline=Seconds(30)), here)
    both = drained(step_of(DrainBackend(POOL, CTL2), deadline=Seconds(30)), here)

    assert (first, both) == ({"ctl1"}, {"ctl1", "ctl2"})


def test_a_backend_that_is_down_itself_is_drained_though_all_others_are() -> None:
    """It takes nothing from anybody; so a pool that was stopped as a whole is drained again."""
    here = cloud()
    for host in (CTL1, CTL2):
        unit = here.hosts[host].units[UNIT]
        unit.state, unit.running, unit.pid = UnitState.FAILED, None, None
    here.pass_time(5)

    assert drained(step_of(DrainBackend(POOL, CTL1), deadline=Seconds(30)), here) == {"ctl1"}


def test_the_only_backend_of_a_pool_is_drained() -> None:
    here = FakeCloud(sample_record(controllers=1, components=(KEYSTONE,)))

    assert drained(step_of(DrainBackend(POOL, CTL1)), here) == {"ctl1"}
