"""A sample cloud, as a record and as an inspection would see it: whole, healthy and small.

The schemas are those of the real releases: the last revisions of each branch, and the rows that
``alembic_version`` was seen to have. A test changes what it is about with ``dataclasses.replace``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

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
    ServiceName,
    UnitName,
)
from skylift.model.record import (
    Artifact,
    BalancerEntry,
    ComponentEntry,
    DatabaseEntry,
    HostEntry,
    Policy,
    Record,
    ServiceEntry,
    SshAccess,
    VantageEntry,
)
from skylift.model.release import Release

KEYSTONE, GLANCE, PLACEMENT = ComponentName("keystone"), ComponentName("glance"), ComponentName("placement")
COMPONENTS = (KEYSTONE, GLANCE, PLACEMENT)
R2023_1, R2024_1, R2025_1 = Release(2023, 1), Release(2024, 1), Release(2025, 1)
RELEASES = (R2023_1, R2024_1, R2025_1)
NOW = Epoch(1_764_000_000.0)
VIP = "10.77.0.10"

_PORTS = {KEYSTONE: 5000, GLANCE: 9292, PLACEMENT: 8778}
KEYSTONE_SERVICE, GLANCE_API = ServiceName("keystone"), ServiceName("glance-api")
_SERVICE_NAMES = {
    KEYSTONE: KEYSTONE_SERVICE,
    GLANCE: GLANCE_API,
    PLACEMENT: ServiceName("placement-api"),
}
_SERVICES = {KEYSTONE: ("identity", "/v3"), GLANCE: ("image", ""), PLACEMENT: ("placement", "")}


def _line(branch: str, *ids: str, after: str = "", needs: Mapping[str, str] | None = None) -> list[Revision]:
    """Revisions one after the other; ``needs`` has what one of them depends on in another branch."""
    wanted = needs or {}
    downs = [after, *ids[:-1]]
    return [
        Revision(
            id=own,
            down=(down,) if down else (),
            depends_on=(wanted[own],) if own in wanted else (),
            branch=branch,
        )
        for own, down in zip(ids, downs, strict=True)
    ]


_KEYSTONE_2023_1 = (
    *_line("", "27e647c0fad4"),
    *_line("expand", "29e87d24a316", after="27e647c0fad4"),
    *_line("contract", "e25ffa003242", after="27e647c0fad4"),
)
_KEYSTONE_2024_1 = (
    *_KEYSTONE_2023_1,
    *_line("expand", "b4f8b3f584e0", "11c3b243b4cb", "47147121", after="29e87d24a316"),
    *_line("contract", "99de3849d860", "c88cdce8f248", after="e25ffa003242"),
)
_GLANCE_2023_1 = (
    *_line("", "mitaka02"),
    *_line("", "ocata_expand01", "2023_1_expand01", after="mitaka02"),
    *_line(
        "",
        "ocata_contract01",
        "2023_1_contract01",
        after="mitaka02",
        needs={"ocata_contract01": "ocata_expand01", "2023_1_contract01": "2023_1_expand01"},
    ),
)
_GLANCE_2024_1 = (
    *_GLANCE_2023_1,
    *_line("", "2024_1_expand01", after="2023_1_expand01"),
    *_line(
        "", "2024_1_contract01", after="2023_1_contract01", needs={"2024_1_contract01": "2024_1_expand01"}
    ),
)
_PLACEMENT_2023_1 = tuple(_line("", "b4ed3a175331", "611cd6dffd7b", "b5c396305c25", "422ece571366"))
_PLACEMENT_2024_1 = (*_PLACEMENT_2023_1, *_line("", "a082b8bb98d0", after="422ece571366"))

MIGRATIONS: Mapping[Release, Mapping[ComponentName, tuple[Revision, ...]]] = {
    R2023_1: {KEYSTONE: _KEYSTONE_2023_1, GLANCE: _GLANCE_2023_1, PLACEMENT: _PLACEMENT_2023_1},
    R2024_1: {KEYSTONE: _KEYSTONE_2024_1, GLANCE: _GLANCE_2024_1, PLACEMENT: _PLACEMENT_2024_1},
    R2025_1: {KEYSTONE: _KEYSTONE_2024_1, GLANCE: _GLANCE_2024_1, PLACEMENT: _PLACEMENT_2024_1},
}
"""What each release's artifact declares, per component."""

_ROWS_2024_1 = {
    KEYSTONE: frozenset({"47147121", "c88cdce8f248"}),
    GLANCE: frozenset({"2024_1_contract01"}),
    PLACEMENT: frozenset({"a082b8bb98d0"}),
}
ROWS: Mapping[Release, Mapping[ComponentName, frozenset[str]]] = {
    R2023_1: {
        KEYSTONE: frozenset({"29e87d24a316", "e25ffa003242"}),
        GLANCE: frozenset({"2023_1_contract01"}),
        PLACEMENT: frozenset({"422ece571366"}),
    },
    R2024_1: _ROWS_2024_1,
    R2025_1: _ROWS_2024_1,
}
"""The rows of ``alembic_version`` when a component is whole at a release."""

EXPANDED_2024_1: Mapping[ComponentName, frozenset[str]] = {
    KEYSTONE: frozenset({"47147121", "e25ffa003242"}),
    GLANCE: frozenset({"2024_1_expand01", "2023_1_contract01"}),
    PLACEMENT: frozenset({"a082b8bb98d0"}),
}
"""The rows between expand and contract of 2023.1 to 2024.1."""


def artifact_name(release: Release) -> ArtifactName:
    """The name of the sample artifact that carries ``release``."""
    return ArtifactName(f"openstack-{release}")


