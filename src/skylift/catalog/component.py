"""What a component's TOML file may say: each class here is a table of it, each field a key.

A key without a default must be there, one that is not here is refused, and every statement has its
source beside it: a document with its section, a file of a release's own source, or a measurement.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePosixPath
from typing import Literal

from skylift.catalog.known_roster import KnownRoster
from skylift.model.ids import ComponentName, Seconds, ServiceName
from skylift.model.release import Release
from skylift.model.roster import Roster


class Plane(Enum):
    """What is touched when it is (row 14): who runs the cloud, or what carries users' resources."""

    CONTROL = "control"
    DATA = "data"


class Front(Enum):
    """How work reaches a service."""

    BALANCED = "balanced"
    """HTTP, behind the balancer."""
    RPC = "rpc"
    """Messages from the bus."""
    OWN = "own"
    """A protocol of its own, that knows its peers itself."""
    NONE = "none"
    """It looks for work by itself."""


class Tag(Enum):
    """The last upgrade tag that governance knew of a component; each holds what stands above it."""

    NONE = "none"
    UPGRADE = "upgrade"
    ACCESSIBLE = "accessible"
    ROLLING = "rolling"


class Ends(Enum):
    """What becomes of the work that a service has in hand when it is stopped (rows 96, 97)."""

    FINISHES = "finishes"
    """It ends what it has, and takes nothing new."""
    HANDS_OVER = "hands-over"
    """Another one goes on with it."""
    LOSES = "loses"
    """It is lost unless something is done about it before."""


@dataclass(frozen=True, slots=True)
class BeforeStart:
    """A command on a service's host between its stop and its start, without which users notice the start."""

    name: str
    """What it does, as an order to somebody."""
    since: Release
    """The first release that starts so; it is due where an older one is left for this one or a newer."""
    argv: tuple[str, ...]
    """Run as root; ``{artifact}`` stands for the path of the target artifact."""
    because: str
    source: str


@dataclass(frozen=True, slots=True)
class HeardLate:
    """On a way back: those that speak to a service do not know at first that one of its release is there.

    Then the first host that goes back is waited for before any other does, and should be one without users'
    instances.
    """

    for_s: Seconds
    """After how long, from its start, all of them know."""
    because: str
    source: str


@dataclass(frozen=True, slots=True)
class KnownService:
    """One kind of process of a component."""

    name: ServiceName
    front: Front
    ends: Ends
    ends_because: str
    ends_source: str
    plane: Plane = Plane.CONTROL
    health: str = ""
    """Balanced only: path of a URL that answers below 500 without a token when the service is well."""
    health_source: str = ""
    ask: str = ""
    """Balanced only: path of a URL that any user with a token may read; it makes the service load all it
    needs."""
    ask_source: str = ""
    park: tuple[ServiceName, ...] = ()
    """Balanced services whose requests wait while this one is restarted: it cannot hand its work over."""
    close: bool = False
    """Whether its host is closed to new work before it is stopped, and opened when it is back."""
    openable: Release | None = None
    """The last release whose API opens a closed host again; none if every one does."""
    openable_source: str = ""
    before_start: BeforeStart | None = None
    heard_late: HeardLate | None = None
    since: Release | None = None
    """First release that has it; none if every release of the component does."""
    until: Release | None = None
    """Last release that has it; none if every release since does."""

    def closes_in(self, api: Release) -> bool:
        """Whether its host is closed before it is stopped, where the API that opens it is of this release."""
        return self.close and (self.openable is None or api <= self.openable)

    def due_before_start(self, start: Release, goal: Release) -> BeforeStart | None:
        """What is to be run on its host before ``goal`` starts there after ``start``; none if nothing is.

        Nothing is due on a way back, which leads to the older release.
        """
        due = self.before_start
        return due if due and start < due.since <= goal else None

    def is_in(self, release: Release) -> bool:
        """Whether ``release`` has this service."""
        return (self.since is None or self.since <= release) and (self.until is None or release <= self.until)


