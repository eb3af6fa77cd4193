"""Backups of databases: files on a host of the database cluster, made, tried out and put back by jobs."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Protocol

from skylift.model.backup import Backup, Written
from skylift.model.ids import Epoch, HostName
from skylift.ports.jobs import Command


class Backups(Protocol):
    """What lies there, and the commands of jobs, which are pure."""

    def newest(self, host: HostName, folder: PurePosixPath, database: str) -> Epoch | None:
        """Of when the newest whole dump of ``database`` in ``folder`` is; none if there is none."""
        ...

    def rehearsed(self, backup: Backup) -> Epoch | None:
        """Of when a backup is that was rehearsed; none if it was not, or is not there any more."""
        ...

    def written_since(self, backup: Backup, finished: Epoch) -> tuple[Written, ...]:
        """What was written to its database since a rehearsed ``backup``, table by table, where any was.

        Raises:
            Refused: what the backup had can no longer be read.
        """
        ...

    def dump_command(self, backup: Backup) -> Command:
        """The command that dumps a database consistently, compressed, with its checksum beside it.

        The file is ``backup.file``; a partial one never bears that name.
        """
        ...

    def rehearse_command(self, backup: Backup) -> Command:
        """The command that restores ``backup`` on a server made for it, and says so if it is whole there."""
        ...

    def restore_command(self, backup: Backup, finished: Epoch) -> Command:
        """The command that puts ``backup`` in the place of its database, if it is of just then.

        It fails, and changes nothing, unless the backup's checksum holds and it was rehearsed.
        """
        ...
