"""A run over network hosts whose process dies anywhere leaves no router without an agent, and none closed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.app.maintained import SiteOf
from tests.app.network_run import RUN, mandate_of, run_of, scene
from tests.crash.worlds import Snapshots, thawed

from skylift.engine.fold import Standing, fold
from skylift.fleet.mandate import Mandate
from skylift.model.ids import HostName, StepId
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.watched_network import WatchedNetwork

NET = [HostName("net1")]
EVERY = 12
"""Of the worlds that only looks lie between, one in so many is tried."""
DEAD_S = 7
"""For how long nobody works on the cloud, once the process is gone."""


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Of its three network hosts, one is rebooted."""
    return scene(tmp_path)


def watch_over(cloud: FakeCloud, before: WatchedNetwork) -> WatchedNetwork:
    """The verifier's eyes on what was left by a death of the run that ``before`` saw begin."""
    return WatchedNetwork(cloud, RUN, NET, before=before.before)


def is_whole(cloud: FakeCloud, where: str) -> None:
    neutron = cloud.neutron
    cloud.pass_time(5)
    assert all(a.open and not a.description for a in neutron.agents.values()), where
    assert all(thing.on for thing in neutron.things.values()), f"{where}: something is on no agent"
    assert not {"n1", "n2"} & (+neutron.away).keys(), f"{where}: DHCP was missed"
    # A router may be nowhere while the process is dead, and then a moment for each time it moved.
    assert max(neutron.away.values()) <= DEAD_S + 20, where
    up = {name for host in cloud.hosts for name in neutron.on(host)}
    assert up == neutron.things.keys(), where


def worlds_of(at: SiteOf, mandate: Mandate) -> list[tuple[bytes, str]]:
    here, journal = at.cloud, MemoryJournal()
    snapshots = Snapshots((here, journal))
    eyes = WatchedNetwork(here, RUN, NET)
    ports = eyes.ports(fused(ports_of(here), snapshots))
    run = run_of(at, mandate, here, FusedJournal(journal, snapshots), ports=ports)
    assert run.standing is Standing.COMPLETED
    is_whole(here, "undisturbed")
    assert eyes.judged(journal.events()) == ()
    assert len(snapshots.worlds) > 50
    return snapshots.chosen(every=EVERY)


def test_network_hosts_killed_anywhere_are_gone_on_with_as_if_nothing_had_been(at: SiteOf) -> None:
    mandate, begun = mandate_of(at, *NET), WatchedNetwork(at.cloud, RUN, NET)
    begun.begin()

    for frozen, where in worlds_of(at, mandate):
        survivor, kept = thawed(frozen)
        survivor.pass_time(DEAD_S)
        eyes = watch_over(survivor, begun)
        again = run_of(at, mandate, survivor, kept, ports=eyes.ports(ports_of(survivor)))

        assert again.standing is Standing.COMPLETED, where
        assert [survivor.hosts[host].boots for host in NET] == [2], where
        jobs = Counter(d.what for d in survivor.deeds if d.host in NET)
        assert set(jobs.values()) == {1}, where
        is_whole(survivor, where)
        assert eyes.judged(kept.events()) == (), where


def test_killed_and_given_up_it_leaves_no_router_astray_and_no_agent_closed(at: SiteOf) -> None:
    mandate, begun = mandate_of(at, *NET), WatchedNetwork(at.cloud, RUN, NET)
    begun.begin()

    for frozen, where in worlds_of(at, mandate):
        survivor, kept = thawed(frozen)
        steps = fold(kept.events()).steps if kept.events() else {}
        if not steps or StepId("reboot@net1") in steps:
            continue
        survivor.pass_time(DEAD_S)
        eyes = watch_over(survivor, begun)
        ports = eyes.ports(ports_of(survivor))
        again = run_of(at, mandate, survivor, kept, ports=ports, gives_up=True)

        assert again.standing is Standing.ABORTED, where
        assert survivor.hosts[NET[0]].boots == 1, where
        is_whole(survivor, where)
        assert eyes.judged(kept.events()) == (), where
