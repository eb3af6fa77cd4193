"""A site with hosts that serve volumes, and what tests of runs over them look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.app.maintained import QUICK, SiteOf

from skylift.app.runs import Runs
from skylift.app.site import Site
from skylift.catalog.catalog import load
from skylift.model.ids import ComponentName, HostName, Seconds, ServiceName
from skylift.model.record import HostEntry, Policy, Timeouts
from skylift.model.roster import ServiceReport
from skylift.model.work import InHand
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.samples import R2024_1, R2025_1
from skylift.testing.whole_clouds import Shape, whole_cloud

VOL = [HostName(f"vol{n}") for n in (1, 2)]
VOLUME, BACKUP = ServiceName("cinder-volume"), ServiceName("cinder-backup")
CINDER = ComponentName("cinder")
COMPONENTS = ("keystone", "glance", "placement", "nova", "neutron", "cinder")
IDLE_S = 60


def volumes_of(folder: Path, *, hosts: int = 2, on_computes: bool = False) -> SiteOf:
    """A cloud with cinder-volume and cinder-backup on hosts of their own, or on its two compute hosts."""
    policy = Policy(baseline=Seconds(2), timeouts=Timeouts(idle=Seconds(IDLE_S)))
    shape = Shape(source=R2024_1, goal=R2025_1, computes=2)
    record = whole_cloud(load(), COMPONENTS, shape, policy=policy)[1]
    role = "compute" if on_computes else "volume"
    cinder = record.components[CINDER]
    moved = {name: replace(cinder.services[name], role=role) for name in (VOLUME, BACKUP)}
    cinder = replace(cinder, services={**cinder.services, **moved})
    own = {name: HostEntry(name, f"10.79.0.{n}", frozenset({"volume"})) for n, name in enumerate(VOL[:hosts])}
    record = replace(
        record,
        maintenance=QUICK,
        components={**record.components, CINDER: cinder},
        hosts={**record.hosts, **({} if on_computes else own)},
    )
    cloud = FakeCloud(record)
    cloud.roster.pass_moment(at_once=True)
    site = Site(
        record=record,
        catalog=load(),
        ports=ports_of(cloud),
        runs=Runs(folder / ".skylift"),
        clock=lambda: cloud.now,
        actor="rey@console",
    )
    return SiteOf(cloud, site)


def serving(at: SiteOf, *, agreed: bool = True) -> SiteOf:
    """Let the first host serve two volumes from its own disks: of a guest that runs, and of one that is off.

    ``agreed``, the operator lets guests run on meanwhile.
    """
    at.cloud.nova.boot("vm", "cmp2")
    at.cloud.nova.boot("off", "cmp2", vm_state="stopped", boots=0)
    at.cloud.disks.attach("of-vm", VOL[0], "vm")
    at.cloud.disks.attach("of-off", VOL[0], "off")
    maintenance = replace(at.site.record.maintenance, cut_off=agreed)
    at.site = replace(at.site, record=replace(at.site.record, maintenance=maintenance))
    return at


def exported(at: SiteOf, host: HostName = VOL[0]) -> set[str]:
    """The ids of the volumes that a host serves now."""
    targets = at.cloud.disks.exports(host).targets
    return {target.backing.rpartition("volume-")[2] for target in targets}


def busy(at: SiteOf, service: ServiceName, host: HostName) -> None:
    """Let a service have a backup in hand until it is taken from ``at.cloud.builds.busy``."""
    at.cloud.builds.busy[f"{service}-{host}"] = InHand(CINDER, "cinder", "volume backup", "creating", 1, ())


def row_of(at: SiteOf, service: ServiceName, host: HostName) -> ServiceReport:
    return next(r for r in at.cloud.roster.all() if r.service == service and r.is_from(host))
