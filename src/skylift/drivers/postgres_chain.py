"""A chain in a PostgreSQL database, which any machine may read and whoever holds the cloud may write.

A row, its seal, the head and the look at the lease are one transaction: whoever lost the cloud to another
process adds nothing, and a death leaves all or nothing of a row.
"""

from __future__ import annotations

from skylift.drivers.postgres import Database
from skylift.drivers.postgres_lease import Token
from skylift.engine.chain import Kind, Row
from skylift.engine.in_bulk import in_bulk
from skylift.engine.journal import Overtaken
from skylift.engine.journal_problems import JournalFormat
from skylift.model.seal import Signer


class PostgresChain:
    """The chain of this name, of one cloud; it begins to be there with its first row.

    Used by one thread. Opening reads and verifies every row's chain; seals are for ``skylift verify``.

    Raises:
        JournalDamaged: a row is not what was appended; it is named.
        JournalFormat: another version of Skylift wrote it.
        StoreUnreachable, StoreRefuses: the store does not tell.
    """

    def __init__(
        self, database: Database, token: Token, *, name: str, kind: Kind, signer: Signer | None
    ) -> None:
        self._database = database
        self._token = token
        self._name = name
        self._kind = kind
        self._signer = signer
        self._rows: list[Row] = []
        self._rows += self._read()

    @property
    def where(self) -> str:
        """How the chain is named in words to an operator."""
        return f"{self._name} of {self._token.cloud} in {self._database.where}"

    def append(self, body: bytes, *, after: int) -> None:
        """As every chain.

        Raises:
            LeaseLost: this process held the cloud, and another holds it now.
        """
        before = self._kind.end_of(self._rows)
        row = self._kind.next_row(self._rows, body, self._signer, self.where)
        key = (self._token.cloud, self._name)
        with self._database.transaction() as connection:
            self._token.require(connection)
            if after == 0:
                connection.execute(
                    "INSERT INTO skylift.head VALUES (%s, %s, %s, 0, %s) ON CONFLICT DO NOTHING",
                    (*key, self._kind.version, self._kind.genesis),
                )
            moved = connection.execute(
                "UPDATE skylift.head SET rows = %s, chain = %s"
                " WHERE cloud = %s AND name = %s AND rows = %s AND chain = %s",
                (after + 1, row.chain, *key, after, before),
            )
            if moved.rowcount != 1:
                raise Overtaken
            connection.execute(
                "INSERT INTO skylift.entry VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (*key, after + 1, *row.stored),
            )
        self._rows.append(row)

    def rows(self, after: int = 0) -> tuple[Row, ...]:
        if self._head() != (len(self._rows), self._kind.end_of(self._rows)):
            self._rows += self._read()
        return tuple(self._rows[after:])

    def close(self) -> None:
        """Nothing to let go of: the connection is the store's."""

    def _head(self) -> object:
        with self._database.statement() as connection:
            return connection.execute(
                "SELECT rows, chain FROM skylift.head WHERE cloud = %s AND name = %s",
                (self._token.cloud, self._name),
            ).fetchone()

    def _read(self) -> list[Row]:
        """The rows after those that are known."""
        key = (self._token.cloud, self._name)
        with self._database.transaction(snapshot=True) as connection:
            told = connection.execute(
                "SELECT rows, chain, version FROM skylift.head WHERE cloud = %s AND name = %s", key
            )
            # A row with a number that no row can have is read, too, so that it is refused.
            kept = connection.execute(
                "SELECT row, body, chain, key, mark FROM skylift.entry"
                " WHERE cloud = %s AND name = %s AND (row > %s OR row < 1) ORDER BY row",
                (*key, len(self._rows)),
                binary=True,
            )
        # All of it is here. Of a long journal it takes seconds to make values of that, in which the server
        # would end a transaction that says nothing.
        heads, stored = told.fetchall(), kept.fetchall()
        for _, _, version in heads:
            if version != self._kind.version:
                raise JournalFormat(self.where, version)
        if not heads and not stored and not self._rows:
            return []
        found = [(rows, chain) for rows, chain, _ in heads]
        with in_bulk():
            return self._kind.checked(self._rows, stored, found, self.where)
