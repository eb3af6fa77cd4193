"""Answers of MariaDB 10.11 with Galera, as the lab gave them; questions to real servers: tests/lab."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from tests.drivers.loopback import HOST

from skylift.drivers.mariadb import MariadbDatabase, NoSyncedNode, parse_node
from skylift.drivers.mariadb_dumps import MariadbBackups
from skylift.drivers.ssh import Said, Ssh
from skylift.model.cloud import GaleraNode
from skylift.model.ids import Epoch
from skylift.ports.hosts import HostUnreachable


def said(text: str, code: int = 0) -> Said:
    return Said(code, text.encode(), b"", Epoch(0), Epoch(0))


def test_a_node_tells_status_state_and_size() -> None:
    text = "wsrep_local_state_comment\tSynced\nwsrep_cluster_size\t3\nwsrep_cluster_status\tPrimary\n"

    assert parse_node(HOST, said(text)) == GaleraNode(HOST, "Primary", "Synced", 3)


def test_a_node_that_does_not_answer_is_left_out() -> None:
    assert parse_node(HOST, said("", code=1)) is None
    assert parse_node(HOST, HostUnreachable(HOST, "no route")) is None


def test_a_server_without_a_cluster_is_not_taken_for_one_that_has_everything() -> None:
    assert parse_node(HOST, said("")) == GaleraNode(HOST, "Disconnected", "no cluster", 0)


def test_without_a_synced_server_nothing_is_asked(ssh: Ssh) -> None:
    with pytest.raises(NoSyncedNode, match="ctl1: "):
        MariadbDatabase(ssh, [HOST]).rows("keystone")


def test_a_dump_without_its_checksum_does_not_count(ssh: Ssh, tmp_path: Path) -> None:
    (tmp_path / "keystone-x.sql.zst").touch()

    assert (
        MariadbBackups(ssh, MariadbDatabase(ssh, [HOST])).newest(HOST, PurePosixPath(tmp_path), "keystone")
        is None
    )
