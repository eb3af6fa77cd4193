"""Clouds with any components of the catalog, as a record and as an inspection would see them.

Their migrations are made up: one revision a release and branch, in the branches that a component's phases
run. Hosts are ``ctl1`` and so on, ``net1`` for what serves networks, ``cmp1`` for what runs beside users'
instances, and a vantage host.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from skylift.catalog.catalog import Catalog
from skylift.catalog.component import Front, KnownComponent, KnownSchema, KnownService, Plane
from skylift.model.bus import BusSeen
from skylift.model.cloud import (
    Answer,
    Backend,
    BackendState,
    Cloud,
    Endpoint,
    GaleraNode,
    HostSeen,
    Revision,
    SchemaSeen,
    UnitSeen,
    UnitState,
)
from skylift.model.ids import (
    ArtifactName,
    ComponentName,
    Digest,
    Epoch,
    HostName,
    PoolName,
    UnitName,
)
from skylift.model.record import (
    Artifact,
    BrokerEntry,
    ComponentEntry,
    HostEntry,
    Policy,
    Record,
    ServiceEntry,
)
from skylift.model.release import Release
from skylift.model.schema import heads
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_roster import reports_of
from skylift.testing.samples import NOW, VIP, artifact_name, artifact_of, sample_record

_ON_NETWORK_HOSTS = ("l3-agent", "dhcp-agent", "metadata-agent", "metering-agent")
_FIRST_PORT = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large the cloud is, and where it is between two releases."""

    source: Release
    goal: Release
    controllers: int = 3
    networks: int = 2
    computes: int = 2
    cells: tuple[str, ...] = ("cell1",)
    """Every compute host is in one of them, in turn."""


def whole_cloud(
    catalog: Catalog, components: Collection[str], shape: Shape, *, policy: Policy
) -> tuple[Cloud, Record]:
    """A healthy cloud of these components at ``shape.source``, inspected with its goal in mind."""
    record = _record([catalog.components[ComponentName(name)] for name in components], shape, policy)
    return cloud_of(catalog, record, shape), record


def whole_fake(catalog: Catalog, record: Record, shape: Shape) -> FakeCloud:
    """A cloud in memory with the migrations, and the schemas, that ``cloud_of`` shows of it."""
    fake = FakeCloud(record, release=shape.source)
    known = {name: catalog.components[name] for name in record.components}
    releases = {artifact_name(r): r for r in (shape.source, shape.goal)}
    for (component, schema, artifact), revisions in _migrations(known, shape):
        fake.schemas.give((releases[artifact], component, schema), revisions, until=shape.source)
    for database, component in record.databases.items():
        fake.rows[database] = _schema(known[component], record, database, shape.source).rows
    return fake


def _record(known: Collection[KnownComponent], shape: Shape, policy: Policy) -> Record:
    like = sample_record(controllers=shape.controllers, policy=policy)
    numbers: Iterator[int] = iter(range(_FIRST_PORT, 2**16))
    hosts = {name: entry for name, entry in like.hosts.items() if name != like.vantage.host}
    hosts |= _more_hosts("net", "network", 30, shape.networks)
    computes = _more_hosts("cmp", "compute", 100, shape.computes)
    if len(shape.cells) > 1:
        celled = zip(computes.values(), shape.cells * shape.computes, strict=False)
        computes = {host.name: replace(host, cell=cell) for host, cell in celled}
        controllers = zip(sorted(hosts), shape.cells * shape.controllers, strict=False)
        hosts |= {name: replace(hosts[name], cell=cell) for name, cell in controllers}
    hosts |= computes | {like.vantage.host: like.hosts[like.vantage.host]}
    releases = (shape.source, shape.goal)
    parking = PurePosixPath("/etc/haproxy/parked.map")
    return replace(
        like,
        name="whole",
        balancer=replace(like.balancer, parking=parking),
        hosts=hosts,
        artifacts={artifact_name(r): artifact_of(r) for r in releases},
        components={c.name: _component(c, shape, numbers) for c in known},
        broker=BrokerEntry("controller", shape.controllers),
    )


def _more_hosts(prefix: str, role: str, first: int, count: int) -> dict[HostName, HostEntry]:
    names = [HostName(f"{prefix}{n}") for n in range(1, count + 1)]
    return {
        name: HostEntry(name, f"10.77.{n // 200}.{first + n % 200}", frozenset({role}))
        for n, name in enumerate(names, 1)
    }


def _component(known: KnownComponent, shape: Shape, numbers: Iterator[int]) -> ComponentEntry:
    services = [s for s in known.services if s.is_in(shape.source) or s.is_in(shape.goal)]
    return ComponentEntry(
        name=known.name,
        artifact=artifact_name(shape.source),
        user=known.name,
        databases=dict(_databases(known, shape)),
        services={s.name: _service(known.name, s, numbers) for s in services},
    )


def _databases(known: KnownComponent, shape: Shape) -> Iterator[tuple[str, str]]:
    for schema in known.schemas:
        if not schema.per_cell:
            yield schema.name, f"{known.name}_{schema.name}" if schema.name else known.name
            continue
        for cell in ("cell0", *shape.cells):
            yield cell, f"{known.name}_{cell}"


