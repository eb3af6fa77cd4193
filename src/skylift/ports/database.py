"""The SQL database under the services."""

from __future__ import annotations

from typing import Protocol

from skylift.model.cloud import GaleraNode
from skylift.model.ids import Epoch
from skylift.model.roster import Roster, ServiceReport
from skylift.model.work import InHand


class Database(Protocol):
    """The database cluster. Reads only, but for one number in a row."""

    def rows(self, database: str, table: str = "alembic_version") -> frozenset[str]:
        """The rows of a database's table of versions; empty if the table is empty or absent."""
        ...

    def reports(self, roster: Roster) -> tuple[ServiceReport, ...]:
        """Every row that a service of ``roster`` has there, alive or not; none that was deleted."""
        ...

    def lower_version(self, roster: Roster, row: ServiceReport, version: int) -> None:
        """Let ``row`` tell of ``version``, if it tells of a newer one; no effect otherwise.

        Raises:
            ValueError: rows of this kind of roster have no one version.
        """
        ...

    def work(self, roster: Roster) -> tuple[InHand, ...]:
        """What the services of ``roster`` have in hand, state by state, as far as it leaves a trace there."""
        ...

    def work_of(
        self, roster: Roster, row: ServiceReport, *, promised_before: Epoch | None
    ) -> tuple[InHand, ...]:
        """What the service that wrote ``row`` has in hand, state by state, as far as it leaves a trace there.

        What users asked for before ``promised_before`` and nobody has yet counts, too, for it may be on its
        way to this service; all of that if it is none.
        """
        ...

    def nodes(self) -> tuple[GaleraNode, ...]:
        """Each database server's own view of the cluster; a server that does not answer is left out."""
        ...

    def grants(self, user: str) -> tuple[str, ...]:
        """The user's grants as SQL, then server variables that migrations rely on as ``name=value``."""
        ...
