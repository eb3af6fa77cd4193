"""A run over network hosts of a fake cloud, driven to rest by hand: as often as its process dies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.app.maintained import QUICK, SiteOf, site_of

from skylift.app.host_turns import turns_of, whole_within
from skylift.app.propose_fleet import propose_maintenance
from skylift.engine.drive import Surroundings
from skylift.engine.fleet_drive import drive_fleet
from skylift.engine.fleet_run import FleetExecution, FleetLimits
from skylift.engine.fold import Phase, Run, fold
from skylift.engine.host_turn import HostTurn
from skylift.engine.journal import Journal
from skylift.engine.live_fleet import LiveFleet
from skylift.engine.operate import Asked, abort, open_run, resume
from skylift.engine.watched_moves import asked_before
from skylift.fleet.conductor import Conductor, Pace
from skylift.fleet.mandate import Mandate, Purpose, digest_of_mandate
from skylift.model.ids import HostName, RunId, Seconds
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud

RUN = RunId("r")
LONGEST_S = 600
Turns = Mapping[HostName, HostTurn]


def scene(folder: Path) -> SiteOf:
    """Three network hosts, with what is on one alone and on another, too."""
    made = site_of(folder, computes=1, networks=3)
    neutron = made.cloud.neutron
    for n in (1, 2):
        neutron.router(f"r{n}", f"net{n}")
        neutron.network(f"n{n}", f"net{n}")
    neutron.router("ha", "net1", "net2", ha=True)
    made.cloud.pass_time(3)
    return made


def mandate_of(at: SiteOf, *hosts: HostName) -> Mandate:
    mandate = propose_maintenance(at.site, Purpose.REBOOT, hosts, frontier=False).mandate
    assert mandate is not None
    return mandate


def run_of(
    at: SiteOf,
    mandate: Mandate,
    cloud: FakeCloud,
    journal: Journal,
    *,
    ports: Ports,
    gives_up: bool = False,
    execution: type[FleetExecution] = FleetExecution,
    turns: Callable[[Turns], Turns] = lambda turns: turns,
) -> Run:
    """Begin the run, or go on with it, or give it up, and drive it to rest."""
    asked = Asked("rey@desk", cloud.now)
    if gives_up:
        abort(journal, asked, reason="not tonight", leave=False)
    elif journal.events():
        resume(journal, asked)
    else:
        open_run(journal, RUN, cloud="whole", plan=digest_of_mandate(mandate), approved=(), asked=asked)
    own = turns(turns_of(at.site.record, at.site.catalog, mandate, (RUN,)))
    live = LiveFleet(ports, own, labels=(RUN,), of=QUICK)
    events = journal.events()
    asked_for = asked_before(events, fold(events).opened_ms)
    conductor = Conductor(live.open(cloud.now), mandate.policy, Pace(settle_s=QUICK.settle), asked_for)
    limits = FleetLimits(
        maintenance=replace(QUICK, failures=0),
        command=Seconds(60),
        whole=whole_within(at.site.record),
        idle=Seconds(60),
    )
    of = execution(journal, ports, own, conductor=conductor, cloud=live, limits=limits)
    began = cloud.now

    def wait() -> None:
        cloud.pass_time(1)
        assert cloud.now - began < LONGEST_S, f"no rest: {of.left}, {of.run.within(Phase.RUNNING)}"

    around = Surroundings(clock=lambda: cloud.now, pause=wait)
    return drive_fleet(of, around, every=Seconds(1))