@dataclass(frozen=True, slots=True)
class KnownSchema:
    """One database of a component."""

    migrations: PurePosixPath
    """Folder of migration files in an artifact; a ``*`` in a name stands for anything."""
    privileges: tuple[str, ...]
    """What the service's own database user needs on it for all phases."""
    privileges_source: str
    name: str = ""
    """Its name among the component's databases; empty where there is just one."""
    table: str = "alembic_version"
    per_cell: bool = False
    """Whether there is one in every cell."""
    triggers: str = ""
    """Source of the rule that its phases may make triggers, which a binary log hinders; empty if none."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One command that brings a component's database further, and when it may run."""

    name: str
    stage: Literal["expand", "cold", "converge"]
    """``expand``: while old code serves, before any new; ``cold``: while no code runs at all;
    ``converge``: when no old code is left."""
    argv: tuple[str, ...]
    """The command, with ``{artifact}`` for the path of the target artifact."""
    because: str
    """Why the order between this phase and the code is as it is."""
    source: str
    beside_old: str = ""
    """Why old code may serve while it runs; empty if it may not."""
    schema: str = ""
    """Which of the component's databases it moves."""
    branch: str = ""
    """Branch of migrations that it runs; ``all`` for every one, empty if it moves rows only."""
    destructive: bool = False
    """Whether nobody says that old code runs on what it leaves behind: it drops something, or rows get a new
    form. So it is a point of no return, and approved by its name."""
    again: int | None = None
    """Return code that says more rows are left: it is run in batches then, with ``{batch}`` for how many
    rows at a time."""


@dataclass(frozen=True, slots=True)
class Pin:
    """How a component keeps to the old form of its messages while both releases run (row 90)."""

    mechanism: Literal["services-table", "option"]
    """``services-table``: the lowest version that its services' rows show; ``option``: set by an operator."""
    option: str
    """The option in its configuration that decides, with its section."""
    services: tuple[ServiceName, ...]
    """Those that must be restarted to look again, in their order. SIGHUP is not relied on: it has a history
    of doing nothing here (Nova, LP 1833069), and Cinder's API never looks again on it."""
    source: str


@dataclass(frozen=True, slots=True)
class AfterStep:
    """A command that is due when every service is new, before the component is verified."""

    name: str
    argv: tuple[str, ...]
    because: str
    source: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """``before`` ends before ``after`` begins, for every pair of events that they match.

    An event is a verb and a subject: ``stop``, ``start``, ``upgrade``, ``close`` or ``open`` with a
    service or a component; ``run`` with ``COMPONENT:PHASE``; ``pin`` and ``unpin`` with a component.
    """

    before: str
    after: str
    because: str
    source: str
    within: Literal["cloud", "cell", "host"] = "cloud"
    """Whether it holds across the cloud, or in each cell or on each host by itself."""


@dataclass(frozen=True, slots=True)
class Jump:
    """Two releases of one component, and who says whether they may serve side by side."""

    start: Release
    goal: Release
    source: str


@dataclass(frozen=True, slots=True)
class Together:
    """A service whose processes of two releases must not live at the same time, where all else may."""

    service: ServiceName
    start: Release
    goal: Release
    park: tuple[ServiceName, ...]
    """Balanced services that give it work: their requests wait until it lives again."""
    because: str
    source: str
    """Who says that all else of both releases may serve side by side, and this service may not."""


@dataclass(frozen=True, slots=True)
class Rolling:
    """Who says that two releases of a component may serve at the same time."""

    adjacent: str = ""
    """Source of the rule that a release and its next may; empty if nobody says so."""
    jumps: tuple[Jump, ...] = ()
    """Hops of which somebody says so in particular."""
    never: tuple[Jump, ...] = ()
    """Hops on which they may not, whatever the rule, and how that is known."""
    together: tuple[Together, ...] = ()
    """Hops on which they may, but for a service that is switched on all its hosts together."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """How far a component's own steps lead back to the release that it came from."""

    ends: tuple[str, ...]
    """The events of an upgrade of which the first to begin ends it: ``run COMPONENT:PHASE``,
    ``unpin COMPONENT`` or ``start SERVICE``, as in a ``Constraint``; none if it is open for good."""
    because: str
    """Why it ends there, and what going back leaves as it is."""
    source: str


@dataclass(frozen=True, slots=True)
class Commands:
    """Programs of an artifact that answer questions, with ``{artifact}``; empty if it has none."""

    upgrade_check: tuple[str, ...] = ()
    """``COMPONENT-status upgrade check``."""
    doctor: tuple[str, ...] = ()
    """A command that looks for mistakes in the deployment."""
    unset_machine_types: tuple[str, ...] = ()
    """A command that lists the instances whose type of machine is not written down, and changes nothing."""


