"""A PostgreSQL database as the store of runs: the connection to it, and the tables that it must have.

The password comes from PGPASSFILE or ~/.pgpass, or from PGPASSWORD: libpq reads them, we never do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from skylift.engine.store_problems import (
    StoreFormat,
    StoreReference,
    StoreRefuses,
    StoreUnreachable,
    goes_on,
)
from skylift.model.problem import Problem
from skylift.model.store_reference import told, why_not

VERSION = 2
"""Of the tables; a reader refuses any other."""

Connection = psycopg.Connection[tuple[Any, ...]]

_LIMITS = {
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "application_name": "skylift",
}
"""So that a dead network is an answer within seconds; the reference may say otherwise."""
_OPTIONS = "-c synchronous_commit=on -c lock_timeout=10s -c idle_in_transaction_session_timeout=5s"
"""A process that is stopped in the middle of a write holds the lease's row: the server ends that for it."""

_TABLES = """
CREATE SCHEMA skylift;
CREATE TABLE skylift.store (one integer PRIMARY KEY CHECK (one = 1), version integer NOT NULL);
CREATE TABLE skylift.run (
    cloud text, run text, plan bytea NOT NULL, seal bytea, rested bigint NOT NULL DEFAULT 0,
    tried bigint NOT NULL DEFAULT 0, not_before timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (cloud, run)
);
CREATE TABLE skylift.head (
    cloud text, name text, version integer NOT NULL, rows bigint NOT NULL, chain bytea NOT NULL,
    PRIMARY KEY (cloud, name)
);
CREATE TABLE skylift.entry (
    cloud text, name text, row bigint, body bytea NOT NULL, chain bytea NOT NULL, key text NOT NULL,
    mark text NOT NULL, PRIMARY KEY (cloud, name, row)
);
CREATE TABLE skylift.lease (
    cloud text PRIMARY KEY, epoch bigint NOT NULL, holder bytea NOT NULL, until timestamptz NOT NULL
);
CREATE TABLE skylift.told (
    cloud text NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL
);
"""
_ALONE = 0x5B_17F7
"""Of the advisory lock under which tables are made."""


class Database:
    """The database that ``reference`` names; connected when it is first asked, and again after a loss.

    ``ends`` is called with the problem before one is raised after which a worker must do nothing more.

    Raises:
        StoreReference: it cannot be used, or holds a secret.
    """

    def __init__(self, reference: str, ends: Callable[[Problem], None] = goes_on) -> None:
        if why := why_not(reference):
            raise StoreReference(why)
        self.reference = reference
        self.ends = ends
        self.where = told(reference)
        try:
            given = {key: str(value) for key, value in conninfo_to_dict(reference).items()}
        except psycopg.Error:
            raise StoreReference("PostgreSQL cannot read it") from None
        self._given = {**_LIMITS, **given, "options": f"{given.get('options', '')} {_OPTIONS}".strip()}
        self.conninfo = make_conninfo("", **self._given)
        self._connection: Connection | None = None
        self._ready = False

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """For one statement, which is a transaction by itself: one way to the server and back, and not three.

        Raises:
            StoreUnreachable, StoreRefuses: as in a transaction.
        """
        with self._telling():
            yield self._connected()

    @contextmanager
    def transaction(self, *, snapshot: bool = False) -> Iterator[Connection]:
        """One transaction, over when the block is; with ``snapshot`` all of it sees the same moment.

        Raises:
            StoreUnreachable: it gives no answer; whether a change was kept is not known then.
            StoreRefuses: it did not take it.
        """
        with self._telling():
            connection = self._connected()
            level = (
                psycopg.IsolationLevel.REPEATABLE_READ if snapshot else psycopg.IsolationLevel.READ_COMMITTED
            )
            if connection.isolation_level is not level:
                connection.isolation_level = level
            with connection.transaction():
                yield connection

    def has_tables(self) -> bool:
        """Whether there are any yet; read-only verbs make none.

        Raises:
            StoreFormat: there are, of another version.
        """
        if not self._ready:
            with self.transaction() as connection:
                self._ready = _version(connection, self.where) is not None
        return self._ready

    def make_tables(self) -> None:
        """Make them, if there are none."""
        if self.has_tables():
            return
        with self.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ALONE,))
            if _version(connection, self.where) is None:
                connection.execute(_TABLES)
                connection.execute("INSERT INTO skylift.store VALUES (1, %s)", (VERSION,))

    def conninfo_in(self, schema: str) -> str:
        """How to connect so that names without a schema are of this one."""
        options = f"{self._given['options']} -c search_path={schema}"
        return make_conninfo("", **{**self._given, "options": options})

    def close(self) -> None:
        """Let go of the connection; it is made again when it is asked next."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.conninfo, autocommit=True)
        return self._connection

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            why = str(error).strip().splitlines()[0] if str(error).strip() else "it gave no reason"
            lost = self._connection is None or self._connection.closed
            if lost or isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.QueryCanceled):
                problem = StoreUnreachable(self.where, why)
                self.ends(problem)
                raise problem from None
            raise StoreRefuses(self.where, why) from None


def _version(connection: Connection, where: str) -> int | None:
    """Of the tables that there are; none if there are none.

    Raises:
        StoreFormat: it is not ours.
    """
    found = connection.execute("SELECT to_regclass('skylift.store')").fetchone()
    if found == (None,):
        return None
    row = connection.execute("SELECT version FROM skylift.store").fetchone()
    version = int(row[0]) if row else 0
    if version != VERSION:
        raise StoreFormat(where, version, VERSION)
    return version
