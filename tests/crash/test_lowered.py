"""Rows that are lowered on a way back: whatever dies meanwhile, each is lowered, and no other."""

from __future__ import annotations

from dataclasses import replace

from tests.crash.worlds import Snapshots, thawed
from tests.rollback.half_way import SHAPE, core
from tests.rollback.test_lower_version import CTL1, NEW, OLD, lowering

from skylift.engine.fold import Standing
from skylift.planning.plan import Plan
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner, plan_of, step_of

SERVICES = ("nova-conductor", "nova-super-conductor", "nova-api")
"""Of which one has its row in another database than the others."""


def cloud() -> FakeCloud:
    """A cloud that is new, and one of its controllers stopped."""
    here = core(("keystone", "placement", "nova"), replace(SHAPE, source=SHAPE.goal))
    for name in SERVICES:
        ports_of(here).services.stop(CTL1, lowering(here, name).unit)
    here.pass_time(2)
    return here


def plan() -> Plan:
    here = cloud()
    return plan_of([step_of(lowering(here, name), name=f"{name}:lower@ctl1") for name in SERVICES])


def versions(here: FakeCloud) -> dict[tuple[str, str], int | None]:
    return {(row.service, row.host): row.version for row in here.roster.every if row.service in SERVICES}


def test_whatever_dies_while_rows_are_lowered_each_is_lowered_and_no_other() -> None:
    lowered, here, journal = plan(), cloud(), MemoryJournal()
    snapshots = Snapshots((here, journal))
    ports = fused(ports_of(here), snapshots)
    Runner(cloud=here, journal=FusedJournal(journal, snapshots), ports=ports).run(lowered)

    for frozen, where in snapshots.worlds.items():
        survivor, journal = thawed(frozen)
        ended = Runner(cloud=survivor, journal=journal).run(lowered)

        assert ended.standing is Standing.COMPLETED, where
        assert versions(survivor) == versions(here), where
    assert set(versions(here).values()) == {OLD, NEW}
    assert all(version == (OLD if host == CTL1 else NEW) for (_, host), version in versions(here).items())
    assert snapshots.touched.count("database.lower_version") == len(SERVICES)
