"""A chain in one SQLite file.

A row, its seal and the head are one transaction, so a death leaves all or nothing of them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from skylift.engine.chain import Kind, Row
from skylift.engine.in_bulk import in_bulk
from skylift.engine.journal import Overtaken
from skylift.engine.journal_problems import JournalDamaged, JournalFormat, JournalUnwritable
from skylift.model.seal import Signer

_COLUMNS = (
    "row INTEGER PRIMARY KEY, body BLOB NOT NULL, chain BLOB NOT NULL, key TEXT NOT NULL, mark TEXT NOT NULL"
)
_SCHEMA = (
    f"CREATE TABLE entry ({_COLUMNS})",
    "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), rows INTEGER NOT NULL, chain BLOB NOT NULL)",
)


class ChainFile:
    """An open file. Used by one thread; other processes may read and append to the same file meanwhile.

    Opening reads and verifies every row's chain; seals are for ``skylift verify``. The file has mode 0600.

    Raises:
        JournalDamaged: a row is not what was appended, or the file is none of its kind; it names the row.
        JournalFormat: another version of Skylift wrote it.
        JournalUnwritable: there is no such file and none can be made.
    """

    def __init__(self, path: Path, kind: Kind, signer: Signer | None = None) -> None:
        self._path = path
        self._kind = kind
        self._signer = signer
        _create(path)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._open = True
        try:
            self._prepare()
            self._rows = _read(self._db, str(path), kind, ())
            self._version = self._others()
        except (JournalDamaged, JournalFormat):
            self.close()
            raise
        except sqlite3.Error as error:
            self.close()
            raise JournalDamaged(str(path), f"SQLite says: {error}") from error

    def append(self, body: bytes, *, after: int) -> None:
        before = self._kind.end_of(self._rows)
        row = self._kind.next_row(self._rows, body, self._signer, str(self._path))
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if self._db.execute("SELECT rows, chain FROM head").fetchone() != (after, before):
                self._db.execute("ROLLBACK")
                raise Overtaken
            self._db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", (after + 1, *row.stored))
            self._db.execute("UPDATE head SET rows = ?, chain = ?", (after + 1, row.chain))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise JournalUnwritable(str(self._path), str(error)) from error
        self._rows.append(row)

    def rows(self, after: int = 0) -> tuple[Row, ...]:
        if self._version != (version := self._others()):
            self._rows += _read(self._db, str(self._path), self._kind, self._rows)
            self._version = version
        return tuple(self._rows[after:])

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
        if not self._empty():
            return
        self._db.execute("BEGIN IMMEDIATE")
        # Another process may have made the tables meanwhile.
        if self._empty():
            for statement in _SCHEMA:
                self._db.execute(statement)
            self._db.execute("INSERT INTO head VALUES (1, 0, ?)", (self._kind.genesis,))
            self._db.execute(f"PRAGMA user_version = {self._kind.version}")
        self._db.execute("COMMIT")

    def _empty(self) -> bool:
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        return bool(tables == 0)


def head_of(path: Path) -> tuple[int, str] | None:
    """How many rows a file has, and the chain of the last one in hexadecimal; none if it cannot be read."""
    try:
        db = sqlite3.connect(path, isolation_level=None)
        try:
            db.execute("PRAGMA query_only = ON")
            rows, chain = db.execute("SELECT rows, chain FROM head").fetchone()
        finally:
            db.close()
    except (sqlite3.Error, TypeError):
        return None
    return int(rows), bytes(chain).hex()


def read_rows(path: Path, kind: Kind) -> tuple[Row, ...]:
    """The rows in ``path`` as they are now, while another process may be writing it.

    Raises:
        JournalDamaged, JournalFormat: as opening it; also if there is no such file.
    """
    if not path.exists():
        raise JournalDamaged(str(path), "there is no such file")
    try:
        db = sqlite3.connect(path, isolation_level=None)
        try:
            db.execute("PRAGMA query_only = ON")
            return tuple(_read(db, str(path), kind, ()))
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


def _read(db: sqlite3.Connection, where: str, kind: Kind, known: Sequence[Row]) -> list[Row]:
    """The rows after those that are ``known``."""
    # A file of format 1 does not say so: its number is SQLite's own beginning, 0.
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != kind.version:
        raise JournalFormat(where, version)
    db.execute("BEGIN")
    # A row with a number that no row can have is read, too, so that it is refused.
    stored = db.execute(
        "SELECT row, body, chain, key, mark FROM entry WHERE row > ? OR row < 1 ORDER BY row", (len(known),)
    ).fetchall()
    heads = db.execute("SELECT rows, chain FROM head").fetchall()
    db.execute("COMMIT")
    with in_bulk():
        return kind.checked(known, stored, heads, where)
