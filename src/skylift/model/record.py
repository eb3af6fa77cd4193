"""The record: one cloud as its operator declares it in ``cloud.yaml``.

Pure values; reading the file, with every mistake at its line, is ``app.record_file``'s work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from skylift.model.gate import GateEntry
from skylift.model.ids import (
    ArtifactName,
    ComponentName,
    Digest,
    HostName,
    PoolName,
    Seconds,
    ServiceName,
    UnitName,
)
from skylift.model.maintenance import Maintenance
from skylift.model.notification import NotifyEntry
from skylift.model.release import Release
from skylift.model.seal import PublicKey


@dataclass(frozen=True, slots=True)
class SshAccess:
    """How every host is reached. Host keys are pinned: an unknown or changed key is refused."""

    user: str
    """Who logs in; needs root's rights on the hosts."""
    key: PurePosixPath
    """Private key file, mode 0600; a reference, read only when a connection is made."""
    known_hosts: PurePosixPath
    """The hosts' public keys, as OpenSSH writes them."""
    port: int = 22
    proxy_command: str | None = None
    """OpenSSH's ProxyCommand, with ``%h`` and ``%p``: a bastion, or another way in."""

    def argv(self, address: str) -> tuple[str, ...]:
        """OpenSSH's client, told to reach ``address`` as Skylift does: no file of a user's own counts."""
        options = {
            "BatchMode": "yes",
            "GlobalKnownHostsFile": "none",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": f'"{self.known_hosts}"',
            **({"ProxyCommand": self.proxy_command} if self.proxy_command else {}),
        }
        told = (word for name, value in options.items() for word in ("-o", f"{name}={value}"))
        whom = ("-i", str(self.key), "-p", str(self.port), f"{self.user}@{address}")
        return ("ssh", "-F", "none", *told, *whom)


@dataclass(frozen=True, slots=True)
class HostEntry:
    """A machine of the cloud, or the vantage host from which users' requests are measured."""

    name: HostName
    address: str
    """IP address or name, as reached by SSH and by the balancer."""
    roles: frozenset[str]
    """What it is for: components, balancer and database name the role of their hosts."""
    zone: str | None = None
    """Failure zone; shown, and nothing is decided by it yet."""
    cell: str | None = None
    """Nova's cell that it serves, by the name that the component's databases give it; none where there is
    just one."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """An environment with the software of one release, addressed by digest.

    ``digest`` is the SHA-256 of the artifact's ``MANIFEST.sha256``, which lists every file in it.
    """

    name: ArtifactName
    release: Release
    """The release whose software it holds."""
    digest: Digest
    """``sha256:`` and the SHA-256 of its ``MANIFEST.sha256``."""
    source: str
    """URL of the archive (tar, zstd), as the hosts can reach it."""
    path: PurePosixPath
    """Where it lies on every host, once staged."""


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One kind of process of a component, such as ``nova-conductor``, as it is deployed here."""

    name: ServiceName
    component: ComponentName
    role: str
    """The role of the hosts it runs on."""
    unit: UnitName
    """Its systemd service."""
    link: PurePosixPath
    """The symbolic link through which the unit finds its artifact: switched per service and host."""
    port: int = 0
    """Of a balanced service: its TCP port, on each host's own address and on the VIP."""
    pool: PoolName = PoolName("")
    """Of a balanced service: its pool (backend section) in HAProxy, whose servers are named as the hosts."""
    since: Release | None = None
    """The first release with which it runs here, where that is later than the first that has it."""
    until: Release | None = None
    """The last release with which it runs here, where that is earlier than the last that has it."""

    @property
    def balanced(self) -> bool:
        """Whether users reach it through the balancer."""
        return bool(self.pool)

    def is_in(self, release: Release) -> bool:
        """Whether it is to run here with ``release``, as far as the record says."""
        return (self.since is None or self.since <= release) and (self.until is None or release <= self.until)


@dataclass(frozen=True, slots=True)
class ComponentEntry:
    """One OpenStack component as it is deployed here."""

    name: ComponentName
    artifact: ArtifactName
    """The artifact it runs, by its name in this record."""
    user: str
    """The Unix user of its services and of its manage commands, and its database user."""
    databases: Mapping[str, str]
    """Its databases, by the name that the catalog gives to their schema (empty where there is just one), or
    by the name of the cell."""
    services: Mapping[ServiceName, ServiceEntry]
    config_files: Mapping[str, tuple[PurePosixPath, ...]] = field(default_factory=dict)
    """By database: the configuration files, in their order, that a command about it reads. Without them it
    reads what it finds by itself, such as `/etc/nova/nova.conf`."""


