"""Servers that users boot while every nova-compute is upgraded: none is lost, whatever dies meanwhile."""

from __future__ import annotations

from dataclasses import replace

from tests.crash.worlds import Snapshots, deeds, shape, thawed
from tests.roster.shown import CATALOG, GOAL, cloud_and_record

from skylift.engine.fold import Run, Standing, fold
from skylift.engine.operate import Asked, retry
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, HostName, Seconds, StepId
from skylift.planning.plan import Plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.fake_builds import BUILD_S, NOVA_COMPUTE
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner

CLOUD, RECORD = cloud_and_record()
PLAN = plan_upgrade(CLOUD, RECORD, Upgrade(GOAL), CATALOG, record_digest=Digest("sha256:" + "a" * 64))
CMP1 = HostName("cmp1")
DEAD_FOR_S = 7


def of_compute(*without: str) -> Plan:
    """The part of the plan that upgrades nova-compute, without steps of these verbs."""
    own = [step for step in PLAN.steps if step.id.startswith("nova-compute:")]
    ids = {step.id for step in own}
    pairs = {(edge.before, edge.after) for edge in PLAN.edges if {edge.before, edge.after} <= ids}
    for gone in (step.id for step in own if verb(step.id) in without):
        through = {(a, b) for a, here in pairs for there, b in pairs if here == there == gone}
        pairs = {pair for pair in pairs | through if gone not in pair}
    steps = tuple(step for step in own if verb(step.id) not in without)
    like = PLAN.edges[0]
    return replace(PLAN, steps=steps, edges=tuple(replace(like, before=a, after=b) for a, b in sorted(pairs)))


def verb(step: str) -> str:
    return step.partition(":")[2].partition("@")[0]


def cloud(*, every_s: int = 3) -> FakeCloud:
    here = FakeCloud(RECORD)
    here.stage(GOAL)
    here.builds.every_s = every_s
    here.pass_time(BUILD_S)
    return here


def run(here: FakeCloud, plan: Plan) -> Run:
    return Runner(cloud=here, journal=MemoryJournal()).run(plan)


def settled(here: FakeCloud) -> FakeCloud:
    """Some time later, when nothing that was begun is left."""
    here.builds.every_s = 0
    here.pass_time(3 * BUILD_S)
    return here


def test_no_server_is_lost_while_its_host_is_upgraded() -> None:
    here = cloud()

    ended = run(here, of_compute())

    builds = settled(here).builds
    assert ended.standing is Standing.COMPLETED
    assert len(builds.all) > 15
    assert (builds.lost, builds.unplaced) == ([], 0)
    assert len(builds.built) == len(builds.all)
    assert here.roster.closed == {}


def test_a_plain_restart_of_each_host_loses_servers() -> None:
    """So the test before this one can fail."""
    here = cloud()

    run(here, of_compute("close", "idle", "open"))

    assert len(settled(here).builds.lost) >= 2


def test_whatever_dies_while_hosts_are_closed_the_run_ends_alike_and_none_stays_closed() -> None:
    plan, expected, journal = of_compute(), cloud(every_s=5), MemoryJournal()
    snapshots = Snapshots((expected, journal))
    ports = fused(ports_of(expected), snapshots)
    Runner(cloud=expected, journal=FusedJournal(journal, snapshots), ports=ports).run(plan)

    for frozen, where in snapshots.worlds.items():
        survivor, journal = thawed(frozen)
        survivor.pass_time(DEAD_FOR_S)
        ended = Runner(cloud=survivor, journal=journal).run(plan)

        assert ended.standing is Standing.COMPLETED, where
        assert shape(survivor) == shape(expected), where
        assert deeds(survivor) == deeds(expected), where
        assert survivor.roster.closed == {}, where
        assert settled(survivor).builds.lost == [], where
    assert {"intake.close", "intake.open", "database.work_of"} <= set(snapshots.touched)
    assert len(snapshots.worlds) > 20


def test_answers_that_are_lost_close_and_open_nothing_twice() -> None:
    here = cloud()
    here.lose_answer("intake.close", 2)
    here.lose_answer("intake.open", 2)

    ended = run(here, of_compute())

    assert ended.standing is Standing.COMPLETED
    assert settled(here).builds.lost == []
    assert here.roster.closed == {}


def test_work_that_does_not_end_in_time_fails_the_step_with_ways_out_and_a_retry_goes_on() -> None:
    here, journal = cloud(every_s=0), MemoryJournal()
    stuck = here.builds.ask(CMP1)
    here.pass_time(5)
    stuck.ends_at = here.now + 5000
    plan = of_compute()
    steps = tuple(replace(s, deadline=Seconds(60)) if verb(s.id) == "idle" else s for s in plan.steps)
    runner = Runner(cloud=here, journal=journal)

    failed = runner.run(replace(plan, steps=steps))
    problem = failed.steps[StepId("nova-compute:idle@cmp1")].problem
    running = here.hosts[CMP1].units[RECORD.services[NOVA_COMPUTE].unit].running
    stuck.ends_at = here.now
    retry(journal, Asked("rey@console", here.now), None)
    runner.go_on(replace(plan, steps=steps))

    assert problem is not None
    assert problem.code == "step.deadline"
    assert "in hand: 1 of kind server spawning" in problem.sentence
    assert any("openstack compute service set --enable cmp1 nova-compute" in r.how for r in problem.remedies)
    assert str(running).endswith("2024.1")
    assert fold(journal.events()).standing is Standing.COMPLETED
