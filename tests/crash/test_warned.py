"""A way back that its guard has something against all the while: whatever dies, it goes on to its end."""

from __future__ import annotations

from tests.crash.worlds import Snapshots, deeds, thawed
from tests.rollback.half_way import BACK, HalfWay, sample, state

from skylift.app.loss_budget import LossBudgetSpent
from skylift.engine.drive import Guard
from skylift.engine.fold import Run, Standing
from skylift.engine.journal import Journal, RunResumed, RunWarned
from skylift.model.ids import Epoch
from skylift.model.problem import Problem
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner
from skylift.testing.samples import KEYSTONE

NEW = "2024.1"


def half_way() -> HalfWay:
    """Keystone is new on its first host, and about to be on its second."""
    going = sample(components=(KEYSTONE,))
    going.run()
    return going.stopped_after(going.begun_before("keystone:start@ctl2"))


def hurt(cloud: FakeCloud) -> Guard:
    """Finds the loss budget spent as long as any unit runs new code."""

    def guard(_run: Run, _now: Epoch) -> Problem | None:
        units = (unit for host in cloud.hosts.values() for unit in host.units.values())
        lost = any(str(unit.running).endswith(NEW) for unit in units)
        return LossBudgetSpent("7 requests failed or were lost, and the policy allows 5") if lost else None

    return guard


def taking_back(cloud: FakeCloud, journal: Journal, ports: Ports | None = None) -> Runner:
    return Runner(cloud=cloud, journal=journal, ports=ports, id=BACK, guard=hurt(cloud))


def test_whatever_dies_it_is_back_never_paused_and_warned_once_for_each_word() -> None:
    scene, journal = half_way(), MemoryJournal()
    plan, cloud = scene.way_back(), scene.cloud
    snapshots = Snapshots((cloud, journal))
    ports = fused(ports_of(cloud), snapshots)
    taking_back(cloud, FusedJournal(journal, snapshots), ports).run(plan)
    cloud.pass_time(20)

    for frozen, where in snapshots.worlds.items():
        survivor, journal = thawed(frozen)
        survivor.pass_time(7)
        ended = taking_back(survivor, journal).run(plan)
        survivor.pass_time(20)
        events = journal.events()
        warned = sum(isinstance(event, RunWarned) for event in events)

        assert (ended.standing, ended.pause) == (Standing.COMPLETED, None), where
        assert state(survivor) == state(cloud), where
        assert deeds(survivor) == deeds(cloud), where
        assert warned <= 1 + sum(isinstance(event, RunResumed) for event in events), where
    assert snapshots.touched.count("journal run-warned") == 1
