"""What is left to do, per component: which hosts run old code, what their schema lacks, how many may go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from skylift.catalog.catalog import Catalog
from skylift.catalog.component import KnownComponent
from skylift.model.cloud import BackendState, Cloud
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, HostName
from skylift.model.record import Artifact, ComponentEntry, Record
from skylift.model.release import Release, hops
from skylift.planning.refusals import (
    NoArtifact,
    NoPath,
    NotRead,
    NotRolling,
    UnknownArtifact,
    UnknownComponent,
)
from skylift.planning.schema import PhaseLeft, phases_left

_OUT = {BackendState.DRAIN, BackendState.MAINT}
_TWO = 2


@dataclass(frozen=True, slots=True)
class Left:
    """What one component needs until it is whole at the goal."""

    entry: ComponentEntry
    known: KnownComponent
    target: Artifact
    hosts: tuple[HostName, ...]
    """All its hosts, by name; the first runs what must be done once."""
    running: Mapping[HostName, Artifact]
    turns: tuple[HostName, ...]
    """Hosts on old code, in the order they go: those already out of the pool first, then by name."""
    returns: tuple[HostName, ...]
    """Hosts on new code that something left out of the pool."""
    phases: tuple[PhaseLeft, ...]
    rows: frozenset[str]
    """What the database shows in the end."""
    batch: int
    """How many of its backends may be out at once."""

    @property
    def name(self) -> ComponentName:
        """The component."""
        return self.entry.name

    @property
    def bootstrap(self) -> HostName:
        """The host that does what must be done once."""
        return self.hosts[0]

    @property
    def whole(self) -> bool:
        """Whether nothing is left."""
        return not (self.turns or self.returns or self.phases)


@dataclass(frozen=True, slots=True)
class Survey:
    """What is left of the whole cloud, component by component in their order."""

    source: Release
    """The oldest release that runs."""
    target: Artifact
    components: tuple[Left, ...]


def survey(cloud: Cloud, record: Record, goal: Upgrade, catalog: Catalog) -> Survey:
    """Compare what runs with the goal.

    Raises:
        Refused: nobody could say that a plan from here to there keeps the APIs serving; see ``refusals``.
    """
    target = record.artifact_for(goal.to)
    if target is None:
        raise NoArtifact(goal.to)
    for name in record.components:
        if name not in catalog.components:
            raise UnknownComponent(name)
    names = catalog.sequence(frozenset(record.components))
    running = {name: _running(cloud, record, name, goal.to) for name in names}
    source = min((a.release for on in running.values() for a in on.values()), default=goal.to)
    _refuse_no_path(source, goal.to)
    found = tuple(_left(cloud, record, catalog.components[name], (target, running[name])) for name in names)
    return Survey(source, target, found)


def _refuse_no_path(source: Release, goal: Release) -> None:
    if source != goal and not source.may_hop_to(goal):
        raise NoPath(source, goal, hops(source, goal)[0] if source < goal else None)


def _running(cloud: Cloud, record: Record, name: ComponentName, goal: Release) -> dict[HostName, Artifact]:
    """What each host runs; of a service that is stopped, what it would run if it were started."""
    found: dict[HostName, Artifact] = {}
    for host in record.hosts_in(record.components[name].role):
        unit = cloud.units.get((name, host.name))
        if unit is None:
            raise _not_read(cloud, f"unit {name} {host.name}", goal)
        path = unit.running or unit.linked
        artifact = record.artifact_at(path)
        if artifact is None:
            raise UnknownArtifact(name, host.name, path)
        found[host.name] = artifact
    return found


def _left(
    cloud: Cloud, record: Record, known: KnownComponent, at: tuple[Artifact, dict[HostName, Artifact]]
) -> Left:
    target, running = at
    entry = record.components[known.name]
    out = frozenset(_out(cloud, entry))
    old = [host for host in running if not _settled(cloud, entry, host, target)]
    turns = tuple(sorted(old, key=lambda host: (host not in out, host)))
    returns = tuple(host for host in sorted(out) if host not in turns and host in running)
    phases = _phases(cloud, known, target, old=bool(turns), new=len(turns) < len(running))
    rows = phases[-1].rows if phases else cloud.schemas[known.name].rows
    batch = _batch(cloud, record, entry, turns + returns) if turns else 0
    if turns:
        _refuse_unproved(known, min(running[host].release for host in turns), target.release)
    return Left(
        entry=entry,
        known=known,
        target=target,
        hosts=tuple(running),
        running=running,
        turns=turns,
        returns=returns,
        phases=phases,
        rows=rows,
        batch=batch,
    )


def _settled(cloud: Cloud, entry: ComponentEntry, host: HostName, target: Artifact) -> bool:
    """Whether the process runs the target and its next start would too."""
    unit = cloud.units[entry.name, host]
    return unit.running == unit.linked == str(target.path)


def _phases(
    cloud: Cloud, known: KnownComponent, target: Artifact, *, old: bool, new: bool
) -> tuple[PhaseLeft, ...]:
    schema = cloud.schemas.get(known.name)
    if schema is None:
        raise _not_read(cloud, f"schema {known.name}", target.release)
    revisions = cloud.migrations.get((known.name, target.name))
    if revisions is None:
        raise _not_read(cloud, f"migrations {known.name} {target.name}", target.release)
    return phases_left(known, (target.name, revisions), schema.rows, old_code=old, new_code=new)


def _out(cloud: Cloud, entry: ComponentEntry) -> Iterator[HostName]:
    for backend in cloud.backends_of(entry.pool):
        if backend.state in _OUT:
            yield backend.server


def _batch(cloud: Cloud, record: Record, entry: ComponentEntry, coming: tuple[HostName, ...]) -> int:
    """How many backends may be out at once so that one is always left.

    A backend that is out counts if its own turn brings it back, for those go first.
    """
    views = cloud.backends_of(entry.pool)
    servers = {b.server for b in views}
    up = {s for s in servers if all(b.state is BackendState.UP for b in views if b.server == s)}
    usable = len(up | (servers & set(coming)))
    if usable < _TWO or not up:
        raise NotRolling(
            entry.name,
            f"pool {entry.pool} has {len(up)} of {len(servers)} backends in use, and one must serve while "
            "another is out",
            f"see the pool's backends with 'skylift inspect', and bring two into use in pool {entry.pool}",
        )
    return min(record.policy.batch, usable - 1)


def _refuse_unproved(known: KnownComponent, start: Release, goal: Release) -> None:
    if known.rolling_proof(start, goal) is None:
        raise NotRolling(
            known.name,
            f"nothing proves that {start} and {goal} serve side by side",
            f"go there in hops, the first is: skylift plan --to {start.following} -o FILE",
        )


def _not_read(cloud: Cloud, subject: str, goal: Release) -> NotRead:
    return NotRead(subject, cloud.unread.get(subject, "the inspection did not look for it"), goal)
