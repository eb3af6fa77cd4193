"""A backup of one database: where it lies, how old it is, and what has been written since."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from skylift.model.ids import HostName


@dataclass(frozen=True, slots=True)
class Backup:
    """One dump, in a folder that only root reads; what proves it lies beside it.

    It counts as a backup once the checksum beside it holds, and as verified once it was restored on a server
    of its own and found whole there, which a third file says of that very checksum.
    """

    host: HostName
    folder: PurePosixPath
    database: str
    label: str
    """Part of the file's name, the same for the whole plan that made it."""

    @property
    def file(self) -> PurePosixPath:
        """Where the dump is once it is whole, as ``ports.Backups.dump_command`` promises."""
        return self.folder / f"{self.database}-{self.label}.sql.zst"

    @property
    def checksum(self) -> PurePosixPath:
        """Where what ``sha256sum -c`` reads of it lies."""
        return self.folder / f"{self.file.name}.sha256"

    def __str__(self) -> str:
        return f"{self.host}:{self.file}"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written to one table since a backup was made, and is lost if that is restored."""

    table: str
    created: int
    """Rows that are new."""
    changed: int
    """Rows that are older, and changed since, as far as the table says when."""
    removed: int
    """Rows that are gone, and would be there again."""
