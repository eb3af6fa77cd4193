"""What is left to do, per component: which services run old code and where, and what the schemas lack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from skylift.catalog.catalog import Catalog
from skylift.catalog.component import KnownComponent, KnownService, Together
from skylift.model.cloud import BackendState, Cloud
from skylift.model.goal import Goal, Restore, Restored, Rollback
from skylift.model.ids import ComponentName, HostName, ServiceName
from skylift.model.record import Artifact, ComponentEntry, Record, ServiceEntry
from skylift.model.release import Release, hops
from skylift.model.roster import Roster, ServiceReport, pins
from skylift.model.schema import SchemaHead
from skylift.planning.closing import Closing, closings, room
from skylift.planning.mode import Mode, as_they_go, batch_of, mode_of
from skylift.planning.refusals import (
    NoArtifact,
    NoPath,
    UnknownArtifact,
    UnknownComponent,
    not_read,
)
from skylift.planning.schema import Databases, PhaseLeft, databases_of, phases_left

NOVA_COMPUTE = ServiceName("nova-compute")
"""Where it is users' instances are."""
_OUT = {BackendState.DRAIN, BackendState.MAINT}
_RESTORED = "its databases are restored, and nothing of it may live meanwhile"


@dataclass(frozen=True, slots=True)
class ServiceLeft:
    """What one service needs until it is whole at the goal."""

    entry: ServiceEntry
    known: KnownService
    running: Mapping[HostName, Artifact | None]
    """By host, in their order: what it runs there, or would if it were started; none if it never ran."""
    turns: tuple[HostName, ...]
    """Hosts on old code, in the order they go: those already out of the pool first, then by name.

    Where the first one that goes back may miss what it is told, those without users' instances go first."""
    returns: tuple[HostName, ...]
    """Hosts on new code that something left out of the pool."""
    batch: int
    """How many hosts may be without it at once."""
    begins: frozenset[HostName] = frozenset()
    """Of its turns, those that only start it: its first release is newer than what ran there."""
    ends: bool = False
    """Whether the goal does not have it, so that its turns only stop it."""
    closings: Mapping[HostName, Closing] = field(default_factory=dict)
    """What is done about new work, by host; empty for a service whose hosts are never closed."""
    together: Together | None = None
    """The rule by which all its hosts are switched together; none if they go one after another."""

    @property
    def name(self) -> ServiceName:
        """The service."""
        return self.entry.name

    @property
    def hosts(self) -> tuple[HostName, ...]:
        """All its hosts, by name."""
        return tuple(self.running)

    @property
    def old(self) -> tuple[HostName, ...]:
        """Its hosts on old code."""
        return tuple(host for host in self.turns if host not in self.begins)

    @property
    def opens(self) -> tuple[HostName, ...]:
        """Hosts that an earlier plan left closed and that no turn of their own opens."""
        return tuple(
            host
            for host, found in self.closings.items()
            if found.left_by and not (found.closes and host in self.turns)
        )


@dataclass(frozen=True, slots=True)
class Left:
    """What one component needs until it is whole at the goal."""

    entry: ComponentEntry
    known: KnownComponent
    target: Artifact
    source: Release
    """The oldest release that any of its services runs; of one that goes back, what its run led to."""
    leaves: Release
    """The oldest release that any service of the whole cloud runs; on the way back, what its run led to."""
    bootstrap: HostName
    """The host that does what must be done once."""
    services: tuple[ServiceLeft, ...]
    """In the order they go."""
    phases: tuple[PhaseLeft, ...]
    heads: tuple[SchemaHead, ...]
    """What its databases show in the end."""
    mode: Mode
    why: str
    """Why this mode: who says that both releases may serve side by side, or why they may not."""
    rosters: tuple[Roster, ...] = ()
    """Where its services report."""
    reports: tuple[ServiceReport, ...] = ()
    """What they reported."""
    back: bool = False
    """Whether it goes back to the release that it came from."""
    restored: tuple[Restored, ...] = ()
    """Its databases that a backup takes the place of."""

    @property
    def name(self) -> ComponentName:
        """The component."""
        return self.entry.name

    @property
    def cold(self) -> bool:
        """Whether all of it is stopped at once."""
        return self.mode is Mode.COLD

    @property
    def old(self) -> bool:
        """Whether any of its services is to change anywhere."""
        return any(service.turns for service in self.services)

    @property
    def staying(self) -> tuple[ServiceLeft, ...]:
        """Its services that the goal has."""
        return tuple(service for service in self.services if not service.ends)

    @property
    def pins(self) -> Mapping[tuple[str, ServiceName], int]:
        """By database and service, the version that callers keep to, as it was seen."""
        return pins(self.reports)

    def version(self, service: ServiceName) -> int | None:
        """The lowest version that the target's ``service`` writes; none if it is not known."""
        roster = self.known.roster
        return roster.version(service, self.target.release) if roster else None

    def rosters_of(self, service: ServiceName, host: HostName) -> tuple[Roster, ...]:
        """Where ``service`` on ``host`` was seen to report: nothing else says that it ever will."""
        own = {r.database for r in self.reports if r.service == service and r.is_from(host)}
        return tuple(roster for roster in self.rosters if roster.database in own)

    def rows_of(self, service: ServiceName, host: HostName) -> tuple[Roster, ...]:
        """Where ``service`` on ``host`` has a row, or may have one that it wrote at its start."""
        at_start = self.known.rows_at_start(self.entry.databases, {service})
        return (*self.rosters_of(service, host), *at_start)

    @property
    def whole(self) -> bool:
        """Whether nothing is left."""
        return not (self.phases or any(s.turns or s.returns or s.opens for s in self.services))


