"""A fake cloud with compute hosts, and a site on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from skylift.app.bench import Bench
from skylift.app.maintain import apply_mandate
from skylift.app.propose_fleet import propose_maintenance
from skylift.app.runs import RunFolder, Runs
from skylift.app.site import Site
from skylift.catalog.catalog import load
from skylift.engine.drive import View
from skylift.engine.fold import Run
from skylift.engine.operate import Asked
from skylift.fleet.mandate import Purpose, write_mandate
from skylift.model.ids import HostName, RunId, Seconds
from skylift.model.maintenance import Maintenance
from skylift.model.record import HostEntry, Policy, StorageEntry
from skylift.planning.plan import Plan
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.samples import R2024_1, R2025_1
from skylift.testing.whole_clouds import Shape, whole_cloud

COMPONENTS = ("keystone", "glance", "placement", "nova", "neutron")
RUN = RunId("20260101-000000-run-0001")
CMP = [HostName(f"cmp{n}") for n in range(1, 5)]
LONGEST_S = 6000
ALWAYS = 1_000
"""More migrations that do not end than any run begins."""
QUICK = Maintenance(settle=Seconds(4), look=Seconds(1), back=Seconds(120), move=Seconds(60))


@dataclass
class SiteOf:
    """A cloud, a site on it, and an operator who may press Ctrl-C."""

    cloud: FakeCloud
    site: Site
    asked: bool = False
    said: bool = False
    """Whether a test has said or done once what it has to."""
    remarks: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    """What happens each time the run waits."""


def site_of(
    folder: Path, *, computes: int, networks: int = 2, storage: int = 0, maintenance: Maintenance = QUICK
) -> SiteOf:
    """A cloud at 2024.1; nothing is to be upgraded. ``storage`` are hosts that are nothing else."""
    shape = Shape(source=R2024_1, goal=R2025_1, computes=computes, networks=networks)
    policy = Policy(baseline=Seconds(2))
    record = whole_cloud(load(), COMPONENTS, shape, policy=policy)[1]
    record = replace(record, maintenance=maintenance)
    if storage:
        names = [HostName(f"sto{n + 1}") for n in range(storage)]
        own = {name: HostEntry(name, f"10.78.0.{n}", frozenset({"storage"})) for n, name in enumerate(names)}
        cluster = StorageEntry("storage", whole=Seconds(90))
        record = replace(record, hosts={**record.hosts, **own}, storage=cluster)
    cloud = FakeCloud(record)
    site = Site(
        record=record,
        catalog=load(),
        ports=ports_of(cloud),
        runs=Runs(folder / ".skylift"),
        clock=lambda: cloud.now,
        actor="rey@console",
    )
    return SiteOf(cloud, site)


def at_desk(at: SiteOf) -> Asked:
    return Asked("rey@desk", at.cloud.now)


class TooLongError(AssertionError):
    """A run that does not come to rest."""


def bench_of(at: SiteOf) -> Bench:
    began = at.cloud.now

    def wait() -> None:
        at.cloud.pass_time(1)
        at.meanwhile()
        if at.cloud.now - began > LONGEST_S:
            raise TooLongError("\n".join(at.remarks[-30:]))

    def view(_plan: Plan, _begun: Run) -> View:
        return lambda _run, _left: None

    return Bench(wait, lambda: at.asked, view, at.remarks.append)


def planned(at: SiteOf, purpose: Purpose = Purpose.REBOOT, *hosts: HostName) -> bytes:
    mandate = propose_maintenance(at.site, purpose, hosts, frontier=False).mandate
    assert mandate is not None
    return write_mandate(mandate)


def ran(at: SiteOf, purpose: Purpose = Purpose.REBOOT, *hosts: HostName) -> Run:
    return apply_mandate(at.site, RUN, planned(at, purpose, *hosts), bench_of(at))


def boots(at: SiteOf) -> dict[str, int]:
    return {host: at.cloud.hosts[host].boots for host in CMP if host in at.cloud.hosts}


def guests(at: SiteOf) -> list[tuple[int, int]]:
    """Of each instance that is no canary: how often it came to another host, and was started."""
    return [(s.moves, s.boots) for s in at.cloud.nova.servers.values() if not s.ours]


def folder(at: SiteOf) -> RunFolder:
    return at.site.runs.find(None)


def is_whole(at: SiteOf) -> bool:
    """Nothing is closed, nothing is under way, and nothing of ours is left."""
    nova = at.cloud.nova
    left = [s.id for s in nova.servers.values() if s.ours and not s.deleted]
    return not at.cloud.roster.closed and not left and not any(m.seen.under_way for m in nova.moves.all)
