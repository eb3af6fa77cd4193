"""The test that matters most: a process that dies anywhere changes nothing in how the run ends."""

from __future__ import annotations

import itertools

import pytest
from tests.crash.worlds import Snapshots, deeds, shape, thawed

from skylift.engine.fold import Standing, fold
from skylift.planning.plan import Plan
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import Fuse, FusedJournal, Killed, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner, planned
from skylift.testing.samples import sample_record

DEAD_FOR_S = 7
"""Virtual seconds until somebody resumes; users go on asking meanwhile."""


def cloud() -> FakeCloud:
    return FakeCloud(sample_record())


def undisturbed(plan: Plan) -> tuple[FakeCloud, Snapshots]:
    """The cloud after a run that nothing disturbed, and every world there was on the way."""
    here, journal = cloud(), MemoryJournal()
    snapshots = Snapshots((here, journal))
    ports = fused(ports_of(here), snapshots)

    Runner(cloud=here, journal=FusedJournal(journal, snapshots), ports=ports).run(plan)

    return here, snapshots


def test_an_upgrade_killed_anywhere_ends_like_one_that_was_not() -> None:
    """Issue 2, 3.3: die before each journal write and each port call, each in turn."""
    plan = planned(sample_record())
    expected, snapshots = undisturbed(plan)

    for frozen, where in snapshots.worlds.items():
        survivor, journal = thawed(frozen)
        survivor.pass_time(DEAD_FOR_S)
        run = Runner(cloud=survivor, journal=journal).run(plan)

        assert run.standing is Standing.COMPLETED, where
        assert shape(survivor) == shape(expected), where
        assert deeds(survivor) == deeds(expected), where
        assert max(deeds(survivor).values()) == 1, where
        assert survivor.failed == [], where
    assert len(snapshots.touched) > 700
    assert len(snapshots.worlds) > 250


@pytest.mark.parametrize("generation", range(2))
def test_a_run_killed_again_and_again_still_ends_like_one_that_was_not(generation: int) -> None:
    """Every death here is an exception no handler of ours catches, so the way out is exercised too."""
    plan = planned(sample_record())
    expected, _ = undisturbed(plan)
    here, journal = cloud(), MemoryJournal()
    deaths = 0

    for notches in itertools.count(start=20 + generation, step=7):
        fuse = Fuse(notches)
        try:
            ports = fused(ports_of(here), fuse)
            Runner(cloud=here, journal=FusedJournal(journal, fuse), ports=ports).run(plan)
        except Killed:
            deaths += 1
            here.pass_time(1)
        else:
            break

    assert deaths > 5
    assert fold(journal.events()).standing is Standing.COMPLETED
    assert shape(here) == shape(expected)
    assert deeds(here) == deeds(expected)
    assert here.failed == []


def test_the_fuse_reaches_every_kind_of_touch() -> None:
    _, snapshots = undisturbed(planned(sample_record()))

    kinds = set(snapshots.touched)

    assert {"journal run-opened", "journal step-started", "journal step-done", "journal run-closed"} <= kinds
    assert {"jobs.start", "services.stop", "services.point", "balancer.set_state"} <= kinds
    assert {"vantage.create_witnesses", "database.rows", "jobs.state", "services.unit"} <= kinds
