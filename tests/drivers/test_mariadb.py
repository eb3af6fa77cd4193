"""Answers of MariaDB 10.11 with Galera, as the lab gave them; questions to real servers: tests/lab."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path, PurePosixPath

import pytest
from tests.drivers.loopback import HOST

from skylift.drivers.mariadb import MariadbDatabase, NoSyncedNode, parse_node
from skylift.drivers.mariadb_dumps import MariadbBackups
from skylift.drivers.ssh import Said, Ssh
from skylift.model.backup import Backup
from skylift.model.cloud import GaleraNode
from skylift.model.ids import Epoch
from skylift.ports.hosts import HostUnreachable

PROGRAMS = {
    "mariadb": 'cat >/dev/null </dev/null; echo "wsrep_local_state_comment\t${STATE:-Synced}"',
    "mariadb-dump": 'echo "CREATE TABLE t;"; [ -z "$CUT" ] || exit 2; echo "-- Dump completed on today"',
}


def said(text: str, code: int = 0) -> Said:
    return Said(code, text.encode(), b"", Epoch(0), Epoch(0))


def dump(tmp_path: Path, ssh: Ssh, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the dump command with stand-ins for MariaDB's programs."""
    for name, script in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        (tmp_path / name).chmod(0o755)
    command = MariadbBackups(ssh, MariadbDatabase(ssh, [HOST])).dump_command(
        Backup(HOST, PurePosixPath(folder), "keystone", "plan7")
    )
    path = f"{tmp_path}:/usr/bin:/bin"
    return subprocess.run(
        command.argv,
        env={"PATH": path, **env},
        check=False,
        timeout=30,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


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


def test_a_dump_lies_whole_in_its_folder_with_its_checksum(ssh: Ssh, tmp_path: Path) -> None:
    folder = tmp_path / "backups"

    ended = dump(tmp_path, ssh, folder)

    assert ended.returncode == 0, ended.stdout
    assert sorted(f.name for f in folder.iterdir()) == [
        "keystone-plan7.sql.zst",
        "keystone-plan7.sql.zst.sha256",
        "keystone-plan7.sql.zst.tables",
    ]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {f.stat().st_mode & 0o077 for f in folder.iterdir()} == {0}
    check = ["sha256sum", "-c", "keystone-plan7.sql.zst.sha256"]
    assert subprocess.run(check, cwd=folder, check=False, capture_output=True).returncode == 0
    newest = MariadbBackups(ssh, MariadbDatabase(ssh, [HOST])).newest(HOST, PurePosixPath(folder), "keystone")
    assert newest == Epoch(float(int((folder / "keystone-plan7.sql.zst").stat().st_mtime)))


def test_a_dump_of_an_earlier_run_of_the_same_plan_is_replaced_and_only_by_a_whole_one(
    ssh: Ssh, tmp_path: Path
) -> None:
    """What was written between the two runs would be lost with a restore."""
    dump(tmp_path, ssh, tmp_path / "backups")
    file = tmp_path / "backups" / "keystone-plan7.sql.zst"
    os.utime(file, (1, 1))

    cut = dump(tmp_path, ssh, tmp_path / "backups", CUT="yes")
    kept = file.stat().st_mtime
    whole = dump(tmp_path, ssh, tmp_path / "backups")

    assert cut.returncode != 0
    assert kept == 1
    assert whole.returncode == 0
    assert file.stat().st_mtime > 1


def test_a_dump_that_was_cut_off_never_bears_the_name_of_one(ssh: Ssh, tmp_path: Path) -> None:
    ended = dump(tmp_path, ssh, tmp_path / "backups", CUT="yes")

    assert ended.returncode != 0
    assert ended.stdout.splitlines()[-1].startswith("could not dump keystone (")
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_server_that_lags_behind_is_not_dumped(ssh: Ssh, tmp_path: Path) -> None:
    ended = dump(tmp_path, ssh, tmp_path / "backups", STATE="Joining")

    assert ended.returncode != 0
    assert "not synced" in ended.stdout.splitlines()[-1]


def test_a_dump_without_its_checksum_does_not_count(ssh: Ssh, tmp_path: Path) -> None:
    (tmp_path / "keystone-x.sql.zst").touch()

    assert (
        MariadbBackups(ssh, MariadbDatabase(ssh, [HOST])).newest(HOST, PurePosixPath(tmp_path), "keystone")
        is None
    )