@dataclass(frozen=True, slots=True)
class Survey:
    """What is left of the whole cloud, component by component in their order."""

    source: Release
    """The oldest release that runs; on the way back, the one that the run led to."""
    target: Artifact
    components: tuple[Left, ...]
    """In the order they go: on the way back, what was upgraded last goes first."""
    back: bool = False


def survey(cloud: Cloud, record: Record, goal: Goal, catalog: Catalog, *, cold: bool = False) -> Survey:
    """What is left until every component of ``goal`` is whole at its release.

    With ``cold`` it is told of each as if all of it were stopped, and none need be able to serve meanwhile.

    Raises:
        Refused: nobody could say that a plan from here to there keeps the APIs serving; see ``refusals``.
    """
    target, back = record.artifact_for(goal.to), isinstance(goal, Rollback)
    if target is None:
        raise NoArtifact(goal)
    for name in record.components:
        if name not in catalog.components:
            raise UnknownComponent(name)
    names = catalog.sequence(frozenset(goal.components if isinstance(goal, Rollback) else record.components))
    running = {
        s.name: _running(cloud, record, catalog, entry=s, goal=goal)
        for name in names
        for s in record.components[name].services.values()
    }
    source = _source(goal, (a for on in running.values() for a in on.values()))
    start, end = (goal.to, source) if back else (source, goal.to)
    if start != end and not start.may_hop_to(end):
        raise NoPath(start, end, hops(start, end)[0] if start < end else None)
    to = _Destination(target, source, goal, cold)
    ordered = reversed(names) if back else names
    left = tuple(_left(cloud, record, catalog, (to, running), component=name) for name in ordered)
    return Survey(source, target, left, back)


def _source(goal: Goal, running: Iterable[Artifact | None]) -> Release:
    """The oldest release that runs; on the way back, the one that the run led to."""
    if isinstance(goal, Rollback):
        return goal.reached
    return min((artifact.release for artifact in running if artifact), default=goal.to)


@dataclass(frozen=True, slots=True)
class _Destination:
    """Where components go, and from which side."""

    artifact: Artifact
    source: Release
    """The oldest release that runs; on the way back, the one that the run led to, whatever still runs."""
    goal: Goal
    cold: bool
    """Whether each is looked at as one that is stopped as a whole."""

    @property
    def back(self) -> bool:
        return isinstance(self.goal, Rollback)

    @property
    def reached(self) -> Release | None:
        return self.source if self.back else None

    def restored(self, entry: ComponentEntry) -> tuple[Restored, ...]:
        """The databases of a component that are put back; all or none."""
        every = self.goal.restored if isinstance(self.goal, Restore) else ()
        return tuple(each for each in every if each.backup.database in entry.databases.values())

    def hop(self, running: Release) -> tuple[Release, Release]:
        """The two releases that live side by side, as an upgrade meets them: so they do on the way back."""
        here = self.artifact.release
        return (here, self.reached) if self.reached else (running, here)


def _running(
    cloud: Cloud, record: Record, catalog: Catalog, *, entry: ServiceEntry, goal: Goal
) -> dict[HostName, Artifact | None]:
    """What each host runs; of a service that is stopped, what it would run if it were started.

    None where it does not run because of its release: it begins later than what ran there, or ended before.
    """
    known = catalog.components[entry.component].service(entry.name)
    stays = _is_in(known, entry, goal.to)
    found: dict[HostName, Artifact | None] = {}
    for host in record.hosts_in(entry.role):
        unit = cloud.units.get((entry.name, host.name))
        if unit is None:
            raise not_read(cloud, f"unit {entry.name} {host.name}", goal)
        path = unit.running or (unit.linked if stays else None)
        artifact = record.artifact_at(path)
        begins = path is None and (known.since or entry.since)
        if artifact is None and (unit.running or (stays and not begins)):
            raise UnknownArtifact(entry.name, host.name, path, goal)
        found[host.name] = artifact
    return found