@dataclass(frozen=True, slots=True)
class BalancerEntry:
    """The HAProxy instances in front of the APIs; one of them holds the VIP at a time."""

    role: str
    """The role of its hosts."""
    socket: PurePosixPath
    """HAProxy's admin socket on each of them, at level admin."""
    vip: str
    """The address that users reach, on whichever of them holds it."""
    kind: str = "haproxy"
    """The one kind there is a driver for."""
    parking: PurePosixPath | None = None
    """The map on each of them that says which pools hold requests; without it, none can be parked."""


@dataclass(frozen=True, slots=True)
class DatabaseEntry:
    """The Galera cluster under the services."""

    role: str
    """The role of its hosts."""
    size: int
    """How many servers the cluster has when it is whole."""
    backups: PurePosixPath
    """Folder on the bootstrap host for dumps, mode 0700."""
    kind: str = "galera"
    """The one kind there is a driver for."""


@dataclass(frozen=True, slots=True)
class BrokerEntry:
    """The message bus that services get their work from, if they get it so."""

    role: str
    """The role of its hosts."""
    size: int
    """How many nodes the cluster has when it is whole."""
    kind: str = "rabbitmq"
    """The one kind there is a driver for."""


@dataclass(frozen=True, slots=True)
class StorageEntry:
    """The storage cluster with daemons on hosts that are rebooted, if the cloud has one of its own."""

    role: str
    """The role of the hosts on which it may be asked: its tool finds an administrator's keyring there."""
    kind: str = "ceph"
    """The one kind there is a driver for."""
    tool: tuple[str, ...] = ("ceph",)
    """How its tool is called there, such as `[podman, exec, ceph-mon, ceph]`."""
    whole: Seconds = Seconds(3600)
    """Until every placement group has all of its copies and the cluster lets a host's daemons stop, before
    a host is worked on and once more after its reboot."""


@dataclass(frozen=True, slots=True)
class VantageEntry:
    """The host outside the control plane from which users' requests are made and measured."""

    host: HostName
    """Its name among the hosts."""
    clouds_yaml: PurePosixPath
    """Credentials of an administrator, mode 0600; a reference, resolved when used."""
    cloud: str
    """Which cloud of ``clouds_yaml`` is meant."""
    image: str | None = None
    """Name or id of the image that servers of probes and witnesses boot; the first usable one if none."""
    network: str | None = None
    """Name or id of the network that they are put on; the first usable one if none."""
    pace: int = 100
    """Percent of the usual rates at which the probes ask: less for a cloud that has little to spare."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a step may take before it fails, in seconds."""

    drain: Seconds = Seconds(120)
    """Until no request is in flight on a drained backend."""
    idle: Seconds = Seconds(1800)
    """Until a service that gets no new work has ended what it has: a build, or a backup of a large volume."""
    stop: Seconds = Seconds(300)
    """Until a service has ended what it has in hand: Nova 2026.1 takes 160 s for each stop, busy or not."""
    start: Seconds = Seconds(180)
    """Until a started service answers, and until the balancers use it again."""
    command: Seconds = Seconds(1800)
    """A schema command or a backup."""
    stage: Seconds = Seconds(1800)
    """Fetching an artifact to one host, and verifying it there."""
    unreachable: Seconds = Seconds(300)
    """How long a host may be out of reach before its step fails."""


