"""The SQL database under the services."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Protocol

from skylift.model.backup import Backup, Written
from skylift.model.cloud import GaleraNode
from skylift.model.ids import Epoch, HostName
from skylift.model.roster import Roster, ServiceReport
from skylift.model.work import InHand
from skylift.ports.jobs import Command


class Database(Protocol):
    """The database cluster. Reads only, but for one number in a row; dumps and restores are jobs."""

    def rows(self, database: str, table: str = "alembic_version") -> frozenset[str]:
        """The rows of a database's table of versions; empty if the table is empty or absent."""
        ...

    def reports(self, roster: Roster) -> tuple[ServiceReport, ...]:
        """Every row that a service of ``roster`` has there, alive or not; none that was deleted."""
        ...

    def lower_version(self, roster: Roster, row: ServiceReport, version: int) -> None:
        """Let ``row`` tell of ``version``, if it tells of a newer one; no effect otherwise.

        Raises:
            ValueError: rows of this kind of roster have no one version.
        """
        ...

    def work(self, roster: Roster) -> tuple[InHand, ...]:
        """What the services of ``roster`` have in hand, state by state, as far as it leaves a trace there."""
        ...

    def work_of(
        self, roster: Roster, row: ServiceReport, *, promised_before: Epoch | None
    ) -> tuple[InHand, ...]:
        """What the service that wrote ``row`` has in hand, state by state, as far as it leaves a trace there.

        What users asked for before ``promised_before`` and nobody has yet counts, too, for it may be on its
        way to this service; all of that if it is none.
        """
        ...

    def nodes(self) -> tuple[GaleraNode, ...]:
        """Each database server's own view of the cluster; a server that does not answer is left out."""
        ...

    def grants(self, user: str) -> tuple[str, ...]:
        """The user's grants as SQL, then server variables that migrations rely on as ``name=value``."""
        ...

    def newest_backup(self, host: HostName, folder: PurePosixPath, database: str) -> Epoch | None:
        """When the newest whole dump of ``database`` in ``folder`` was finished; none if there is none."""
        ...

    def dump_command(self, backup: Backup) -> Command:
        """The command that dumps a database consistently, compressed, with its checksum beside it.

        The file is ``backup.file``; a partial one never bears that name. Pure, as the other commands are.
        """
        ...

    def rehearse_command(self, backup: Backup) -> Command:
        """The command that restores ``backup`` on a server made for it, and says so if it is whole there."""
        ...

    def restore_command(self, backup: Backup, finished: Epoch) -> Command:
        """The command that puts ``backup`` in the place of its database, if it was finished just then.

        It fails, and changes nothing, unless the backup's checksum holds and it was rehearsed.
        """
        ...

    def rehearsed(self, backup: Backup) -> Epoch | None:
        """When a backup was finished that was rehearsed; none if it was not, or is not there any more."""
        ...

    def written_since(self, backup: Backup, finished: Epoch) -> tuple[Written, ...]:
        """What was written to its database since a rehearsed ``backup``, table by table, where any was.

        Raises:
            Refused: what the backup had can no longer be read.
        """
        ...