def _service(component: ComponentName, known: KnownService, numbers: Iterator[int]) -> ServiceEntry:
    role = "controller"
    if known.plane is Plane.DATA:
        role = "network" if known.name.endswith(_ON_NETWORK_HOSTS) else "compute"
    balanced = known.front is Front.BALANCED
    return ServiceEntry(
        name=known.name,
        component=component,
        role=role,
        unit=UnitName(f"{known.name}.service"),
        link=PurePosixPath(f"/opt/openstack/current/{known.name}"),
        port=next(numbers) if balanced else 0,
        pool=PoolName(known.name if balanced else ""),
    )


def cloud_of(catalog: Catalog, record: Record, shape: Shape) -> Cloud:
    """The cloud of any ``record``, healthy at ``shape.source``."""
    places = [(s, host.name) for s in record.services.values() for host in record.hosts_in(s.role)]
    placed = [(s, host) for s, host in places if _runs(catalog, s, shape.source)]
    balancers = [host.name for host in record.hosts_in(record.balancer.role)]
    running = artifact_name(shape.source)
    known = {name: catalog.components[name] for name in record.components}
    return Cloud(
        observed_at=NOW,
        hosts={host: _host(host) for host in record.hosts},
        units={
            (s.name, host): _unit(record.artifacts[running], s, host)
            if _runs(catalog, s, shape.source)
            else UnitSeen(host, s.unit, UnitState.INACTIVE)
            for s, host in places
        },
        schemas={d: _schema(known[c], record, d, shape.source) for d, c in record.databases.items()},
        migrations=dict(_migrations(known, shape)),
        staged=dict(_staged(record, shape)),
        galera={host: GaleraNode(host, "Primary", "Synced", len(balancers)) for host in balancers},
        backends=tuple(
            Backend(balancer, s.pool, server, BackendState.UP, 0)
            for s, server in placed
            for balancer in balancers
            if s.balanced
        ),
        endpoints=tuple(
            Endpoint(c.type, interface, f"http://{VIP}/{c.type}")
            for c in known.values()
            for interface in ("admin", "internal", "public")
            if c.type
        ),
        grants={
            name: tuple(f"GRANT ALL PRIVILEGES ON `{d}`.* TO `{name}`@`%`" for d in c.databases.values())
            for name, c in record.components.items()
            if c.databases
        },
        backups=dict.fromkeys(record.databases, Epoch(NOW - 3600)),
        obtainable={},
        upgrade_checks={n: Answer(0, "") for n, c in known.items() if c.commands.upgrade_check},
        doctor=Answer(0, ""),
        broker=BusSeen(_nodes(balancers), _nodes(balancers), {}, (), {}, ()),
        unread={},
        machine_types={n: Answer(0, "") for n, c in known.items() if c.commands.unset_machine_types},
        answers={(s.name, host): 200 for s, host in placed if s.balanced},
        reports=tuple(
            report
            for s, host in placed
            for report in reports_of(known[s.component], record, (s.name, host), shape.source)
        ),
    )


def _runs(catalog: Catalog, entry: ServiceEntry, release: Release) -> bool:
    return catalog.components[entry.component].service(entry.name).is_in(release) and entry.is_in(release)


def _nodes(hosts: Collection[HostName]) -> frozenset[str]:
    return frozenset(f"rabbit@{host}" for host in hosts)


def _schema(known: KnownComponent, record: Record, database: str, release: Release) -> SchemaSeen:
    schema = known.schema_in(record.components[known.name].databases, database)
    return SchemaSeen(known.name, schema.name, heads(migrations_of(known, schema, (release,))))


def _migrations(
    known: Mapping[ComponentName, KnownComponent], shape: Shape
) -> Iterator[tuple[tuple[ComponentName, str, ArtifactName], tuple[Revision, ...]]]:
    for component in known.values():
        for schema in component.schemas:
            for releases in ((shape.source,), (shape.source, shape.goal)):
                subject = (component.name, schema.name, artifact_name(releases[-1]))
                yield subject, migrations_of(component, schema, releases)


def migrations_of(
    known: KnownComponent, schema: KnownSchema, releases: tuple[Release, ...]
) -> tuple[Revision, ...]:
    """One revision for each release in each branch of one schema, with its first one before them all."""
    start = f"{known.name}{schema.name}_start"
    found = [Revision(start, (), (), "")]
    for branch in _branches(known, schema):
        last = start
        for release in releases:
            own = f"{known.name}{schema.name}_{release}{branch and '_' + branch}"
            found.append(Revision(own, (last,), (), branch))
            last = own
    return tuple(found)


def _branches(known: KnownComponent, schema: KnownSchema) -> tuple[str, ...]:
    named = {p.branch for p in known.phases if p.schema == schema.name} - {"", "all"}
    return tuple(sorted(named)) or ("",)


def _staged(record: Record, shape: Shape) -> Iterator[tuple[tuple[ArtifactName, HostName], Digest | None]]:
    roles = {service.role for service in record.services.values()}
    for host in sorted({host.name for role in roles for host in record.hosts_in(role)}):
        yield (artifact_name(shape.source), host), record.artifacts[artifact_name(shape.source)].digest
        yield (artifact_name(shape.goal), host), None


def _host(host: HostName) -> HostSeen:
    keys = {"fernet": "sha256:" + "f" * 64, "credential": "sha256:" + "c" * 64}
    return HostSeen(host, f"boot-of-{host}", 3, 40 * 2**30, "Debian GNU/Linux 12 (bookworm)", keys)


def _unit(artifact: Artifact, service: ServiceEntry, host: HostName) -> UnitSeen:
    path = str(artifact.path)
    return UnitSeen(host, service.unit, UnitState.ACTIVE, 1000, Epoch(NOW - 86400), path, path)
