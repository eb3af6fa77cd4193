"""The cloud: an immutable snapshot of what one inspection saw.

Everything here was read from the cloud itself; what could not be read is there as a gap with its
reason, so that a check can fail closed instead of guessing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from skylift.model.bus import BusSeen
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
from skylift.model.roster import ServiceReport
from skylift.model.work import InHand


@dataclass(frozen=True, slots=True)
class HostSeen:
    """A host that answered."""

    host: HostName
    boot_id: str
    clock_offset_ms: int
    """Its clock minus ours, corrected by half the round trip."""
    disk_free_bytes: int
    """Free space where artifacts lie."""
    os_release: str
    key_digests: Mapping[str, str]
    """Digest of each key repository that must be equal on all hosts (``fernet``, ``credential``)."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """A host that did not answer, and why."""

    host: HostName
    why: str
    """A sentence that names the host."""


class UnitState(Enum):
    """systemd's ActiveState, as far as an operator tells them apart."""

    ACTIVE = "active"
    ACTIVATING = "activating"
    DEACTIVATING = "deactivating"
    INACTIVE = "inactive"
    FAILED = "failed"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class UnitSeen:
    """A systemd unit and what its main process really runs."""

    host: HostName
    unit: UnitName
    state: UnitState
    pid: int | None = None
    started_at: Epoch | None = None
    running: str | None = None
    """Path of the artifact that the process has mapped into memory; not what a link says."""
    linked: str | None = None
    """Path of the artifact that the unit would run if it were started now."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One alembic migration, as its file declares it."""

    id: str
    down: tuple[str, ...]
    """The revisions it follows; empty for the first of a branch."""
    depends_on: tuple[str, ...]
    branch: str
    """``expand``, ``contract`` or another label of its branch; empty if it has none."""


@dataclass(frozen=True, slots=True)
class SchemaSeen:
    """The rows of the table of versions of one database."""

    component: ComponentName
    schema: str
    """Which of the component's schemas it has; empty where there is just one."""
    rows: frozenset[str]


@dataclass(frozen=True, slots=True)
class GaleraNode:
    """One database server's own view of its cluster."""

    host: HostName
    status: str
    """``Primary`` if it may serve."""
    state: str
    """``Synced`` if it has everything."""
    size: int


class BackendState(Enum):
    """What HAProxy does with one server of a pool."""

    UP = "up"
    DRAIN = "drain"
    MAINT = "maint"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Backend:
    """One server of one pool, as one balancer instance sees it."""

    balancer: HostName
    pool: PoolName
    server: HostName
    state: BackendState
    sessions: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One entry of keystone's catalog."""

    service: str
    interface: str
    url: str


class Verdict(Enum):
    """What ``COMPONENT-status upgrade check`` says. Source: oslo.upgradecheck, return codes."""

    READY = 0
    WARNING = 1
    FAILURE = 2
    UNKNOWN = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """What a read-only command of a service answered."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """What one inspection saw.

    ``unread`` has, per subject (such as ``schema keystone``), why it could not be read; a subject is
    either there or in ``unread``, never silently missing. The first word of a subject is its kind:
    ``unit``, ``answer``, ``staged``, ``schema``, ``migrations``, ``galera``, ``backends``,
    ``endpoints``, ``grants``, ``backup``, ``obtainable``, ``upgrade-check``, ``doctor``,
    ``reports``, ``work``, ``machine-types`` or ``broker``.
    """

    observed_at: Epoch
    hosts: Mapping[HostName, HostSeen | Unreached]
    units: Mapping[tuple[ServiceName, HostName], UnitSeen]
    schemas: Mapping[str, SchemaSeen]
    """By the name of the database."""
    migrations: Mapping[tuple[ComponentName, str, ArtifactName], tuple[Revision, ...]]
    """By component, schema and artifact."""
    staged: Mapping[tuple[ArtifactName, HostName], Digest | None]
    """Digest of the manifest that lies at the artifact's path on a host; none if nothing does."""
    galera: Mapping[HostName, GaleraNode]
    backends: tuple[Backend, ...]
    endpoints: tuple[Endpoint, ...]
    grants: Mapping[ComponentName, tuple[str, ...]]
    """The database user's grants, as SQL, and the variables expand relies on as ``name=value``."""
    backups: Mapping[str, Epoch | None]
    """Of when the newest dump of each database is: when that began."""
    obtainable: Mapping[tuple[ArtifactName, HostName], bool]
    """Whether a host could fetch the artifact's archive now."""
    upgrade_checks: Mapping[ComponentName, Answer]
    """``COMPONENT-status upgrade check`` from the target artifact; empty without a goal."""
    doctor: Answer | None
    """``keystone-manage doctor`` from the running artifact."""
    unread: Mapping[str, str]
    answers: Mapping[tuple[ServiceName, HostName], int | None] = field(default_factory=dict)
    """The HTTP status that each balanced service gives on its host's own address; none if nothing answers."""
    reports: tuple[ServiceReport, ...] = ()
    """The rows of every service that reports to its component's database."""
    broker: BusSeen | None = None
    """The message bus; none if the record names none."""
    work: tuple[InHand, ...] = ()
    """What those services have in hand."""
    machine_types: Mapping[ComponentName, Answer] = field(default_factory=dict)
    """Which instances have no machine type, asked of the running artifact; empty without a goal."""

    @property
    def silent_balancers(self) -> tuple[HostName, ...]:
        """The balancers whose backends could not be read: what they do with requests is unknown."""
        kind = "backends "
        return tuple(HostName(s.removeprefix(kind)) for s in sorted(self.unread) if s.startswith(kind))

    def backends_of(self, pool: PoolName) -> tuple[Backend, ...]:
        """All views of all servers of a pool."""
        return tuple(b for b in self.backends if b.pool == pool)


def migrations_subject(component: ComponentName, schema: str, artifact: ArtifactName) -> str:
    """What the migrations of one schema in one artifact are called in ``unread`` and among the facts."""
    return f"migrations {component}{f':{schema}' if schema else ''} {artifact}"
