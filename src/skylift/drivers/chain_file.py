"""A chain in one SQLite file.

A row, its seal and the head are one transaction, so a death leaves all or nothing of them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from skylift.engine.chain import Kind, Row
from skylift.engine.in_bulk import in_bulk
from skylift.engine.journal import Overtaken
from skylift.engine.journal_problems import JournalDamaged, JournalFormat, JournalUnwritable
from skylift.model.problem import Problem
from skylift.model.seal import Signer

_COLUMNS = (
    "row INTEGER PRIMARY KEY, body BLOB NOT NULL, chain BLOB NOT NULL, key TEXT NOT NULL, mark TEXT NOT NULL"
)
_SCHEMA = (
    f"CREATE TABLE entry ({_COLUMNS})",
    "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), rows INTEGER NOT NULL, chain BLOB NOT NULL)",
)


_NOT_THE_FILE = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
    }
)
"""What SQLite says of the disk, of rights and of other processes: what is in the file is as it was."""
_PRIMARY = 0xFF
"""An error code of SQLite says in its lower byte what is wrong, above that where."""


class ChainFile:
    """An open file. Used by one thread; other processes may read and append to the same file meanwhile.

    Opening reads and verifies every row's chain; seals are for ``skylift verify``. The file has mode 0600.

    Raises:
        JournalDamaged: a row is not what was appended, or the file is none of its kind; it names the row.
        JournalFormat: another version of Skylift wrote it.
        JournalUnwritable: there is no such file and none can be made, or the disk does not let it be read.
    """

    def __init__(self, path: Path, kind: Kind, signer: Signer | None = None) -> None:
        self._path = path
        self._kind = kind
        self._signer = signer
        _create(path)
        with _told(path):
            self._db = _connected(path)
        self._open = True
        try:
            with _told(path):
                self._prepare()
                self._rows = _read(self._db, str(path), kind, ())
                self._version = self._others()
        except Problem:
            self.close()
            raise

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
            raise JournalUnwritable(str(self._path), f"SQLite says: {error}") from error
        self._rows.append(row)

    def rows(self, after: int = 0) -> tuple[Row, ...]:
        with _told(self._path):
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
        db = _connected(path)
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
        JournalDamaged, JournalFormat, JournalUnwritable: as opening it; the first also if there is no file.
    """
    if not path.exists():
        raise JournalDamaged(str(path), "there is no such file")
    with _told(path):
        db = _connected(path)
        try:
            db.execute("PRAGMA query_only = ON")
            return tuple(_read(db, str(path), kind, ()))
        finally:
            db.close()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What SQLite raises as a problem: of the file, or of the disk that it is on."""
    try:
        yield
    except sqlite3.Error as error:
        says = f"SQLite says: {error}"
        # An error of Python's own module has no code, such as that of a text which is no UTF-8.
        if getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _NOT_THE_FILE:
            raise JournalUnwritable(str(path), says, reading=True) from error
        raise JournalDamaged(str(path), says) from error


def _connected(path: Path) -> sqlite3.Connection:
    """A connection; on a disk that is mounted read-only, one that makes no file beside the journal.

    SQLite cannot read a file with a write-ahead log without one, and would make it. Where there is none,
    all is in the file itself, and nobody here can write it: only then may SQLite take it for one that never
    changes. Where there is one, a process died or the disk turned read-only, and SQLite reads both.
    """
    try:
        fixed = os.statvfs(path).f_flag & os.ST_RDONLY and not path.with_name(f"{path.name}-wal").exists()
    except OSError:  # what it is, SQLite tells
        fixed = False
    if not fixed:
        return sqlite3.connect(path, isolation_level=None)
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", isolation_level=None, uri=True)


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
