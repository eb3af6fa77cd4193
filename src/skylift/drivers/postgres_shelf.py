"""Which runs of a cloud a PostgreSQL database has, with their plans."""

from __future__ import annotations

from skylift.drivers.postgres import Database
from skylift.drivers.postgres_lease import Token
from skylift.model.ids import RunId

_RESTLESS = (
    "SELECT run FROM skylift.run JOIN skylift.head ON head.cloud = run.cloud"
    " AND head.name = 'run/' || run.run WHERE run.cloud = %s AND head.rows > run.rested"
)


class PostgresShelf:
    """The runs of the cloud of ``token``. Used by one thread."""

    def __init__(self, database: Database, token: Token) -> None:
        self._database = database
        self._token = token

    def known(self) -> tuple[RunId, ...]:
        """Every run that was opened, oldest first."""
        return self._runs("SELECT substr(name, 5) FROM skylift.head WHERE cloud = %s AND name LIKE 'run/%%'")

    def restless(self) -> tuple[RunId, ...]:
        """The runs whose journal has grown since somebody last saw them at rest."""
        return self._runs(_RESTLESS)

    def due(self) -> tuple[RunId, ...]:
        """The restless ones, but those that are put off and to which nobody said anything since."""
        return self._runs(f"{_RESTLESS} AND (head.rows > run.tried OR run.not_before <= clock_timestamp())")

    def rested(self, run: RunId, events: int) -> None:
        """Keep that the run was at rest when its journal had so many events."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE skylift.run SET rested = greatest(rested, %s) WHERE cloud = %s AND run = %s",
                (events, self._token.cloud, run),
            )

    def put_off(self, run: RunId, for_s: int) -> None:
        """Keep that the run cannot be driven now: it is not due for so long, unless its journal grows."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE skylift.run SET tried = head.rows,"
                " not_before = clock_timestamp() + %s * interval '1 s' FROM skylift.head"
                " WHERE head.cloud = run.cloud AND head.name = 'run/' || run.run"
                " AND run.cloud = %s AND run.run = %s",
                (for_s, self._token.cloud, run),
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

    def _runs(self, query: str) -> tuple[RunId, ...]:
        if not self._database.has_tables():
            return ()
        with self._database.transaction() as connection:
            found = connection.execute(query.encode(), (self._token.cloud,)).fetchall()
        return tuple(sorted(RunId(str(row[0])) for row in found))
