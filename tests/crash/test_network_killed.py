"""A run over network hosts whose process dies anywhere leaves no router without an agent, and none closed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.app.maintained import QUICK, SiteOf, site_of
from tests.crash.worlds import Snapshots, thawed

from skylift.app.host_turns import turns_of
from skylift.app.propose_fleet import propose_maintenance
from skylift.engine.drive import Surroundings
from skylift.engine.fleet_drive import drive_fleet
from skylift.engine.fleet_run import FleetExecution, FleetLimits
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.journal import Journal
from skylift.engine.live_fleet import LiveFleet
from skylift.engine.operate import Asked, abort, open_run, resume
from skylift.engine.watched_moves import asked_before
from skylift.fleet.conductor import Conductor, Pace
from skylift.fleet.mandate import Mandate, Purpose, digest_of_mandate
from skylift.model.ids import HostName, RunId, Seconds, StepId
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal

RUN = RunId("r")
NET = [HostName("net1")]
LONGEST_S = 600
EVERY = 12
"""Of the worlds that only looks lie between, one in so many is tried."""
DEAD_S = 7
"""For how long nobody works on the cloud, once the process is gone."""


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    return scene(tmp_path)


def scene(folder: Path) -> SiteOf:
    """Three network hosts, of which one is rebooted, with what is on it alone and on another, too."""
    made = site_of(folder, computes=1, networks=3)
    neutron = made.cloud.neutron
    for n in (1, 2):
        neutron.router(f"r{n}", f"net{n}")
        neutron.network(f"n{n}", f"net{n}")
    neutron.router("ha", "net1", "net2", ha=True)
    made.cloud.pass_time(3)
    return made


def mandate_of(at: SiteOf) -> Mandate:
    mandate = propose_maintenance(at.site, Purpose.REBOOT, tuple(NET), frontier=False).mandate
    assert mandate is not None
    return mandate


def run_of(
    at: SiteOf, mandate: Mandate, cloud: FakeCloud, journal: Journal, *, ports: Ports, gives_up: bool = False
) -> Run:
    """Begin the run, or go on with it, or give it up, and drive it to rest."""
    asked = Asked("rey@desk", cloud.now)
    if gives_up:
        abort(journal, asked, reason="not tonight", leave=False)
    elif journal.events():
        resume(journal, asked)
    else:
        open_run(journal, RUN, cloud="whole", plan=digest_of_mandate(mandate), approved=(), asked=asked)
    turns = turns_of(at.site, mandate, (RUN,))
    live = LiveFleet(ports, turns, labels=(RUN,), of=QUICK)
    events = journal.events()
    asked_for = asked_before(events, fold(events).opened_ms)
    conductor = Conductor(live.open(cloud.now), mandate.policy, Pace(settle_s=QUICK.settle), asked_for)
    limits = FleetLimits(maintenance=QUICK, command=Seconds(60))
    execution = FleetExecution(journal, ports, turns, conductor=conductor, cloud=live, limits=limits)
    began = cloud.now

    def wait() -> None:
        cloud.pass_time(1)
        assert cloud.now - began < LONGEST_S, (
            f"no rest: {execution.left}, {execution.run.within(Phase.RUNNING)}"
        )

    around = Surroundings(clock=lambda: cloud.now, pause=wait)
    return drive_fleet(execution, around, every=Seconds(1))


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
    ports = fused(ports_of(here), snapshots)
    run = run_of(at, mandate, here, FusedJournal(journal, snapshots), ports=ports)
    assert run.standing is Standing.COMPLETED
    is_whole(here, "undisturbed")
    assert len(snapshots.worlds) > 50
    return snapshots.chosen(every=EVERY)


@pytest.mark.timeout(900)
def test_network_hosts_killed_anywhere_are_gone_on_with_as_if_nothing_had_been(at: SiteOf) -> None:
    mandate = mandate_of(at)

    for frozen, where in worlds_of(at, mandate):
        survivor, kept = thawed(frozen)
        survivor.pass_time(DEAD_S)
        again = run_of(at, mandate, survivor, kept, ports=ports_of(survivor))

        assert again.standing is Standing.COMPLETED, where
        assert [survivor.hosts[host].boots for host in NET] == [2], where
        jobs = Counter(d.what for d in survivor.deeds if d.host in NET)
        assert set(jobs.values()) == {1}, where
        is_whole(survivor, where)


@pytest.mark.timeout(900)
def test_killed_and_given_up_it_leaves_no_router_astray_and_no_agent_closed(at: SiteOf) -> None:
    mandate = mandate_of(at)

    for frozen, where in worlds_of(at, mandate):
        survivor, kept = thawed(frozen)
        begun = fold(kept.events()).steps if kept.events() else {}
        if not begun or StepId("reboot@net1") in begun:
            continue
        survivor.pass_time(DEAD_S)
        again = run_of(at, mandate, survivor, kept, ports=ports_of(survivor), gives_up=True)

        assert again.standing is Standing.ABORTED, where
        assert survivor.hosts[NET[0]].boots == 1, where
        is_whole(survivor, where)