def artifact_of(release: Release) -> Artifact:
    """The sample artifact that carries ``release``."""
    fingerprint = f"{release.year}{release.half}" * 16
    return Artifact(
        name=artifact_name(release),
        release=release,
        digest=Digest(f"sha256:{fingerprint[:64]}"),
        source=f"http://10.77.0.1:8099/{release}.tar.zst",
        path=PurePosixPath(f"/opt/openstack/artifacts/{release}"),
    )


def _component(name: ComponentName, release: Release) -> ComponentEntry:
    return ComponentEntry(
        name=name,
        artifact=artifact_name(release),
        user=name,
        databases={"": name},
        services={service_name(name): _service(name)},
    )


def service_name(component: ComponentName) -> ServiceName:
    """The one service of a component of the sample."""
    return _SERVICE_NAMES[component]


def _service(component: ComponentName) -> ServiceEntry:
    return ServiceEntry(
        name=service_name(component),
        component=component,
        role="controller",
        unit=UnitName(f"{component}-api.service"),
        link=PurePosixPath(f"/opt/openstack/current/{component}"),
        port=_PORTS[component],
        pool=PoolName(component),
    )


def sample_record(
    *,
    controllers: int = 3,
    components: Collection[ComponentName] = COMPONENTS,
    release: Release = R2023_1,
    policy: Policy | None = None,
) -> Record:
    """The record of a cloud with ``controllers`` hosts, ``ctl1`` and so on, and a vantage host."""
    entries = [
        HostEntry(HostName(f"ctl{n}"), f"10.77.0.{10 + n}", frozenset({"controller"}), f"az{n}")
        for n in range(1, controllers + 1)
    ]
    entries.append(HostEntry(HostName("client"), "10.77.0.250", frozenset({"vantage"})))
    return Record(
        name="sample",
        ssh=SshAccess("root", PurePosixPath("/etc/skylift/key"), PurePosixPath("/etc/skylift/known_hosts")),
        hosts={entry.name: entry for entry in entries},
        artifacts={artifact_name(r): artifact_of(r) for r in RELEASES},
        components={name: _component(name, release) for name in COMPONENTS if name in components},
        balancer=BalancerEntry("controller", PurePosixPath("/run/haproxy/admin.sock"), VIP),
        database=DatabaseEntry("controller", controllers, PurePosixPath("/var/backups/skylift")),
        vantage=VantageEntry(HostName("client"), PurePosixPath("/etc/skylift/clouds.yaml"), "sample"),
        policy=policy or Policy(),
    )


def sample_cloud(
    record: Record,
    *,
    release: Release = R2023_1,
    goal: Release = R2024_1,
    upgraded: Collection[tuple[ComponentName, HostName]] = (),
) -> Cloud:
    """A healthy cloud at ``release``, inspected with ``goal`` in mind.

    Each service in ``upgraded`` runs ``goal`` already; a component that has one has the schema
    between expand and contract.
    """
    hosts = [entry.name for entry in record.hosts_in("controller")]
    begun = {component for component, _ in upgraded}
    return Cloud(
        observed_at=NOW,
        hosts={host: _host(host) for host in record.hosts},
        units={
            (service_name(name), host): _unit(record, name, host, (release, goal)[(name, host) in upgraded])
            for name in record.components
            for host in hosts
        },
        schemas={
            name: SchemaSeen(name, "", (EXPANDED_2024_1 if name in begun else ROWS[release])[name])
            for name in record.components
        },
        migrations={
            (name, "", artifact_name(r)): MIGRATIONS[r][name]
            for name in record.components
            for r in (release, goal)
        },
        staged={
            (artifact_name(r), host): artifact_of(r).digest if r == release else None
            for r in (release, goal)
            for host in hosts
        },
        galera={host: GaleraNode(host, "Primary", "Synced", len(hosts)) for host in hosts},
        backends=tuple(
            Backend(balancer, entry.pool, server, BackendState.UP, 0)
            for entry in record.services.values()
            for balancer in hosts
            for server in hosts
        ),
        endpoints=tuple(
            Endpoint(_SERVICES[name][0], interface, f"http://{VIP}:{_PORTS[name]}{_SERVICES[name][1]}")
            for name in record.components
            for interface in ("admin", "internal", "public")
        ),
        grants={
            name: (f"GRANT ALL PRIVILEGES ON `{name}`.* TO `{name}`@`%`", "log_bin_trust_function_creators=1")
            for name in record.components
        },
        backups=dict.fromkeys(record.components, Epoch(NOW - 3600)),
        obtainable={(artifact_name(goal), host): True for host in hosts},
        upgrade_checks=dict.fromkeys(record.components, Answer(0, "Upgrade check succeeded")),
        doctor=Answer(0, ""),
        unread={},
        answers={(name, host): 200 for name in record.services for host in hosts},
    )


def _host(host: HostName) -> HostSeen:
    return HostSeen(
        host=host,
        boot_id=f"boot-of-{host}",
        clock_offset_ms=3,
        disk_free_bytes=40 * 2**30,
        os_release="Debian GNU/Linux 12 (bookworm)",
        key_digests={"fernet": "sha256:" + "f" * 64, "credential": "sha256:" + "c" * 64},
    )


def _unit(record: Record, name: ComponentName, host: HostName, release: Release) -> UnitSeen:
    path = str(record.artifacts[artifact_name(release)].path)
    return UnitSeen(
        host=host,
        unit=record.services[service_name(name)].unit,
        state=UnitState.ACTIVE,
        pid=1000,
        started_at=Epoch(NOW - 86400),
        running=path,
        linked=path,
    )
