"""A run over a fleet whose process dies anywhere ends like one that did not: nothing twice, nothing left."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import QUICK, SiteOf, site_of
from tests.crash.worlds import Snapshots, thawed

from skylift.app.host_turns import turns_of
from skylift.app.maintain import settling_of
from skylift.app.propose_fleet import propose_maintenance
from skylift.engine.drive import Surroundings
from skylift.engine.fleet_drive import drive_fleet
from skylift.engine.fleet_run import FleetExecution, FleetLimits
from skylift.engine.fold import Run, Standing, fold
from skylift.engine.guards import pairs_of
from skylift.engine.journal import Journal, MovesAsked
from skylift.engine.live_fleet import LiveFleet
from skylift.engine.operate import Asked, open_run, resume
from skylift.engine.watched_moves import asked_before
from skylift.fleet.conductor import Conductor, Pace
from skylift.fleet.mandate import Mandate, Purpose, digest_of_mandate
from skylift.fleet.plan import Kind
from skylift.model.automation import AutomationEntry
from skylift.model.ids import HostName, RunId, Seconds
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fake_work import AUTOMATION
from skylift.testing.fuse import Fuse, FusedJournal, Killed, fused
from skylift.testing.memory_journal import MemoryJournal

RUN = RunId("r")
CMP = [HostName(f"cmp{n}") for n in range(1, 4)]
EVERY = 12
"""Of the worlds that no durable boundary leads to or from, one in so many is tried."""
BESIDE = replace(
    QUICK,
    automation={
        "masakari": AutomationEntry(
            HostName("ctl1"),
            *((AUTOMATION, verb, "masakari") for verb in ("paused", "pause", "give-back")),
        )
    },
)


OWN = {"cold": ("maintenance=cold",), "stays": ("maintenance=stop",), "long": ()}
"""Instances that do not simply go live: as their owners wish, or as the second time must be tried."""


def scene(folder: Path) -> SiteOf:
    """Three compute hosts, with instances on two; and something that would work against a run."""
    made = site_of(folder, computes=3, maintenance=BESIDE)
    made.cloud.automation = {"masakari": False}
    for n, guest in itertools.product((1, 2), "ab"):
        made.cloud.nova.boot(f"vm{n}{guest}", f"cmp{n}")
    for name, tags in OWN.items():
        made.cloud.nova.boot(name, "cmp1", tags=tags, stuck=int(name == "long"))
    return made


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    return scene(tmp_path)


def mandate_of(at: SiteOf, afterwards: Kind | None = None) -> Mandate:
    mandate = propose_maintenance(at.site, Purpose.REBOOT, (), frontier=False, afterwards=afterwards).mandate
    assert mandate is not None
    return mandate


def run_of(at: SiteOf, mandate: Mandate, cloud: FakeCloud, journal: Journal, *, ports: Ports) -> Run:
    """Begin the run, or go on with it, and drive it to rest."""
    asked = Asked("rey@desk", cloud.now)
    if journal.events():
        resume(journal, asked)
    else:
        open_run(journal, RUN, cloud="whole", plan=digest_of_mandate(mandate), approved=(), asked=asked)
    turns = turns_of(at.site.record, at.site.catalog, mandate, (RUN,))
    live = LiveFleet(ports, turns, labels=(RUN,), of=BESIDE)
    events = journal.events()
    asked_for = asked_before(events, fold(events).opened_ms)
    fleet, pace = live.open(cloud.now), Pace(settle_s=QUICK.settle)
    conductor = Conductor(fleet, mandate.policy, pace, asked_for)
    conductor.settling = settling_of(mandate, fleet, pace, events)
    limits = FleetLimits(maintenance=BESIDE, command=Seconds(60))
    execution = FleetExecution(journal, ports, turns, conductor=conductor, cloud=live, limits=limits)
    around = Surroundings(clock=lambda: cloud.now, pause=lambda: cloud.pass_time(1))
    return drive_fleet(execution, around, every=Seconds(1))


def is_as_it_should_be(cloud: FakeCloud, run: Run, journal: Journal, where: str) -> None:
    nova = cloud.nova
    asked = Counter(of.instance for e in journal.events() if isinstance(e, MovesAsked) for of in e.moves)
    begun = Counter(m.seen.instance for m in nova.moves.all)
    assert begun <= asked, f"{where}: what was begun was not written down before"
    jobs = Counter((d.host, d.what) for d in cloud.deeds if d.what.startswith("sh "))
    assert run.standing is Standing.COMPLETED, where
    assert {h: cloud.hosts[h].boots for h in CMP} == dict.fromkeys(CMP, 2), where
    assert set(jobs.values()) == {1}, where
    assert cloud.automation == {"masakari": False}, f"{where}: what was paused is not given back"
    assert not any(pair.is_owed(run) for pair in pairs_of(run)), where
    assert cloud.roster.closed == {}, where
    assert [s.id for s in nova.servers.values() if s.ours and not s.deleted] == [], where
    users = [s for s in nova.servers.values() if not s.ours]
    assert [s.boots for s in users if s.id not in OWN] == [1] * 4, where
    assert {s.vm_state for s in users} == {"active"}, where
    assert max(s.moves for s in users) == 1, where
    own = nova.servers
    assert (own["cold"].moves, own["cold"].boots) == (1, 2), f"{where}: it is stopped once, to be moved"
    assert (own["stays"].host, own["stays"].moves) == ("cmp1", 0), where
    assert (own["long"].moves, own["long"].boots, own["long"].stuck) == (1, 1, 0), where
    ends = {m.seen.status for m in nova.moves.all if m.seen.instance != "long"}
    assert ends == {"completed", "confirmed"}, where


def test_a_fleets_run_killed_anywhere_ends_like_one_that_was_not(at: SiteOf) -> None:
    """Issue 4, 2: what was begun is found again on the cloud; what was taken is given back."""
    mandate, here, journal = mandate_of(at), at.cloud, MemoryJournal()
    snapshots = Snapshots((here, journal))
    ports = fused(ports_of(here), snapshots)

    run = run_of(at, mandate, here, FusedJournal(journal, snapshots), ports=ports)

    is_as_it_should_be(here, run, journal, "undisturbed")
    chosen = snapshots.chosen(every=EVERY)
    assert len(chosen) > 100
    for frozen, where in chosen:
        survivor, kept = thawed(frozen)
        survivor.pass_time(7)
        again = run_of(at, mandate, survivor, kept, ports=ports_of(survivor))
        is_as_it_should_be(survivor, again, kept, str(where))


def test_one_that_is_killed_again_and_again_still_ends(at: SiteOf) -> None:
    mandate, here, journal = mandate_of(at), at.cloud, MemoryJournal()
    deaths = 0

    for notches in itertools.count(start=30, step=9):
        fuse = Fuse(notches)
        try:
            ports = fused(ports_of(here), fuse)
            run = run_of(at, mandate, here, FusedJournal(journal, fuse), ports=ports)
        except Killed:
            deaths += 1
            here.pass_time(2)
        else:
            is_as_it_should_be(here, run, journal, f"after {deaths} deaths")
            break

    assert deaths > 5
