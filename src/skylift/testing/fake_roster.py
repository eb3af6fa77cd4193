"""The rows that services write of themselves: one that runs reports, and one that does not is silent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from skylift.catalog.component import KnownComponent
from skylift.model.cloud import UnitState
from skylift.model.ids import Epoch, HostName, ServiceName
from skylift.model.record import Record
from skylift.model.release import Release
from skylift.model.roster import Roster, RosterKind, ServiceReport
from skylift.testing.samples import NOW

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

DOWN_S = 60
"""After how long without a report a scheduler takes a service for down."""
REPORT_S = 10
"""How often a service reports, from its start on."""
_ABOVE_CELLS = ("nova-super-conductor", "nova-scheduler", "nova-api", "nova-metadata")

Place = tuple[ServiceName, HostName]


def reports_of(
    known: KnownComponent, record: Record, place: Place, release: Release
) -> Iterator[ServiceReport]:
    """The row that a service of ``release`` writes again and again on its host; none if it writes none."""
    if known.roster and place[0] in known.roster.services:
        entry = record.components[known.name]
        rosters = known.rosters(entry.databases, entry.services)
        yield from _rows(known, record, (place, release), rosters=rosters)


def row_at_start(
    known: KnownComponent, record: Record, place: Place, release: Release
) -> Iterator[ServiceReport]:
    """The row that a service of ``release`` writes when it starts and never again; none if it has none."""
    databases = record.components[known.name].databases
    rosters = known.rows_at_start(databases, {place[0]})
    yield from _rows(known, record, (place, release), rosters=rosters)


def _rows(
    known: KnownComponent, record: Record, of: tuple[Place, Release], *, rosters: tuple[Roster, ...]
) -> Iterator[ServiceReport]:
    (service, host), release = of
    entry = record.components[known.name]
    names = {database: name for name, database in entry.databases.items()}
    first = next((n for n in names.values() if n not in {"api", "cell0"}), "")
    home = "cell0" if service in _ABOVE_CELLS else record.hosts[host].cell or first
    for roster in rosters:
        if names[roster.database] in {"", home}:
            yield ServiceReport(
                component=known.name,
                database=roster.database,
                service=service,
                host=f"{host}@lvm" if service == "cinder-volume" else host,
                id=f"{service}-{host}",
                enabled=True,
                reason="",
                seen_at=Epoch(NOW - 5),
                version=known.roster.version(service, release) if known.roster else None,
                holds=roster.kind is RosterKind.CINDER or service == "nova-compute",
            )


class FakeRoster:
    """What services reported, and what is left of those that are gone."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self.strays: list[ServiceReport] = []
        """Rows of services that no host has any more."""
        self.closed: dict[str, str] = {}
        """Why a service is given no new work, by the id of its row; a report changes nothing in that."""
        self.mute: set[Place] = set()
        """Services that run and do not report."""
        self._written: dict[Place, tuple[ServiceReport, ...]] = {}
        self._at_start: dict[Place, tuple[ServiceReport, ...]] = {}

    @property
    def places(self) -> tuple[Place, ...]:
        """The services that have ever reported, each with its host."""
        return tuple(self._written)

    def rows(self, roster: Roster) -> tuple[ServiceReport, ...]:
        """All rows in one database, dead or alive."""
        own = {name.service for name in roster.names}
        return tuple(r for r in self.all() if r.database == roster.database and r.service in own)

    def all(self) -> Iterator[ServiceReport]:
        """All rows in any database, closed ones with the reason."""
        for row in self.every:
            closed = self.closed.get(row.id)
            yield row if closed is None else replace(row, enabled=False, reason=closed)

    def lower(self, row: ServiceReport, version: int) -> None:
        """Let a row tell of ``version``, if it tells of a newer one."""

        def lowered(found: ServiceReport) -> ServiceReport:
            own = (found.id, found.database) == (row.id, row.database) and (found.version or 0) > version
            return replace(found, version=version) if own else found

        for table in (self._written, self._at_start):
            table |= {place: tuple(map(lowered, rows)) for place, rows in table.items()}

    def restore(self, database: str, reports: tuple[ServiceReport, ...]) -> None:
        """Let a database have the rows that it once had, and no others."""
        for table in (self._written, self._at_start):
            for place, rows in table.items():
                ids = {row.id for row in rows if row.database == database}
                then = tuple(row for row in reports if row.id in ids)
                table[place] = (*(row for row in rows if row.database != database), *then)

    def starts(self, place: Place, release: Release) -> bool:
        """Let a service write what it writes at its start only; false if it refuses to be the oldest by far.

        So does one whose component has a floor, if all rows of its name are newer than it is.
        """
        record = self._cloud.record
        known = self._cloud.known.get(record.services[place[0]].component)
        if known is None or known.roster is None:
            return True
        at_start = tuple(row_at_start(known, record, place, release))
        for row in (*at_start, *reports_of(known, record, place, release)) if known.roster.floor else ():
            alike = (r for r in self.every if (r.database, r.service) == (row.database, row.service))
            if min((r.version or 0 for r in alike), default=0) > (row.version or 0):
                return False
        self._at_start[place] = at_start
        return True

    @property
    def every(self) -> tuple[ServiceReport, ...]:
        """All rows in all databases."""
        tables = (self._written, self._at_start)
        return (*(row for table in tables for rows in table.values() for row in rows), *self.strays)

    def takes_work(self, place: Place) -> bool:
        """Whether a scheduler would give new work to a service: it is neither closed nor taken for down."""
        return any(
            row.id not in self.closed and not row.silent_for(self._cloud.now, DOWN_S)
            for row in self._written.get(place, ())
        )

    def pass_moment(self, *, at_once: bool = False) -> None:
        """Let each service that runs report when its time has come."""
        cloud, now = self._cloud, self._cloud.now
        for entry in cloud.record.services.values():
            known = cloud.known.get(entry.component)
            if known is None or known.roster is None:
                continue
            for host in cloud.record.hosts_in(entry.role):
                unit, place = cloud.hosts[host.name].units[entry.unit], (entry.name, host.name)
                since = now - (unit.started_at or now)
                due = at_once or (since > 0 and since % REPORT_S == 0)
                if not due or unit.state is not UnitState.ACTIVE or place in self.mute:
                    continue
                if artifact := cloud.record.artifact_at(str(unit.running)):
                    found = reports_of(known, cloud.record, place, artifact.release)
                    self._written[place] = tuple(replace(r, seen_at=now) for r in found)
