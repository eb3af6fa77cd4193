"""The journal of one run in one SQLite file, chained and sealed."""

from __future__ import annotations

import json
from pathlib import Path

from skylift.drivers.chain_file import ChainFile, Kind, Row, read_rows
from skylift.engine.journal import FORMAT, Event, JournalDamaged, decode_event, encode_event
from skylift.model.codec import Malformed
from skylift.model.seal import Signer

JOURNAL = Kind("journal", FORMAT)


class SqliteJournal:
    """An open journal. Used by one thread; other processes may read and append to the same file meanwhile.

    Raises:
        JournalDamaged, JournalFormat, JournalUnwritable: as ``ChainFile``; also if a row is no event.
    """

    def __init__(self, path: Path, signer: Signer | None = None) -> None:
        self._where = str(path)
        self._file = ChainFile(path, JOURNAL, signer)
        try:
            self._events = _decoded(self._file.rows(), self._where)
        except JournalDamaged:
            self._file.close()
            raise

    def append(self, event: Event, *, after: int) -> None:
        self._file.append(encode_event(event), after=after)
        self._events = (*self._events, event)

    def events(self) -> tuple[Event, ...]:
        rows = self._file.rows()
        self._events += _decoded(rows[len(self._events) :], self._where, len(self._events))
        return self._events

    def close(self) -> None:
        self._file.close()


def read_journal(path: Path) -> tuple[Event, ...]:
    """The events in ``path`` as they are now, while another process may be writing it.

    Raises:
        JournalDamaged, JournalFormat: as opening it; also if there is no such file.
    """
    return _decoded(read_rows(path, JOURNAL), str(path))


def _decoded(rows: tuple[Row, ...], where: str, known: int = 0) -> tuple[Event, ...]:
    return tuple(_decode(row.body, number, where) for number, row in enumerate(rows, start=known + 1))


def _decode(body: bytes, row: int, where: str) -> Event:
    try:
        return decode_event(json.loads(body))
    except (Malformed, ValueError) as error:
        raise JournalDamaged(where, f"row {row} is no event of format {FORMAT}: {error}") from error
