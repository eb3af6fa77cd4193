"""A process that dies anywhere in a way back changes nothing in how that ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.crash.worlds import Snapshots, deeds, thawed
from tests.rollback.half_way import BACK, SHAPE, HalfWay, core, sample, state, upgrading

from skylift.engine.fold import Standing
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner
from skylift.testing.samples import GLANCE, KEYSTONE

DEAD_FOR_S = 7


def survive(half_way: HalfWay, *, every: int) -> tuple[int, set[str]]:
    """Take it back, die before each touch, and go on: how many worlds there were, and what was touched."""
    plan, cloud, journal = half_way.way_back(), half_way.cloud, MemoryJournal()
    snapshots = Snapshots((cloud, journal))
    ports = fused(ports_of(cloud), snapshots)

    ended = Runner(cloud=cloud, journal=FusedJournal(journal, snapshots), ports=ports, id=BACK).run(plan)

    assert ended.standing is Standing.COMPLETED
    cloud.pass_time(20)
    worlds = list(snapshots.worlds.items())[::every]
    for frozen, where in worlds:
        survivor, journal = thawed(frozen)
        survivor.pass_time(DEAD_FOR_S)
        again = Runner(cloud=survivor, journal=journal, id=BACK).run(plan)

        assert again.standing is Standing.COMPLETED, where
        survivor.pass_time(20)
        assert state(survivor) == state(cloud), where
        assert deeds(survivor) == deeds(cloud), where
        assert survivor.failed == [], where
    return len(worlds), set(snapshots.touched)


@pytest.mark.timeout(1800)
def test_a_way_back_killed_anywhere_ends_like_one_that_was_not() -> None:
    """Before each journal write and each port call, each in turn; half of a host's turn was done upwards."""
    going = sample(components=(KEYSTONE, GLANCE))
    going.run()
    half_way = going.stopped_after(going.begun_before("glance-api:start@ctl2"))

    worlds, _ = survive(half_way, every=1)

    assert worlds > 120


@pytest.mark.timeout(1800)
def test_a_way_back_of_nova_killed_at_many_places_leaves_nothing_closed_parked_or_half_lowered() -> None:
    """Nova alone of all has hosts closed, pools parked and rows lowered on its way back."""
    going = upgrading(core(("keystone", "placement", "nova"), replace(SHAPE, computes=2)), SHAPE.goal)
    going.run()

    worlds, touched = survive(going.stopped_after(going.before_the_end()), every=70)

    assert worlds > 8
    assert {"database.lower_version", "intake.close", "balancer.park"} <= touched
