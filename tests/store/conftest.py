"""One real PostgreSQL for the session; each test has a cloud of its own in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from skylift.drivers.postgres_store import PostgresStore
from skylift.testing.crew.postgres_server import Server, postgres_server

PATIENCE_S = 600
STILL = "session_timeout=5s"
"""For how long the server lets a write stand still, as the product tells it to."""


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Not synced to the disk: these tests kill processes, and no machine."""
    with postgres_server("fsync=off", on_loopback=True) as server:
        os.environ["PGPASSFILE"] = str(server.passfile)
        yield server
        del os.environ["PGPASSFILE"]


@pytest.fixture
def cloud() -> str:
    """A name that no other test has."""
    return f"cloud-{uuid4().hex[:8]}"


@dataclass
class Processes:
    """The same cloud in the same store, as one process after the other sees it."""

    reference: str
    cloud: str
    opened: list[PostgresStore] = field(default_factory=list)

    def another(
        self, lasts_s: float = PATIENCE_S, *, cloud: str | None = None, reference: str | None = None
    ) -> PostgresStore:
        """A process that may have to wait long for its turn: neither a lease nor a write ends meanwhile."""
        store = PostgresStore(reference or self.reference, cloud or self.cloud, lasts_s=lasts_s)
        database = store._database  # noqa: SLF001 - what a test may not meet by chance
        assert STILL in database.conninfo
        database.conninfo = database.conninfo.replace(STILL, f"session_timeout={PATIENCE_S}s")
        self.opened.append(store)
        return store


@pytest.fixture
def processes(server: Server, cloud: str) -> Iterator[Processes]:
    processes = Processes(server.reference, cloud)
    yield processes
    for store in processes.opened:
        store.close()


@pytest.fixture
def store(processes: Processes) -> PostgresStore:
    store = processes.another()
    store.make()
    return store
