"""Backups: a database is saved, its restore is rehearsed, and, if all else fails, done (row 88)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from skylift.actions.action import Action, NothingToUndo, NoWayBack, Pending, Progress, Reversal
from skylift.actions.job import observe_job
from skylift.actions.prove import Placed
from skylift.model.backup import Backup
from skylift.model.cloud import UnitState
from skylift.model.ids import Epoch, HostName, UnitName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.schema import SchemaHead
from skylift.ports import NoJob, Ports

_DEAD = {UnitState.INACTIVE, UnitState.FAILED, UnitState.ABSENT}


class RestoreBesideLive(Refused):
    """A database was to be restored while a process of its component runs."""

    code = "restore.beside-live"

    def __init__(self, database: str, unit: UnitName, host: HostName) -> None:
        super().__init__(
            f"could not restore database {database}: {unit} on {host} runs, and would write into "
            "what is half there",
            Remedy(
                Fix.REPAIR, f"find out who started it, and stop it: skylift ssh {host} systemctl stop {unit}"
            ),
            Remedy(Fix.RETRY, "then: skylift retry"),
        )


class NotAsBackedUp(Refused):
    """A restored database does not have the schema that it had when it was backed up."""

    code = "restore.not-reached"
    job_ended = True

    def __init__(self, seen: SchemaHead, wanted: SchemaHead) -> None:
        super().__init__(
            f"the restore reported success, but the schema of {seen} instead of "
            f"{', '.join(sorted(wanted.rows))}",
            Remedy(Fix.REPAIR, "find out who else migrates this database, and end it"),
            Remedy(Fix.RETRY, "then restore it once more: skylift retry"),
        )


@dataclass(frozen=True, slots=True)
class BackUpDatabase(Action):
    """Dump one component's database, with a checksum beside it."""

    kind: ClassVar[str] = "back-up-database"

    host: HostName
    database: str
    folder: PurePosixPath
    label: str
    """Part of the file's name, the same for the whole plan."""

    @property
    def backup(self) -> Backup:
        """What it makes."""
        return Backup(self.host, self.folder, self.database, self.label)

    @property
    def title(self) -> str:
        return f"back up database {self.database} on {self.host}"

    @property
    def runs_on(self) -> HostName | None:
        return self.host

    def observe(self, ports: Ports) -> Progress:
        return observe_job(ports, self.host, self.title)

    def advance(self, ports: Ports) -> None:
        ports.jobs.start(self.host, ports.backups.dump_command(self.backup))

    def reversal(self) -> Reversal:
        return NothingToUndo("a backup is kept: it is the way back from the contract")


@dataclass(frozen=True, slots=True)
class RehearseRestore(Action):
    """Restore a backup on a server made for it on the same host, and see it whole there.

    The server has a folder and a socket of its own, no network, and ends with the command. Every table must
    be there with all its rows, and those that nobody wrote to while it was dumped as they are in the cloud.
    """

    kind: ClassVar[str] = "rehearse-restore"

    backup: Backup

    @property
    def title(self) -> str:
        return f"restore the backup of {self.backup.database} on a scratch server on {self.backup.host}"

    @property
    def runs_on(self) -> HostName | None:
        return self.backup.host

    def observe(self, ports: Ports) -> Progress:
        accept = "or go on without a backup to restore, the last way back: skylift skip STEP --reason WHY"
        return observe_job(ports, self.backup.host, self.title, Remedy(Fix.ACCEPT, accept))

    def advance(self, ports: Ports) -> None:
        ports.jobs.start(self.backup.host, ports.backups.rehearse_command(self.backup))

    def reversal(self) -> Reversal:
        return NothingToUndo("the scratch server is gone when it ends")


@dataclass(frozen=True, slots=True)
class RestoreDatabase(Action):
    """Put a backup in the place of its database, while nothing of its component runs anywhere.

    The command itself looks at the backup's checksum, at its time and at whether it was rehearsed, and
    compares every table with what the rehearsal found. Cut short, it begins from nothing.
    """

    kind: ClassVar[str] = "restore-database"

    backup: Backup
    finished: int
    """Of when the backup is that is meant, as its file says: in seconds since 1970-01-01 UTC."""
    head: SchemaHead
    """What its table of versions has then."""
    services: tuple[Placed, ...]
    """All that works with it."""
    kept: Backup
    """Where what is there now was saved before."""

    @property
    def title(self) -> str:
        return f"restore database {self.backup.database} from {self.backup}"

    @property
    def runs_on(self) -> HostName | None:
        return self.backup.host

    def observe(self, ports: Ports) -> Progress:
        """Done when the command has ended well and the database has its old schema.

        Raises:
            JobFailed: the backup is not what it must be, or could not be restored whole.
            NotAsBackedUp: somebody changed the schema since.
        """
        progress = observe_job(ports, self.backup.host, self.title)
        if isinstance(progress, Pending):
            return progress
        rows = ports.database.rows(self.head.database, self.head.table)
        seen = SchemaHead(self.head.database, self.head.table, rows)
        if seen != self.head:
            raise NotAsBackedUp(seen, self.head)
        return progress

    def advance(self, ports: Ports) -> None:
        """Not beside a process that lives; a host that does not answer may have one.

        Raises:
            RestoreBesideLive: one does.
        """
        if isinstance(ports.jobs.state(self.backup.host), NoJob):
            for placed in self.services:
                for host in placed.hosts:
                    if ports.services.unit(host, placed.unit, placed.link).state not in _DEAD:
                        raise RestoreBesideLive(self.backup.database, placed.unit, host)
        finished = Epoch(float(self.finished))
        ports.jobs.start(self.backup.host, ports.backups.restore_command(self.backup, finished))

    def reversal(self) -> Reversal:
        return NoWayBack(f"what was written since the backup is only in {self.kept} then")
