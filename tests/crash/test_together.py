"""Stacks that users make while every engine is replaced: none is lost, and whatever dies, requests flow."""

from __future__ import annotations

from dataclasses import replace

from tests.crash.worlds import Snapshots, deeds, shape, thawed
from tests.planning.test_together import CATALOG, SHAPE, planned, site

from skylift.actions.parking import LEASE_S
from skylift.catalog.component import Jump, Rolling
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.operate import Asked, retry
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, Digest, HostName
from skylift.model.work import InHand
from skylift.planning.plan import Plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fake_stacks import HEAT, HEAT_ENGINE, STACK_S
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner

CLOUD, RECORD = site()
CTL2 = HostName("ctl2")
DEAD_FOR_S = 5


def of_engines(plan: Plan) -> Plan:
    """The part of a plan that upgrades the engines."""
    own = tuple(step for step in plan.steps if step.id.startswith(f"{HEAT_ENGINE}:"))
    ids = {step.id for step in own}
    return replace(plan, steps=own, edges=tuple(e for e in plan.edges if {e.before, e.after} <= ids))


PLAN = of_engines(planned(CLOUD, RECORD))


def one_after_another() -> Plan:
    """As if somebody said that both releases of an engine may live at once."""
    known = CATALOG.components[HEAT]
    rolling = Rolling(jumps=(Jump(SHAPE.source, SHAPE.goal, "a test says so"),))
    catalog = replace(CATALOG, components={**CATALOG.components, HEAT: replace(known, rolling=rolling)})
    digest = Digest("sha256:" + "a" * 64)
    return of_engines(plan_upgrade(CLOUD, RECORD, Upgrade(SHAPE.goal), catalog, record_digest=digest))


def cloud(*, every_s: int = STACK_S + 2) -> FakeCloud:
    here = FakeCloud(RECORD)
    here.stage(SHAPE.goal)
    here.stacks.every_s = every_s
    here.pass_time(every_s + 1)
    return here


def run(here: FakeCloud, plan: Plan) -> Run:
    return Runner(cloud=here, journal=MemoryJournal()).run(plan)


def settled(here: FakeCloud) -> FakeCloud:
    """Some time later, when nothing that was begun is left."""
    here.stacks.every_s = 0
    here.pass_time(2 * here.stacks.takes_s)
    return here


def held_for(here: FakeCloud) -> int:
    """For how long still any balancer holds requests."""
    return max(left for p in here.traffic.parking.values() for left in p.left(here.now).values())


def test_no_stack_is_lost_while_every_engine_is_replaced() -> None:
    here = cloud()

    ended = run(here, PLAN)
    here.pass_time(here.stacks.every_s)

    stacks = settled(here).stacks
    assert ended.standing is Standing.COMPLETED
    assert len({stack.begun_by for stack in stacks.all}) == 2
    assert stacks.lost == []
    assert here.failed == []
    assert held_for(here) == 0


def test_one_engine_after_another_loses_stacks() -> None:
    """So the test before this one can fail."""
    here = cloud()

    run(here, one_after_another())

    assert settled(here).stacks.lost


def test_whatever_dies_meanwhile_the_run_ends_alike_and_no_stack_is_lost() -> None:
    expected, journal = cloud(), MemoryJournal()
    snapshots = Snapshots((expected, journal))
    ports = fused(ports_of(expected), snapshots)
    Runner(cloud=expected, journal=FusedJournal(journal, snapshots), ports=ports).run(PLAN)

    for frozen, where in snapshots.worlds.items():
        survivor, journal = thawed(frozen)
        survivor.pass_time(DEAD_FOR_S)
        ended = Runner(cloud=survivor, journal=journal).run(PLAN)

        assert ended.standing is Standing.COMPLETED, where
        assert shape(survivor) == shape(expected), where
        assert deeds(survivor) == deeds(expected), where
        assert settled(survivor).stacks.lost == [], where
        assert survivor.failed == [], where
        assert held_for(survivor) == 0, where
    assert {"balancer.park", "balancer.unpark", "database.work"} <= set(snapshots.touched)
    assert len(snapshots.worlds) > 20


def test_what_began_while_the_process_was_dead_is_waited_for_before_any_engine_stops() -> None:
    """Nobody held requests by then, so what was seen before the death says nothing any more."""
    world, journal = cloud(every_s=14), MemoryJournal()
    world.stacks.takes_s = 9
    snapshots = Snapshots((world, journal))
    ports = fused(ports_of(world), snapshots)
    Runner(cloud=world, journal=FusedJournal(journal, snapshots), ports=ports).run(PLAN)
    still = next(step.id for step in PLAN.steps if step.id.endswith(":still"))
    worlds = 0

    for frozen, where in snapshots.worlds.items():
        events = thawed(frozen)[1].events()
        run = fold(events) if events else None
        if run is None or still not in run.within(Phase.DONE) or any(":stop@" in step for step in run.steps):
            continue
        worlds += 1
        for dead_for_s in range(LEASE_S, LEASE_S + world.stacks.every_s):
            survivor, journal = thawed(frozen)
            survivor.pass_time(dead_for_s)
            ended = Runner(cloud=survivor, journal=journal).run(PLAN)

            assert ended.standing is Standing.COMPLETED, (where, dead_for_s)
            assert settled(survivor).stacks.lost == [], (where, dead_for_s)
    assert worlds


def test_what_began_since_a_host_went_away_is_waited_for_before_its_engine_stops() -> None:
    """The parking ends while the host is away, and users ask (found by a simulated run: seed 7890)."""
    here, journal = cloud(every_s=0), MemoryJournal()
    still = next(step.id for step in PLAN.steps if step.id.endswith(":still"))

    def goes_away(now: Run, _left: object) -> None:
        if still in now.within(Phase.DONE) and not here.stacks.every_s:
            here.reboot(CTL2)
            here.stacks.every_s = 2

    ended = Runner(cloud=here, journal=journal, view=goes_away).run(PLAN)
    here.pass_time(here.stacks.every_s)

    stacks = settled(here).stacks
    assert ended.standing is Standing.COMPLETED
    assert len({stack.begun_by for stack in stacks.all}) == 2
    assert stacks.lost == []
    assert held_for(here) == 0


def test_what_does_not_end_while_users_wait_stops_no_engine_and_keeps_nobody_waiting() -> None:
    here, journal = cloud(every_s=0), MemoryJournal()
    runner = Runner(cloud=here, journal=journal)
    slow = InHand(ComponentName(HEAT), "heat", "stack", "CREATE_IN_PROGRESS", 1, ())

    def begins(*_: object) -> None:
        """Just when requests begin to wait."""
        if held_for(here) and not here.in_hand:
            here.in_hand.append(slow)

    halted = replace(runner, view=begins).run(PLAN)
    here.pass_time(LEASE_S)
    left, done = held_for(here), deeds(here)
    here.in_hand.clear()
    retry(journal, Asked("rey", here.now))
    after = runner.go_on(PLAN)

    assert halted.standing is Standing.HALTED
    assert left == 0
    assert not [what for _, what in done if "stop" in what]
    assert after.standing is Standing.COMPLETED
    assert here.failed == []