@dataclass(frozen=True, slots=True)
class KnownComponent:
    """One OpenStack component, as upstream ships it."""

    name: ComponentName
    type: str
    """Its type in keystone's catalog; empty if it has no endpoint."""
    plane: Plane
    releases: tuple[Release, Release]
    """First and last release that the file speaks of."""
    tag: Tag
    tag_source: str
    data_plane: str
    """What users of existing resources notice while it is upgraded."""
    data_plane_source: str
    way_back: WayBack
    services: tuple[KnownService, ...]
    schemas: tuple[KnownSchema, ...] = ()
    phases: tuple[Phase, ...] = ()
    """In their order."""
    aliases: tuple[str, ...] = ()
    """Other types that clouds have the same API under. Source: OpenStack Service Types Authority, aliases."""
    commands: Commands = field(default_factory=Commands)
    pin: Pin | None = None
    roster: KnownRoster | None = None
    after: tuple[AfterStep, ...] = ()
    order: tuple[Constraint, ...] = ()
    rolling: Rolling = field(default_factory=Rolling)

    def service(self, name: ServiceName) -> KnownService:
        """The service called ``name``.

        Raises:
            KeyError: the component has none.
        """
        return {found.name: found for found in self.services}[name]

    def schema(self, name: str) -> KnownSchema:
        """The database called ``name``.

        Raises:
            KeyError: the component has none.
        """
        return {found.name: found for found in self.schemas}[name]

    def schema_in(self, databases: Mapping[str, str], database: str) -> KnownSchema:
        """The schema in ``database``, of the databases of a record by their names there.

        A name that no schema of the component has is that of a cell.

        Raises:
            KeyError: none of them is ``database``, or the component has no such schema.
        """
        name = {there: name for name, there in databases.items()}[database]
        named = {found.name: found for found in self.schemas if not found.per_cell}
        of_cells = {found.per_cell: found for found in self.schemas}
        return named[name] if name in named else of_cells[True]

    def databases_of(self, databases: Mapping[str, str], schema: str) -> tuple[str, ...]:
        """The databases that have ``schema``: one, or one in every cell."""
        return tuple(there for there in databases.values() if self.schema_in(databases, there).name == schema)

    def rosters(self, databases: Mapping[str, str], present: Collection[ServiceName]) -> tuple[Roster, ...]:
        """Where those of its services that are ``present`` report, database by database."""
        if self.roster is None:
            return ()
        own, known = self.databases_of(databases, self.roster.schema), self.roster
        return tuple(
            Roster(known.kind, self.name, database, known.names_in(name, present), known.remove)
            for name, database in databases.items()
            if database in own
        )

    def rows_at_start(
        self, databases: Mapping[str, str], present: Collection[ServiceName]
    ) -> tuple[Roster, ...]:
        """Where those that write a row at their start only have it, database by database."""
        known, names = self.roster, self.roster.names_at_start(present) if self.roster else ()
        if known is None or not names:
            return ()
        own = self.databases_of(databases, known.schema)
        return tuple(Roster(known.kind, self.name, database, names, known.remove) for database in own)

    def sequence(self, wanted: frozenset[ServiceName]) -> tuple[ServiceName, ...]:
        """``wanted`` of its services in an order that keeps every rule between them; else in the file's.

        Raises:
            ValueError: the rules contradict each other.
        """
        rules = [(r.before.partition(" ")[2], r.after.partition(" ")[2]) for r in self.order]
        left, ordered = [s.name for s in self.services if s.name in wanted], list[ServiceName]()
        while left:
            free = [s for s in left if not any(after == s and before in left for before, after in rules)]
            if not free:
                msg = f"the order of {', '.join(left)} contradicts itself"
                raise ValueError(msg)
            ordered.append(free[0])
            left.remove(free[0])
        return tuple(ordered)

    def together(self, start: Release, goal: Release) -> Mapping[ServiceName, Together]:
        """The services that are switched on all their hosts together on this hop."""
        return {t.service: t for t in self.rolling.together if (t.start, t.goal) == (start, goal)}

    def rolling_proof(self, start: Release, goal: Release) -> str | None:
        """Who says that both releases may serve at the same time; none if nobody does."""
        if start == goal:
            return "the release stays the same"
        if any((hop.start, hop.goal) == (start, goal) for hop in self.rolling.never):
            return None
        proofs: tuple[Together | Jump, ...] = (*self.rolling.together, *self.rolling.jumps)
        own = next((proof.source for proof in proofs if (proof.start, proof.goal) == (start, goal)), "")
        return own or (self.rolling.adjacent if goal == start.following else "") or None
