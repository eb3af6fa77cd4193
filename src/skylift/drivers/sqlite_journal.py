"""The journal of one run in one SQLite file, chained and sealed."""

from __future__ import annotations

from pathlib import Path

from skylift.drivers.chain_file import ChainFile, read_rows
from skylift.drivers.chain_journal import JOURNAL, ChainJournal, decoded
from skylift.engine.journal import Event
from skylift.model.seal import Signer


class SqliteJournal(ChainJournal):
    """The journal in the file at ``path``, which is made if it is not there.

    Raises:
        JournalDamaged, JournalFormat, JournalUnwritable: as ``ChainFile``; also if a row is no event.
    """

    def __init__(self, path: Path, signer: Signer | None = None) -> None:
        self._file = ChainFile(path, JOURNAL, signer)
        super().__init__(self._file, str(path))


def read_journal(path: Path) -> tuple[Event, ...]:
    """The events in ``path`` as they are now, while another process may be writing it.

    Raises:
        JournalDamaged, JournalFormat: as opening it; also if there is no such file.
    """
    return decoded(read_rows(path, JOURNAL), str(path))