@dataclass(frozen=True, slots=True)
class LossBudget:
    """What users may lose during a run before it halts by itself."""

    failed_requests: int = 5
    """Requests of the probes that may fail, works that an API accepted and lost included."""
    gap: Seconds = Seconds(5)
    """Longest time without a good answer from one API."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows."""

    batch: int = 1
    """Backends of one API that may be out at once; always fewer than there are."""
    at_once: int = 6
    """Steps in flight at once, over the whole run."""
    backup_max_age_h: int = 24
    """How old a backup may be for the checks to let an upgrade pass, in hours."""
    clock_skew_max_ms: int = 2000
    """How far apart clocks may be, in milliseconds."""
    disk_free_min_gib: int = 2
    """Free space that every host needs where artifacts lie."""
    park_s: Seconds = Seconds(20)
    """How long users' requests may wait at the balancer while a service restarts that cannot hand over."""
    baseline: Seconds = Seconds(30)
    """For how long users' requests are measured before the first step, to compare the run with."""
    outages: frozenset[str] = frozenset()
    """Components whose API may be down while they are upgraded, where nothing proves that it need not."""
    online_batch: int = 1000
    """Rows that one batch of an online data migration moves."""
    stale_after_h: int = 24
    """How long a service may be silent until nobody is taken to stand behind its row, in hours."""
    plan_valid_h: int = 72
    """For how long a sealed plan may be applied, in hours."""
    windows: tuple[str, ...] = ()
    """When steps may start, such as `sat 01:00-05:00` or `daily 22:00-04:00`; at any time if there is none. A
    step that cannot end before the window closes is not started."""
    freezes: tuple[str, ...] = ()
    """Days on which no step starts, such as `2026-12-20/2027-01-06`, the last one included."""
    time_zone: str = "UTC"
    """Whose clock on the wall windows and freezes go by, such as `Europe/Berlin`."""
    every: str = "never"
    """How often the cloud is to be updated: `week`, `month`, `quarter`, `half-year`. A report says then
    when the next update is due; nothing begins by itself."""
    approvals: tuple[str, ...] = ()
    """Stages of a plan that wait for an approval of their own, beside the points of no return."""
    second_person: bool = False
    """Whether whoever made a plan may not approve it; needs `signers`."""
    rollback: str = "ask"
    """What becomes of an upgrade that has spent the loss budget, or whose new code fails, while all of it can
    go back: `ask` lets it rest until its operator decides, `automatic` takes it back by a plan of its own."""
    loss: LossBudget = field(default_factory=LossBudget)
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True)
class Record:
    """One cloud, as declared: what it is made of and what its operator allows.

    What follows from it is worked out once: whoever plans asks for services and hosts all the time.
    """

    name: str
    ssh: SshAccess
    hosts: Mapping[HostName, HostEntry]
    artifacts: Mapping[ArtifactName, Artifact]
    components: Mapping[ComponentName, ComponentEntry]
    balancer: BalancerEntry
    database: DatabaseEntry
    vantage: VantageEntry
    policy: Policy = field(default_factory=Policy)
    catalog: tuple[PurePosixPath, ...] = ()
    """Files that describe components which Skylift does not ship (row 66), in the catalog's own form."""
    broker: BrokerEntry | None = None
    """None if nothing here is reached over a message bus, or nobody is to look at it."""
    storage: StorageEntry | None = None
    """None if no storage cluster runs on hosts of this record."""
    gates: Mapping[str, GateEntry] = field(default_factory=dict)
    """What others know of the cloud, asked while a run goes on: by name."""
    notify: Mapping[str, NotifyEntry] = field(default_factory=dict)
    """Who is told of a run, by name."""
    maintenance: Maintenance = field(default_factory=Maintenance)
    signers: Mapping[str, PublicKey] = field(default_factory=dict)
    """The people whose seals are trusted, each with the public half of an ed25519 key as ssh-keygen writes
    it. If there are any, plans, journals and the audit trail must be sealed by one of them."""
    store: str = ""
    """Where its runs are, if several machines share them: a URL without a password; empty if they are in the
    folder beside the record."""

    def hosts_in(self, role: str) -> tuple[HostEntry, ...]:
        """The hosts with ``role``, by name: the first is the role's bootstrap host."""
        return self._by_role.get(role, ())

    @cached_property
    def _by_role(self) -> Mapping[str, tuple[HostEntry, ...]]:
        found: dict[str, list[HostEntry]] = {}
        for name in sorted(self.hosts):
            for role in dict.fromkeys(self.hosts[name].roles):
                found.setdefault(role, []).append(self.hosts[name])
        return {role: tuple(hosts) for role, hosts in found.items()}

    @property
    def longest_wait(self) -> Seconds:
        """For how long the balancers may let a user's request wait; zero if they cannot hold any."""
        return self.policy.park_s if self.balancer.parking else Seconds(0)

    @cached_property
    def services(self) -> Mapping[ServiceName, ServiceEntry]:
        """Every service of every component, component by component."""
        return {name: s for c in self.components.values() for name, s in c.services.items()}

    @cached_property
    def databases(self) -> Mapping[str, ComponentName]:
        """Every database, with the component it belongs to."""
        return {database: c.name for c in self.components.values() for database in c.databases.values()}

    def hosts_of(self, component: ComponentName) -> tuple[HostEntry, ...]:
        """The hosts that any of its services runs on, by name: those with its first service come first.

        The first of all is the component's bootstrap host.
        """
        roles = dict.fromkeys(service.role for service in self.components[component].services.values())
        return tuple({host.name: host for role in roles for host in self.hosts_in(role)}.values())

    def artifact_of(self, component: ComponentName) -> Artifact:
        """The artifact that the record declares for ``component``."""
        return self.artifacts[self.components[component].artifact]

    def artifact_for(self, release: Release) -> Artifact | None:
        """The artifact that carries ``release``, the first by name; none if the record has none."""
        found = [
            self.artifacts[name] for name in sorted(self.artifacts) if self.artifacts[name].release == release
        ]
        return found[0] if found else None

    def artifact_at(self, path: str | None) -> Artifact | None:
        """The artifact that lies at ``path`` on hosts, such as what a process runs; none if unknown."""
        return next((a for a in self.artifacts.values() if str(a.path) == path), None)
