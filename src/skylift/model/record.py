"""The record: one cloud as its operator declares it in ``cloud.yaml``.

Pure values; reading the file, with every mistake at its line, is ``app.record_file``'s work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from skylift.model.ids import ArtifactName, ComponentName, Digest, HostName, PoolName, Seconds, UnitName
from skylift.model.release import Release


@dataclass(frozen=True, slots=True)
class SshAccess:
    """How every host is reached. Host keys are pinned: an unknown or changed key is refused."""

    user: str
    key: PurePosixPath
    """Private key file, mode 0600; a reference, read only when a connection is made."""
    known_hosts: PurePosixPath
    port: int = 22
    proxy_command: str | None = None
    """OpenSSH's ProxyCommand, with ``%h`` and ``%p``: a bastion, or another way in."""


@dataclass(frozen=True, slots=True)
class HostEntry:
    """A machine of the cloud, or the vantage host from which users' requests are measured."""

    name: HostName
    address: str
    roles: frozenset[str]
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """An environment with the software of one release, addressed by digest.

    ``digest`` is the SHA-256 of the artifact's ``MANIFEST.sha256``, which lists every file in it.
    """

    name: ArtifactName
    release: Release
    digest: Digest
    source: str
    """URL of the archive (tar, zstd), as the hosts can reach it."""
    path: PurePosixPath
    """Where it lies on every host, once staged."""


@dataclass(frozen=True, slots=True)
class ComponentEntry:
    """One OpenStack component as it is deployed here."""

    name: ComponentName
    artifact: ArtifactName
    role: str
    unit: UnitName
    link: PurePosixPath
    """The symbolic link through which the unit finds its artifact: switched per host."""
    port: int
    """The API's TCP port, on each host's own address and on the VIP."""
    pool: PoolName
    database: str
    user: str
    """The Unix user of the service and of its manage commands."""


@dataclass(frozen=True, slots=True)
class BalancerEntry:
    """The HAProxy instances in front of the APIs; one of them holds the VIP at a time."""

    role: str
    socket: PurePosixPath
    vip: str
    kind: str = "haproxy"


@dataclass(frozen=True, slots=True)
class DatabaseEntry:
    """The Galera cluster under the services."""

    role: str
    size: int
    backups: PurePosixPath
    """Folder on the bootstrap host for dumps, mode 0700."""
    kind: str = "galera"


@dataclass(frozen=True, slots=True)
class VantageEntry:
    """The host outside the control plane from which users' requests are made and measured."""

    host: HostName
    clouds_yaml: PurePosixPath
    """Credentials of an administrator, mode 0600; a reference, resolved when used."""
    cloud: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a step may take before it fails, in seconds."""

    drain: Seconds = Seconds(120)
    stop: Seconds = Seconds(120)
    start: Seconds = Seconds(180)
    command: Seconds = Seconds(1800)
    stage: Seconds = Seconds(1800)
    unreachable: Seconds = Seconds(300)
    """How long a host may be out of reach before its step fails."""


@dataclass(frozen=True, slots=True)
class LossBudget:
    """What users may lose during a run before it halts by itself."""

    failed_requests: int = 5
    gap: Seconds = Seconds(5)
    """Longest time without a good answer from one API."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows. ``batch`` is how many backends of one API may be out at once."""

    batch: int = 1
    at_once: int = 6
    """Steps in flight at once, over the whole run."""
    backup_max_age_h: int = 24
    clock_skew_max_ms: int = 2000
    disk_free_min_gib: int = 2
    loss: LossBudget = field(default_factory=LossBudget)
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True, slots=True)
class Record:
    """One cloud, as declared: what it is made of and what its operator allows."""

    name: str
    ssh: SshAccess
    hosts: Mapping[HostName, HostEntry]
    artifacts: Mapping[ArtifactName, Artifact]
    components: Mapping[ComponentName, ComponentEntry]
    balancer: BalancerEntry
    database: DatabaseEntry
    vantage: VantageEntry
    policy: Policy = field(default_factory=Policy)

    def hosts_in(self, role: str) -> tuple[HostEntry, ...]:
        """The hosts with ``role``, by name: the first is the role's bootstrap host."""
        return tuple(self.hosts[name] for name in sorted(self.hosts) if role in self.hosts[name].roles)

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
