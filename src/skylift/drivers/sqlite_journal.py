"""The journal of one run in one SQLite file, each row chained to the one before it by its hash.

The chain tells a changed, lost or swapped row, and the head kept beside it tells a lost end. It is no
signature: whoever may write the file can also forge the whole of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from pathlib import Path

from skylift.engine.journal import (
    FORMAT,
    Event,
    JournalDamaged,
    JournalFormat,
    JournalUnwritable,
    Overtaken,
    decode_event,
    encode_event,
)
from skylift.model.codec import Malformed

_GENESIS = hashlib.sha256(f"skylift journal {FORMAT}".encode()).digest()
_SCHEMA = (
    "CREATE TABLE event (row INTEGER PRIMARY KEY, body BLOB NOT NULL, chain BLOB NOT NULL)",
    "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), rows INTEGER NOT NULL, chain BLOB NOT NULL)",
)


class SqliteJournal:
    """An open journal. Used by one thread; other processes may read and append to the same file meanwhile.

    Opening reads and verifies every row. The file has mode 0600.

    Raises:
        JournalDamaged: a row is not what was appended, or the file is no journal; it names the row.
        JournalFormat: another version of Skylift wrote it.
        JournalUnwritable: there is no such file and none can be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        _create(path)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._open = True
        try:
            self._prepare()
            self._events, self._chain = _read(self._db, str(path))
            self._version = self._others()
        except (JournalDamaged, JournalFormat):
            self.close()
            raise
        except sqlite3.Error as error:
            self.close()
            raise JournalDamaged(str(path), f"SQLite says: {error}") from error

    def append(self, event: Event, *, after: int) -> None:
        body = encode_event(event)
        row, chain = after + 1, _link(self._chain, body)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            head = self._db.execute("SELECT rows, chain FROM head").fetchone()
            if head != (after, self._chain):
                self._db.execute("ROLLBACK")
                raise Overtaken
            self._db.execute("INSERT INTO event (row, body, chain) VALUES (?, ?, ?)", (row, body, chain))
            self._db.execute("UPDATE head SET rows = ?, chain = ?", (row, chain))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise JournalUnwritable(str(self._path), str(error)) from error
        self._chain = chain
        self._events = (*self._events, event)

    def events(self) -> tuple[Event, ...]:
        if self._version != (version := self._others()):
            self._events, self._chain = _read(self._db, str(self._path), (self._events, self._chain))
            self._version = version
        return self._events

    def close(self) -> None:
        if self._open:
            self._open = False
            self._db.close()

    def _others(self) -> int:
        """A number that changes whenever another process has written to the file."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        # NORMAL, the usual choice with WAL, may lose the last commits in a power cut. What the cloud did
        # we would observe again; which attempt a job was started under we would not, and a second
        # attempt would run it twice. FULL costs one fsync per event, and a run has hundreds of events.
        self._db.execute("PRAGMA synchronous = FULL")
        if self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
            self._db.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                self._db.execute(statement)
            self._db.execute("INSERT INTO head VALUES (1, 0, ?)", (_GENESIS,))
            self._db.execute(f"PRAGMA user_version = {FORMAT}")
            self._db.execute("COMMIT")


def read_journal(path: Path) -> tuple[Event, ...]:
    """The events in ``path`` as they are now, while another process may be writing it.

    Raises:
        JournalDamaged, JournalFormat: as opening it; also if there is no such file.
    """
    if not path.exists():
        raise JournalDamaged(str(path), "there is no such file")
    try:
        db = sqlite3.connect(path, isolation_level=None)
        try:
            db.execute("PRAGMA query_only = ON")
            return _read(db, str(path))[0]
        finally:
            db.close()
    except sqlite3.Error as error:
        raise JournalDamaged(str(path), f"SQLite says: {error}") from error


def _create(path: Path) -> None:
    """Before SQLite would, for it would ask the umask who may read; its other files take this mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise JournalUnwritable(str(path), error.strerror or "no reason given") from error
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(
    db: sqlite3.Connection, where: str, known: tuple[tuple[Event, ...], bytes] = ((), _GENESIS)
) -> tuple[tuple[Event, ...], bytes]:
    """All events and the end of their chain; ``known`` are those that were read before."""
    # A file of format 1 does not say so: its number is SQLite's own beginning, 0.
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != FORMAT:
        raise JournalFormat(where, version)
    chain, events = known[1], list(known[0])
    first = len(events) + 1
    db.execute("BEGIN")
    # A row with a number that no row can have is read, too, so that it is refused.
    rows = db.execute(
        "SELECT row, body, chain FROM event WHERE row >= ? OR row < 1 ORDER BY row", (first,)
    ).fetchall()
    heads = db.execute("SELECT rows, chain FROM head").fetchall()
    db.execute("COMMIT")
    for expected, (row, body, stored) in enumerate(rows, start=first):
        if row != expected:
            raise JournalDamaged(where, f"row {expected} is missing")
        if not isinstance(body, bytes) or _link(chain, body) != stored:
            raise JournalDamaged(where, f"row {row} is not what was written")
        events.append(_decode(body, row, where))
        chain = stored
    if heads != [(len(events), chain)]:
        raise JournalDamaged(where, f"it should not end with row {len(events)}")
    return tuple(events), chain


def _decode(body: bytes, row: int, where: str) -> Event:
    try:
        return decode_event(json.loads(body))
    except (Malformed, ValueError) as error:
        raise JournalDamaged(where, f"row {row} is no event of format {FORMAT}: {error}") from error


def _link(before: bytes, body: bytes) -> bytes:
    return hashlib.sha256(before + body).digest()
