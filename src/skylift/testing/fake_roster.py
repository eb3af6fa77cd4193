"""The rows that services write of themselves: one that runs reports, and one that does not is silent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from skylift.catalog.catalog import load
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
_ABOVE_CELLS = ("nova-super-conductor", "nova-scheduler")

Place = tuple[ServiceName, HostName]


def reports_of(
    known: KnownComponent, record: Record, place: Place, release: Release
) -> Iterator[ServiceReport]:
    """The row that a service of ``release`` writes again and again on its host; none if it writes none."""
    service, host = place
    entry = record.components[known.name]
    if known.roster is None or service not in known.roster.services:
        return
    names = {database: name for name, database in entry.databases.items()}
    first = next((n for n in names.values() if n not in {"api", "cell0"}), "")
    home = "cell0" if service in _ABOVE_CELLS else record.hosts[host].cell or first
    for roster in known.rosters(entry.databases, entry.services):
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
                version=known.roster.version(service, release),
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
        self._written: dict[Place, tuple[ServiceReport, ...]] = {}
        self.pass_moment(at_once=True)

    def rows(self, roster: Roster) -> tuple[ServiceReport, ...]:
        """All rows in one database, dead or alive."""
        return tuple(row for row in self.all() if row.database == roster.database)

    def all(self) -> Iterator[ServiceReport]:
        """All rows in any."""
        written = [report for reports in self._written.values() for report in reports]
        for row in (*written, *self.strays):
            closed = self.closed.get(row.id)
            yield row if closed is None else replace(row, enabled=False, reason=closed)

    def takes_work(self, place: Place) -> bool:
        """Whether a scheduler would give new work to a service: it is neither closed nor taken for down."""
        return any(
            row.id not in self.closed and not row.silent_for(self._cloud.now, DOWN_S)
            for row in self._written.get(place, ())
        )

    def pass_moment(self, *, at_once: bool = False) -> None:
        """Let each service that runs report when its time has come."""
        record = self._cloud.record
        catalog = load(record.catalog)
        for entry in record.services.values():
            known = catalog.components.get(entry.component)
            if known is None or known.roster is None:
                continue
            for host in record.hosts_in(entry.role):
                unit = self._cloud.hosts[host.name].units[entry.unit]
                since = self._cloud.now - (unit.started_at or self._cloud.now)
                artifact = record.artifact_at(str(unit.running))
                due = at_once or (since > 0 and since % REPORT_S == 0)
                if unit.state is UnitState.ACTIVE and artifact and due:
                    place = (entry.name, host.name)
                    found = reports_of(known, record, place, artifact.release)
                    self._written[place] = tuple(replace(r, seen_at=self._cloud.now) for r in found)
