"""Recovery procedures of plans of every kind, each with the record that its plan was made from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tests.app.desk import RUN, desk_at
from tests.app.maintained import QUICK, SiteOf, site_of
from tests.app.storage_run import STO, clustered
from tests.app.test_fleet_automation import entry
from tests.app.volume_run import volumes_of
from tests.planning.planned import sample_plan
from tests.planning.test_whole_clouds import CATALOG, EVERY, HOPS
from tests.rollback.operated import GLANCE_OUT, paused_at, way_back

from skylift.app.fleet_recovery import recovery_of_hosts
from skylift.app.propose_fleet import propose_maintenance
from skylift.app.propose_rollback import propose_rollback
from skylift.app.recovery import Recovery, recovery_of
from skylift.catalog.catalog import load
from skylift.fleet.mandate import Purpose
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, Digest, HostName
from skylift.model.record import Policy, Record
from skylift.model.seal import PublicKey
from skylift.planning.plan import Plan
from skylift.planning.staging import plan_staging
from skylift.planning.text import read_plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.samples import R2024_1, artifact_name, sample_record
from skylift.testing.whole_clouds import Shape, whole_cloud


class Made(NamedTuple):
    """A procedure, and what it was made from; of hosts there is no plan of steps."""

    recovery: Recovery
    record: Record
    plan: Plan | None = None


def of_plan(plan: Plan, record: Record) -> Made:
    return Made(recovery_of(plan, record, load()), record, plan)


def upgrade(_: Path) -> Made:
    return of_plan(sample_plan(), sample_record())


def staging(_: Path) -> Made:
    record = sample_record()
    plan = plan_staging(record, record.artifacts[artifact_name(R2024_1)], load(), Digest("sha256:0"))
    return of_plan(plan, record)


def whole(components: Collection[str], hop: int) -> Made:
    """An upgrade of these, by the number of a hop; outages are accepted."""
    source, goal = HOPS[hop]
    shape = Shape(source=source, goal=goal, computes=2)
    cloud, record = whole_cloud(CATALOG, components, shape, policy=Policy(outages=frozenset(components)))
    plan = plan_upgrade(cloud, record, Upgrade(goal), CATALOG, record_digest=Digest("sha256:0"))
    return of_plan(plan, record)


def every_service(_: Path) -> Made:
    """With what is stopped as a whole, closed to new work, and parked."""
    return whole(EVERY, 1)


def switched_together(_: Path) -> Made:
    return whole(("keystone", "heat"), 4)


def shared_and_sealed(_: Path) -> Made:
    """With a store and signers, where the policy takes a run back by itself."""
    record = replace(
        sample_record(policy=Policy(rollback="automatic")),
        store="postgresql://skylift@db.example.org/skylift",
        signers={"rey": PublicKey("ssh-ed25519 AAAA")},
    )
    return of_plan(sample_plan(), record)


def back_by_steps(tmp_path: Path) -> Made:
    desk = desk_at(tmp_path)
    paused_at(desk, GLANCE_OUT)
    return of_plan(read_plan(way_back(desk)), desk.site.record)


def restore(tmp_path: Path) -> Made:
    """Of a run that is complete: only a restore leads back."""
    desk = desk_at(tmp_path)
    desk.apply(desk.plan())
    placement = (ComponentName("placement"),)
    proposal = propose_rollback(desk.site, desk.site.runs.find(RUN), placement, restore=True)
    return of_plan(proposal.plan, desk.site.record)


def hosts_of(at: SiteOf, purpose: Purpose, *hosts: HostName) -> Made:
    mandate = propose_maintenance(at.site, purpose, hosts, frontier=False).mandate
    assert mandate is not None
    return Made(recovery_of_hosts(mandate, at.site.record, at.site.catalog), at.site.record)


def compute_hosts(tmp_path: Path) -> Made:
    """Three, with instances, and with automation that is paused meanwhile."""
    maintenance = replace(QUICK, automation={"masakari": entry("masakari")})
    at = site_of(tmp_path, computes=3, maintenance=maintenance)
    for n in (1, 2):
        at.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    return hosts_of(at, Purpose.REBOOT)


def drained_host(tmp_path: Path) -> Made:
    return hosts_of(site_of(tmp_path, computes=3), Purpose.DRAIN, HostName("cmp1"))


def network_hosts(tmp_path: Path) -> Made:
    at = site_of(tmp_path, computes=1, networks=2)
    at.cloud.neutron.router("r1", "net1")
    at.cloud.neutron.network("n1", "net1")
    at.cloud.pass_time(3)
    return hosts_of(at, Purpose.REBOOT, HostName("net1"))


def storage_hosts(tmp_path: Path) -> Made:
    at = clustered(site_of(tmp_path, computes=1, storage=3), *STO)
    return hosts_of(at, Purpose.REBOOT, *STO)


def volume_hosts(tmp_path: Path) -> Made:
    return hosts_of(volumes_of(tmp_path), Purpose.REBOOT, HostName("vol1"))


EVERY_KIND: Mapping[str, Callable[[Path], Made]] = MappingProxyType(
    {
        make.__name__: make
        for make in (
            upgrade,
            staging,
            every_service,
            switched_together,
            shared_and_sealed,
            back_by_steps,
            restore,
            compute_hosts,
            drained_host,
            network_hosts,
            storage_hosts,
            volume_hosts,
        )
    }
)
