"""A run over storage hosts whose process dies anywhere leaves no flag behind, and never two hosts down."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.app.maintained import SiteOf, site_of
from tests.app.network_run import run_of
from tests.crash.test_network_killed import DEAD_S, EVERY
from tests.crash.worlds import Snapshots, thawed

from skylift.app.propose_fleet import propose_maintenance
from skylift.engine.fold import Standing, fold
from skylift.engine.guards import pairs_of
from skylift.fleet.mandate import Mandate, Purpose
from skylift.model.ids import HostName, StepId
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal

HOSTS = [HostName("cmp1"), HostName("sto1")]
"""What is rebooted: a compute host with an OSD and a monitor, and one that has nothing else."""


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    return scene(tmp_path)


def scene(folder: Path) -> SiteOf:
    """Three hosts with an OSD and a monitor each, of which one is a compute host with an instance."""
    made = site_of(folder, computes=2, storage=2)
    for number, host in enumerate(("cmp1", "sto1", "sto2")):
        made.cloud.ceph.add(host, number, monitor=True)
    made.cloud.ceph.groups = {"1.0": (0, 1, 2), "1.1": (2, 1, 0)}
    made.cloud.nova.boot("vm", "cmp1")
    return made


def mandate_of(at: SiteOf) -> Mandate:
    mandate = propose_maintenance(at.site, Purpose.REBOOT, tuple(HOSTS), frontier=False).mandate
    assert mandate is not None
    return mandate


def is_whole(cloud: FakeCloud, where: str) -> None:
    ceph = cloud.ceph
    assert not ceph.kept_in, where
    assert not ceph.stalled_s, f"{where}: something could not be written"
    assert not ceph.headless_s, f"{where}: there was no quorum"
    assert not ceph.taken_out, f"{where}: data moved"
    cloud.pass_time(60)
    assert not ceph.seen().lacking, where
    assert not cloud.roster.closed, where


def worlds_of(at: SiteOf, mandate: Mandate) -> list[tuple[bytes, str]]:
    here, journal = at.cloud, MemoryJournal()
    snapshots = Snapshots((here, journal))
    ports = fused(ports_of(here), snapshots)
    run = run_of(at, mandate, here, FusedJournal(journal, snapshots), ports=ports)
    assert run.standing is Standing.COMPLETED
    is_whole(here, "undisturbed")
    assert len(snapshots.worlds) > 50
    return snapshots.chosen(every=EVERY)


def test_storage_hosts_killed_anywhere_are_gone_on_with_as_if_nothing_had_been(at: SiteOf) -> None:
    mandate = mandate_of(at)

    for frozen, where in worlds_of(at, mandate):
        survivor, kept = thawed(frozen)
        survivor.pass_time(DEAD_S)
        again = run_of(at, mandate, survivor, kept, ports=ports_of(survivor))

        assert again.standing is Standing.COMPLETED, where
        assert not any(pair.is_owed(again) for pair in pairs_of(again)), where
        assert [survivor.hosts[host].boots for host in HOSTS] == [2, 2], where
        reboots = Counter(d.host for d in survivor.deeds if d.what.startswith("sh -c"))
        assert reboots == dict.fromkeys(HOSTS, 1), where
        is_whole(survivor, where)


def test_killed_and_given_up_it_leaves_no_flag_and_begins_no_other_host(at: SiteOf) -> None:
    mandate = mandate_of(at)

    for frozen, where in worlds_of(at, mandate):
        survivor, kept = thawed(frozen)
        if not kept.events():
            continue
        begun = {h for h in HOSTS if StepId(f"reboot@{h}") in fold(kept.events()).steps}
        survivor.pass_time(DEAD_S)
        again = run_of(at, mandate, survivor, kept, ports=ports_of(survivor), gives_up=True)

        assert again.standing is Standing.ABORTED, where
        assert {h for h in HOSTS if survivor.hosts[h].boots > 1} == begun, where
        is_whole(survivor, where)
