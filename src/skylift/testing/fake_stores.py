"""What is in the databases of the fake cloud, as far as a backup of them can be told from another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from skylift.model.backup import Backup, Written
from skylift.model.cloud import UnitState
from skylift.model.ids import Epoch, HostName
from skylift.model.roster import ServiceReport
from skylift.ports import Ended
from skylift.testing.fake_state import GIB, FakeHost

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

_NEEDS_BYTES = GIB // 2
_STOPPED = {UnitState.INACTIVE, UnitState.FAILED}

Place = tuple[HostName, PurePosixPath]


@dataclass(frozen=True, slots=True)
class FakeDump:
    """What one dump holds."""

    at: Epoch
    rows: frozenset[str]
    """Of the table of versions."""
    reports: tuple[ServiceReport, ...]
    witnesses: frozenset[str]
    """The labels of those that were made by then."""


@dataclass(frozen=True, slots=True)
class FakeRow:
    """Something that a user made."""

    at: Epoch
    database: str
    table: str


@dataclass
class FakeStores:
    """Databases that can be dumped and restored."""

    cloud: FakeCloud
    dumps: dict[Place, FakeDump] = field(default_factory=dict)
    rehearsed: set[Place] = field(default_factory=set)
    damaged: set[Place] = field(default_factory=set)
    """Dumps of which a byte is not as it was: nobody knows until somebody looks."""
    made: list[FakeRow] = field(default_factory=list)
    """What users made, and still have."""
    torn: list[str] = field(default_factory=list)
    """Restores beside a process that works on the same database: what is in it now, nobody knows."""

    def make(self, database: str, table: str) -> None:
        """Let a user make something, just now."""
        self.made.append(FakeRow(self.cloud.now, database, table))

    def dump(self, host: FakeHost, database: str, path: PurePosixPath) -> Ended:
        """Write a dump."""
        if host.disk_free_bytes < _NEEDS_BYTES:
            return Ended(1, "zstd: error 70 : Write error : No space left on device")
        cloud, place = self.cloud, (host.name, path)
        reports = tuple(row for row in cloud.roster.every if row.database == database)
        rows, now = cloud.rows.get(database, frozenset()), Epoch(cloud.now)
        self.dumps[place] = FakeDump(now, rows, reports, frozenset(cloud.witnesses))
        cloud.backups[place] = now
        return Ended(0, str(path))

    def rehearse(self, host: FakeHost, path: PurePosixPath) -> Ended:
        """Restore a dump on a scratch server."""
        place = (host.name, path)
        if place not in self.dumps or place in self.damaged:
            return Ended(1, f"could not find the backup as it was made: {path}")
        self.rehearsed.add(place)
        return Ended(0, "all tables restored whole")

    def restore(self, host: FakeHost, database: str, path: PurePosixPath, finished: int) -> Ended:
        """Put a dump in the place of its database."""
        place = (host.name, path)
        if place not in self.rehearsed or place in self.damaged or int(self.dumps[place].at) != finished:
            return Ended(1, f"could not restore {database}: its backup was never rehearsed: {path}")
        cloud, dump = self.cloud, self.dumps[place]
        component = cloud.record.databases[database]
        for entry in cloud.record.components[component].services.values():
            for other in cloud.hosts.values():
                unit = other.units.get(entry.unit)
                if unit is not None and unit.state not in _STOPPED:
                    self.torn.append(f"{database} was restored beside {entry.unit} on {other.name}")
        cloud.rows[database] = dump.rows
        cloud.roster.restore(database, dump.reports)
        self.made = [row for row in self.made if row.database != database or row.at <= dump.at]
        cloud.witnesses |= dict.fromkeys(cloud.witnesses.keys() - dump.witnesses, False)
        return Ended(0, f"{database} is as it was in {path}")

    def proved(self, backup: Backup) -> Epoch | None:
        """When a dump was finished that was rehearsed."""
        place = (backup.host, backup.file)
        return Epoch(float(int(self.dumps[place].at))) if place in self.rehearsed else None

    def written_since(self, backup: Backup, finished: Epoch) -> tuple[Written, ...]:
        """What users made since, by table."""
        own = [r.table for r in self.made if r.database == backup.database and r.at > finished]
        return tuple(Written(table, own.count(table), 0, 0) for table in sorted(set(own)))