def _left(
    cloud: Cloud,
    record: Record,
    catalog: Catalog,
    at: tuple[_Destination, Mapping[ServiceName, dict[HostName, Artifact | None]]],
    *,
    component: ComponentName,
) -> Left:
    known = catalog.components[component]
    to, running = at
    target = to.artifact
    entry = record.components[known.name]
    rosters = known.rosters(entry.databases, entry.services)
    for roster in rosters:
        if f"reports {roster.database}" in cloud.unread:
            raise not_read(cloud, f"reports {roster.database}", to.goal)
    own = {name: running[name] for name in entry.services}
    oldest = min((a.release for on in own.values() for a in on.values() if a), default=target.release)
    hop, restored = to.hop(oldest), to.restored(entry)
    stops = restored or to.cold
    mode, why = (Mode.COLD, _RESTORED) if stops else mode_of(record, catalog, known, hop, goal=to.goal)
    together = {} if mode is Mode.COLD else known.together(*hop)
    services = tuple(
        _service(
            cloud,
            record,
            (known.service(name), entry.services[name]),
            (to, own[name], mode, together.get(name)),
            # An API is the last of its component on the way up, and among the first on the way back.
            api=hop[0],
            all_stop=bool(restored),
        )
        for name in as_they_go(known.sequence(frozenset(own)), mode, back=to.back)
    )
    services = tuple(s for s in services if s.turns or _is_in(s.known, s.entry, target.release))
    old = sum(len(service.old) for service in services)
    everywhere = sum(1 for on in own.values() for artifact in on.values() if artifact)
    databases = databases_of(cloud, entry, known, target, goal=to.goal)
    # No schema goes back: what the run added stays, and code of the release before runs beside it.
    phases = () if to.back else phases_left(databases, old_code=old > 0, new_code=old < everywhere)
    return Left(
        entry=entry,
        known=known,
        target=target,
        source=to.reached or oldest,
        leaves=to.source,
        bootstrap=record.hosts_of(known.name)[0].name,
        services=services,
        phases=phases,
        heads=_heads(databases, restored, phases),
        mode=mode,
        why=why,
        rosters=rosters,
        reports=tuple(report for report in cloud.reports if report.component == known.name),
        back=to.back,
        restored=restored,
    )


def _heads(
    databases: Databases, restored: Iterable[Restored], phases: Iterable[PhaseLeft]
) -> tuple[SchemaHead, ...]:
    """What a component's databases show in the end: as they are, restored, or once all phases have run."""
    rows = {each.backup.database: frozenset(each.rows) for each in restored}
    heads = {head.database: head for head in databases.heads({**databases.rows, **rows})}
    heads |= {head.database: head for phase in phases for head in phase.heads}
    return tuple(heads.values())


def _service(
    cloud: Cloud,
    record: Record,
    of: tuple[KnownService, ServiceEntry],
    at: tuple[_Destination, dict[HostName, Artifact | None], Mode, Together | None],
    *,
    api: Release,
    all_stop: bool,
) -> ServiceLeft:
    known, entry = of
    to, running, mode, together = at
    target = to.artifact
    ends = not _is_in(known, entry, target.release)
    out = frozenset(_out(cloud, entry))
    if ends:
        old = [host for host in running if cloud.units[entry.name, host].running]
    else:
        old = [host for host in running if all_stop or not _settled(cloud, entry, host, target)]
    last = _with_instances(record) if to.back and known.heard_late else frozenset[HostName]()
    turns = tuple(sorted(old, key=lambda host: (host not in out, host in last, host)))
    begins = frozenset(host for host in turns if _begins(cloud, of, host, to) and not ends)
    returns = tuple(host for host in sorted(out) if host not in turns and host in running and not ends)
    # What ends for good is not opened again, and nothing takes its place on its host.
    cold = ends or mode is Mode.COLD
    closed = closings(known, cloud.reports, running, api=api, cold=cold)
    if not turns:
        batch = 0
    elif together:
        batch = len(running)
    elif entry.balanced and mode is Mode.ROLLING and not ends and begins != frozenset(turns):
        batch = batch_of(cloud, record, entry, turns + returns, goal=to.goal)
    elif known.park:
        batch = 1  # one unparking would let go what another host's parking still holds
    else:
        most = (len(running) - 1, room(closed, known, cloud.reports))
        batch = min(record.policy.batch, *(max(n, 1) for n in most if n is not None))
    return ServiceLeft(entry, known, running, turns, returns, batch, begins, ends, closed, together)


def _with_instances(record: Record) -> frozenset[HostName]:
    compute = record.services.get(NOVA_COMPUTE)
    return frozenset(host.name for host in record.hosts_in(compute.role)) if compute else frozenset()


def _is_in(known: KnownService, entry: ServiceEntry, release: Release) -> bool:
    return known.is_in(release) and entry.is_in(release)


def _begins(cloud: Cloud, of: tuple[KnownService, ServiceEntry], host: HostName, to: _Destination) -> bool:
    """Whether a service only has to be started: the release that its host comes from does not have it."""
    known, entry = of
    unit = cloud.units[entry.name, host]
    bounds = (known.until, entry.until) if to.back else (known.since, entry.since)
    return any(bounds) and unit.running is None and unit.linked in {None, str(to.artifact.path)}


def _settled(cloud: Cloud, entry: ServiceEntry, host: HostName, target: Artifact) -> bool:
    """Whether the process runs the target and its next start would too."""
    unit = cloud.units[entry.name, host]
    return unit.running == unit.linked == str(target.path)


def _out(cloud: Cloud, entry: ServiceEntry) -> Iterator[HostName]:
    for backend in cloud.backends_of(entry.pool) if entry.balanced else ():
        if backend.state in _OUT:
            yield backend.server
