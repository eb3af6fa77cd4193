"""All that is kept of one cloud's runs in a PostgreSQL database, for every machine that has its record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from skylift.drivers.chain_journal import JOURNAL, ChainJournal
from skylift.drivers.postgres import Database, goes_on
from skylift.drivers.postgres_chain import PostgresChain
from skylift.drivers.postgres_lease import LASTS_S, Token, holder_of, lease
from skylift.engine.chain import Kind
from skylift.engine.problems import Holder
from skylift.model.ids import RunId
from skylift.model.problem import Problem
from skylift.model.seal import Signer


class PostgresStore:
    """The runs of ``cloud`` in the database that ``reference`` names.

    Used by one thread, but for ``look`` and ``leave``. ``ends`` is called with the problem as soon as it is
    seen that the store is gone, or that another process took the cloud over from this one.

    Raises:
        StoreReference: the reference cannot be used.
    """

    def __init__(
        self,
        reference: str,
        cloud: str,
        *,
        lasts_s: float = LASTS_S,
        ends: Callable[[Problem], None] = goes_on,
    ) -> None:
        self._database = Database(reference, ends)
        self._token = Token(cloud, ends)
        self._lasts_s = lasts_s

    @property
    def where(self) -> str:
        """How it is named in words to an operator."""
        return self._database.where

    def make(self) -> None:
        """Make what it is kept in; no effect if it is there."""
        self._database.make_tables()

    def close(self) -> None:
        """Let go of the connection; it is made again when the store is asked next."""
        self._database.close()

    def known(self) -> tuple[RunId, ...]:
        """Every run that was opened, oldest first."""
        return self._runs("SELECT substr(name, 5) FROM skylift.head WHERE cloud = %s AND name LIKE 'run/%%'")

    def restless(self) -> tuple[RunId, ...]:
        """The runs whose journal has grown since somebody last saw them at rest."""
        return self._runs(
            "SELECT run FROM skylift.run JOIN skylift.head ON head.cloud = run.cloud"
            " AND head.name = 'run/' || run.run WHERE run.cloud = %s AND head.rows > run.rested"
        )

    def rested(self, run: RunId, events: int) -> None:
        """Keep that the run was at rest when its journal had so many events."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE skylift.run SET rested = greatest(rested, %s) WHERE cloud = %s AND run = %s",
                (events, self._token.cloud, run),
            )

    def add(self, run: RunId, plan: bytes, seal: bytes | None) -> None:
        """Keep the plan of a new run, and the seal on it.

        Raises:
            FileExistsError: the run is there already.
        """
        with self._database.transaction() as connection:
            self._token.require(connection)
            added = connection.execute(
                "INSERT INTO skylift.run VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (self._token.cloud, run, plan, seal),
            )
        if added.rowcount != 1:
            raise FileExistsError(run)

    def plan_of(self, run: RunId) -> tuple[bytes, bytes | None]:
        """The plan of a run that is known, and the seal on it, if there is one."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT plan, seal FROM skylift.run WHERE cloud = %s AND run = %s", (self._token.cloud, run)
            ).fetchone()
        return (bytes(row[0]), row[1] if row[1] is None else bytes(row[1])) if row else (b"", None)

    def journal(self, run: RunId, signer: Signer | None) -> ChainJournal:
        """The journal of a run, verified row by row."""
        chain = self.chain(f"run/{run}", JOURNAL, signer)
        return ChainJournal(chain, chain.where)

    def chain(self, name: str, kind: Kind, signer: Signer | None) -> PostgresChain:
        """The chain of this name: ``run/RUN`` of a run's journal."""
        return PostgresChain(self._database, self._token, name, kind, signer)

    def heads(self) -> dict[RunId, tuple[int, str]]:
        """How many events each journal has, and the chain of the last one in hexadecimal."""
        if not self._database.has_tables():
            return {}
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT substr(name, 5), rows, chain FROM skylift.head"
                " WHERE cloud = %s AND name LIKE 'run/%%'",
                (self._token.cloud,),
            ).fetchall()
        return {RunId(run): (int(rows), bytes(chain).hex()) for run, rows, chain in found}

    def hold(self, holder: Holder) -> AbstractContextManager[None]:
        """Be the only one who works on the cloud; as ``postgres_lease.lease``."""
        return lease(self._database, self._token, holder, lasts_s=self._lasts_s)

    def holder(self) -> Holder | None:
        """Who holds the cloud right now; none if nobody does."""
        return holder_of(self._database, self._token.cloud) if self._database.has_tables() else None

    def look(self) -> None:
        """See that what is done to the cloud now is still this process's to do; as ``Token.look``."""
        self._token.look()

    def leave(self) -> None:
        """Let others take the cloud in a moment, if it is held; whoever calls this ends now."""
        self._token.leave(Database(self._database.reference))

    def tell(self, body: bytes) -> None:
        """Keep one line more of who was told what."""
        with self._database.transaction() as connection:
            self._token.require(connection)
            connection.execute(
                "INSERT INTO skylift.told (cloud, body) VALUES (%s, %s)", (self._token.cloud, body)
            )

    def told(self) -> tuple[bytes, ...]:
        """All of these lines, oldest first."""
        if not self._database.has_tables():
            return ()
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT body FROM skylift.told WHERE cloud = %s ORDER BY number", (self._token.cloud,)
            ).fetchall()
        return tuple(bytes(row[0]) for row in found)

    def _runs(self, query: str) -> tuple[RunId, ...]:
        if not self._database.has_tables():
            return ()
        with self._database.transaction() as connection:
            found = connection.execute(query.encode(), (self._token.cloud,)).fetchall()
        return tuple(sorted(RunId(str(row[0])) for row in found))
