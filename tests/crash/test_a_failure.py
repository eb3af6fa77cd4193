"""A step fails, is repaired and retried; whoever dies before, between or after, the run ends alike."""

from __future__ import annotations

from tests.crash.worlds import Snapshots, deeds, shape, thawed

from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.journal import Journal
from skylift.engine.operate import Asked, retry
from skylift.model.ids import ComponentName
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner, planned
from skylift.testing.samples import R2024_1, artifact_name, sample_record

RECORD = sample_record(controllers=2, components=(ComponentName("keystone"),))
PLAN = planned(RECORD)
NEW = RECORD.artifacts[artifact_name(R2024_1)]

World = tuple[FakeCloud, MemoryJournal]


def broken() -> World:
    """The new artifact cannot run until somebody repairs it."""
    here = FakeCloud(RECORD)
    here.broken.add(NEW.path)
    return here, MemoryJournal()


def repaired(world: World, snapshots: Snapshots | None = None) -> Run:
    """Run until it is closed; whenever a step has failed, repair the artifact and retry."""
    here, kept = world
    journal: Journal = FusedJournal(kept, snapshots) if snapshots else kept
    ports = fused(ports_of(here), snapshots) if snapshots else ports_of(here)
    runner = Runner(cloud=here, journal=journal, ports=ports)
    run = runner.run(PLAN)
    while run.closed is None:
        if run.within(Phase.FAILED):
            here.broken.clear()
            retry(journal, Asked("rey@console", here.now))
            run = runner.go_on(PLAN)
        else:
            run = runner.run(PLAN)
    return run


def undisturbed() -> tuple[World, Snapshots]:
    """The end of it, and every world there was on the way."""
    world = broken()
    snapshots = Snapshots(world)
    repaired(world, snapshots)
    return world, snapshots


def test_a_failed_step_that_is_retried_ends_alike_whoever_dies() -> None:
    expected, snapshots = undisturbed()

    for frozen, where in snapshots.worlds.items():
        world: World = thawed(frozen)
        world[0].pass_time(7)
        run = repaired(world)

        assert run.standing is Standing.COMPLETED, where
        assert shape(world[0]) == shape(expected[0]), where
        assert deeds(world[0]) == deeds(expected[0]), where
        assert world[0].failed == [], where
    assert {"journal step-failed", "journal step-retried", "journal run-resumed"} <= set(snapshots.touched)
