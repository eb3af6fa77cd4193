"""All that is kept of one cloud's runs in a PostgreSQL database, for every machine that has its record."""

from __future__ import annotations

from collections.abc import Callable

from skylift.drivers.chain_journal import JOURNAL, ChainJournal
from skylift.drivers.postgres import Database
from skylift.drivers.postgres_chain import PostgresChain
from skylift.drivers.postgres_lease import LASTS_S, PostgresLease, Token
from skylift.drivers.postgres_shelf import PostgresShelf
from skylift.engine.chain import Kind
from skylift.engine.store_problems import goes_on
from skylift.model.ids import RunId
from skylift.model.problem import Problem
from skylift.model.seal import Signer


class PostgresStore:
    """The runs of ``cloud`` in the database that ``reference`` names.

    Used by one thread, but for ``lease.look`` and ``lease.leave``. ``ends`` is called with the problem as
    soon as it is seen that the store is gone, or that another process took the cloud over from this one.

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
        self.shelf = PostgresShelf(self._database, self._token)
        self.lease = PostgresLease(self._database, self._token, lasts_s=lasts_s)

    @property
    def where(self) -> str:
        """How it is named in words to an operator."""
        return self._database.where

    @property
    def cloud(self) -> str:
        """Whose runs these are."""
        return self._token.cloud

    def make(self) -> None:
        """Make what it is kept in; no effect if it is there."""
        self._database.make_tables()

    def close(self) -> None:
        """Let go of the connection; it is made again when the store is asked next."""
        self._database.close()

    def journal(self, run: RunId, signer: Signer | None) -> ChainJournal:
        """The journal of a run, verified row by row."""
        chain = self.chain(f"run/{run}", JOURNAL, signer)
        return ChainJournal(chain, chain.where)

    def chain(self, name: str, kind: Kind, signer: Signer | None) -> PostgresChain:
        """The chain of this name: ``run/RUN`` of a run's journal."""
        return PostgresChain(self._database, self._token, name=name, kind=kind, signer=signer)

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
