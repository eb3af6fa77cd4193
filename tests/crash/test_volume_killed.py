"""A run over volume hosts whose process dies anywhere closes none for good, and never both of two."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.app.maintained import CMP, SiteOf
from tests.app.network_run import mandate_of, run_of
from tests.app.volume_run import VOL, VOLUME, row_of, volumes_of
from tests.crash.test_network_killed import DEAD_S, EVERY
from tests.crash.worlds import Snapshots, thawed

from skylift.engine.fold import Standing, fold
from skylift.fleet.mandate import Mandate
from skylift.model.ids import HostName, StepId
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal


@pytest.fixture(params=[False, True])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> SiteOf:
    """Two hosts that stand in for each other: of their own, or compute hosts."""
    return volumes_of(tmp_path, on_computes=request.param)


def hosts_of(at: SiteOf) -> list[HostName]:
    return VOL if VOL[0] in at.cloud.hosts else CMP[:2]


def worlds_of(at: SiteOf, mandate: Mandate) -> list[tuple[bytes, str]]:
    here, journal = at.cloud, MemoryJournal()
    snapshots = Snapshots((here, journal))
    run = run_of(at, mandate, here, FusedJournal(journal, snapshots), ports=fused(ports_of(here), snapshots))
    assert run.standing is Standing.COMPLETED
    assert not here.roster.closed
    assert len(snapshots.worlds) > 50
    return snapshots.chosen(every=EVERY)


def is_one_open(at: SiteOf, cloud: FakeCloud) -> bool:
    return any(row_of(SiteOf(cloud, at.site), VOLUME, host).enabled for host in hosts_of(at))


def test_volume_hosts_killed_anywhere_are_gone_on_with_as_if_nothing_had_been(at: SiteOf) -> None:
    hosts = hosts_of(at)
    mandate = mandate_of(at, *hosts)

    for frozen, where in worlds_of(at, mandate):
        survivor, kept = thawed(frozen)
        survivor.pass_time(DEAD_S)
        again = run_of(at, mandate, survivor, kept, ports=ports_of(survivor))

        assert again.standing is Standing.COMPLETED, where
        assert is_one_open(at, survivor), where
        assert [survivor.hosts[host].boots for host in hosts] == [2, 2], where
        reboots = Counter(d.host for d in survivor.deeds if d.what.startswith("sh -c"))
        assert reboots == dict.fromkeys(hosts, 1), where
        assert not survivor.roster.closed, where


def test_killed_and_given_up_none_stays_closed_and_no_other_is_begun(at: SiteOf) -> None:
    hosts = hosts_of(at)
    mandate = mandate_of(at, *hosts)

    for frozen, where in worlds_of(at, mandate):
        survivor, kept = thawed(frozen)
        if not kept.events():
            continue
        begun = {h for h in hosts if StepId(f"reboot@{h}") in fold(kept.events()).steps}
        survivor.pass_time(DEAD_S)
        again = run_of(at, mandate, survivor, kept, ports=ports_of(survivor), gives_up=True)

        assert again.standing is Standing.ABORTED, where
        assert {h for h in hosts if survivor.hosts[h].boots > 1} == begun, where
        assert not survivor.roster.closed, where
