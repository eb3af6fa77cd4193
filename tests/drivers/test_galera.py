"""What is asked of a database server that lags behind its cluster, and what it is not even told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.drivers.galera import Galera, galera
from tests.drivers.loopback import HOST, Sshd
from tests.drivers.test_rosters import SEEN, TABLES, roster_of

from skylift.drivers.mariadb import MariadbDatabase, NoSyncedNode
from skylift.drivers.ssh import Ssh


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Galera]:
    with galera(tmp_path_factory.mktemp("galera")) as found:
        nova = (TABLES / "nova.sql").read_text()
        found.ask(f"CREATE DATABASE `nova-1`; USE `nova-1`;\n{nova}")
        yield found


@pytest.fixture
def database(server: Galera, ssh: Ssh, sshd: Sshd) -> Iterator[MariadbDatabase]:
    """As root of the server's own host asks it."""
    home = sshd.folder / ".my.cnf"
    home.write_text(f"[client]\nsocket={server.socket}\n", encoding="ascii")
    server.ask(
        "DELETE FROM `nova-1`.services; INSERT INTO `nova-1`.services "  # noqa: S608 - a test's own words
        "(`binary`, host, uuid, topic, report_count, deleted, disabled, forced_down, last_seen_up, version) "
        f"VALUES ('nova-conductor', 'ctl1', 'u1', 'c', 1, 0, 0, 0, '{SEEN}', 68);"
    )
    yield MariadbDatabase(ssh, [HOST])
    server.be_synced(synced=True)
    home.unlink()


def version(server: Galera) -> int:
    return int(server.ask("SELECT version FROM `nova-1`.services;"))


def test_a_synced_server_answers_and_lowers_a_row(server: Galera, database: MariadbDatabase) -> None:
    (row,) = database.reports(roster_of("nova"))

    database.lower_version(roster_of("nova"), row, 66)

    assert (row.host, row.version) == ("ctl1", 68)
    assert version(server) == 66


def test_a_server_that_lags_behind_is_asked_nothing_and_changes_nothing(
    server: Galera, database: MariadbDatabase
) -> None:
    """It would write what its cluster has not seen, or answer from the past."""
    (row,) = database.reports(roster_of("nova"))
    server.be_synced(synced=False)

    with pytest.raises(NoSyncedNode, match="not synced"):
        database.lower_version(roster_of("nova"), row, 66)
    with pytest.raises(NoSyncedNode, match="not synced"):
        database.reports(roster_of("nova"))

    assert version(server) == 68
