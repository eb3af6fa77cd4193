"""A database is dumped, restored on a scratch server, and put back, with the real programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from fcntl import LOCK_EX, flock
from pathlib import Path
from time import time

import pytest
from tests.drivers.dumped import (
    backup_in,
    come_to_rest,
    finish,
    packed,
    run,
    scratch_servers,
    seen_in,
    unpacked,
)
from tests.drivers.galera import ODD_TABLES, PLENTY, SECRET, Galera, galera
from tests.drivers.loopback import HOST, Sshd
from tests.drivers.test_rosters import TABLES

from skylift.drivers.mariadb import MariadbDatabase
from skylift.drivers.mariadb_dumps import MariadbBackups
from skylift.drivers.ssh import Ssh
from skylift.model.backup import Backup, Written
from skylift.model.ids import Epoch

BEGIN = "CREATE DATABASE `nova-1` CHARACTER SET utf8mb3;"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Galera]:
    with galera(tmp_path_factory.mktemp("galera")) as found:
        yield found


@pytest.fixture
def lines(server: Galera) -> Galera:
    """Nova's tables, and what else may be in a schema: a view, a trigger, odd names, bytes, and nothing."""
    nova = (TABLES / "nova.sql").read_text()
    server.ask(f"DROP DATABASE IF EXISTS `nova-1`; {BEGIN}\nUSE `nova-1`;\n{nova}\n{ODD_TABLES}")
    return server


@pytest.fixture
def backups(server: Galera, ssh: Ssh, sshd: Sshd) -> Iterator[MariadbBackups]:
    home = sshd.folder / ".my.cnf"
    home.write_text(f"[client]\nsocket={server.socket}\n", encoding="ascii")
    yield MariadbBackups(ssh, MariadbDatabase(ssh, [HOST]))
    home.unlink()


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a backup lies that was rehearsed, once it was."""
    return tmp_path_factory.mktemp("rehearsed")


@pytest.fixture
def backup(lines: Galera, backups: MariadbBackups, tmp_path: Path, rehearsed: Path) -> Backup:
    """A backup that was rehearsed, in a folder of this test's own."""
    first = backup_in(rehearsed)
    if not Path(f"{first.file}.rehearsed").exists():
        for command in (backups.dump_command(first), backups.rehearse_command(first)):
            ended = run(command, lines)
            assert ended.returncode == 0, ended.stdout
    shutil.copytree(first.folder, tmp_path / "backups")
    return backup_in(tmp_path)


def test_a_backup_is_restored_on_a_server_of_its_own_and_nothing_of_that_is_left(
    lines: Galera, backups: MariadbBackups, tmp_path: Path
) -> None:
    """Issue 5, 2: checksummed, and the restore rehearsed before the run relies on it (row 88)."""
    backup = backup_in(tmp_path)
    dumped = run(backups.dump_command(backup), lines)
    before = backups.rehearsed(backup)

    ended = run(backups.rehearse_command(backup), lines)
    again = run(backups.rehearse_command(backup), lines)
    finished = backups.rehearsed(backup)

    told = ended.stdout.splitlines()[-1]
    assert before is None
    assert (dumped.returncode, ended.returncode) == (0, 0), dumped.stdout + ended.stdout
    assert "tables restored whole" in told
    assert "found whole before" in again.stdout
    assert finished == finish(backup)
    assert scratch_servers(tmp_path) == []
    found = sorted(path for path in (tmp_path / "backups").iterdir() if not path.name.startswith("."))
    assert [path.suffix for path in found] == [".zst", ".rehearsed", ".sha256", ".tables"]
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}
    proofs = "".join(path.read_text() for path in found[1:])
    assert f"rows\tplenty\t{PLENTY}" in proofs
    assert SECRET not in proofs


@pytest.mark.parametrize("harm", ["another row", "another value", "a table less", "a bit"])
def test_a_backup_that_is_not_what_was_backed_up_is_not_vouched_for(
    lines: Galera, backups: MariadbBackups, tmp_path: Path, harm: str
) -> None:
    """Whoever damaged it made a new checksum, too, but for the last."""
    backup = backup_in(tmp_path)
    come_to_rest(lines)
    run(backups.dump_command(backup), lines)
    file, text = Path(backup.file), unpacked(Path(backup.file))
    spoilt = {
        "another row": text.replace(SECRET.encode(), b"x'),('y", 1),
        "another value": text.replace(b"'2020-01-01 00:00:00'", b"'2020-01-02 00:00:00'", 1),
        "a table less": text.replace(b"CREATE TABLE `secrets`", b"CREATE TABLE `others`").replace(
            b"`secrets`", b"`others`"
        ),
        "a bit": text + b"\n",
    }[harm]
    file.write_bytes(packed(spoilt))
    if harm != "a bit":
        sum_of = subprocess.run(["sha256sum", file.name], cwd=file.parent, check=True, capture_output=True)
        Path(f"{file}.sha256").write_bytes(sum_of.stdout)

    ended = run(backups.rehearse_command(backup), lines)

    assert ended.returncode != 0, ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("could not ")
    assert not Path(f"{file}.rehearsed").exists()
    assert scratch_servers(tmp_path) == []


def test_a_rehearsal_does_not_begin_where_it_could_fill_the_disk_of_the_database(
    lines: Galera, backups: MariadbBackups, tmp_path: Path
) -> None:
    backup, df = backup_in(tmp_path), tmp_path / "df"
    run(backups.dump_command(backup), lines)
    df.write_text("#!/bin/sh\nprintf 'Avail\\n 511M\\n'\n", encoding="ascii")
    df.chmod(0o755)

    ended = run(backups.rehearse_command(backup), lines, first=tmp_path)

    assert ended.returncode != 0
    assert "could not rehearse a restore of nova-1: in " in ended.stdout
    assert "MiB (511M are free there)" in ended.stdout
    assert scratch_servers(tmp_path) == []


@pytest.mark.parametrize("what", ["dump", "rehearse"])
def test_a_second_job_on_the_same_database_leaves_the_first_alone(
    lines: Galera, backups: MariadbBackups, tmp_path: Path, what: str
) -> None:
    """A step that was too late left its job running, and another plan begins one under its own key."""
    backup = backup_in(tmp_path)
    run(backups.dump_command(backup), lines)
    scratch = tmp_path / "backups" / ".scratch-nova-1"
    scratch.mkdir()
    command = backups.dump_command(backup) if what == "dump" else backups.rehearse_command(backup)

    with (tmp_path / "backups" / ".lock-nova-1").open("w") as lock:
        flock(lock, LOCK_EX)
        ended = run(command, lines)

    assert ended.returncode != 0
    assert "could not work on backups of nova-1 beside another job" in ended.stdout
    assert scratch.exists(), "it is the first one's"


def test_a_table_that_cannot_be_counted_is_not_left_out_in_silence(
    lines: Galera, backups: MariadbBackups, tmp_path: Path
) -> None:
    """What fails in a pipe is not seen by the shell."""
    client = tmp_path / "mariadb"
    client.write_text(
        '#!/bin/sh\ncase "$*" in *"--raw -- "*) exit 1 ;; esac\n'
        'PATH=$(echo "$PATH" | cut -d: -f2-) exec mariadb "$@"\n'
    )
    client.chmod(0o755)

    ended = run(backups.dump_command(backup_in(tmp_path)), lines, first=tmp_path)

    assert ended.returncode != 0
    assert not Path(backup_in(tmp_path).file).exists()


def test_a_backup_is_of_the_time_at_which_its_dump_began(
    lines: Galera, backups: MariadbBackups, tmp_path: Path
) -> None:
    """What was written while it was dumped is not in it, and so it is lost with a restore."""
    slow = tmp_path / "mariadb-dump"
    slow.write_text('#!/bin/sh\nsleep 3\nPATH=$(echo "$PATH" | cut -d: -f2-) exec mariadb-dump "$@"\n')
    slow.chmod(0o755)
    began = time()

    ended = run(backups.dump_command(backup_in(tmp_path)), lines, first=tmp_path)
    took = time() - began

    assert ended.returncode == 0, ended.stdout
    assert finish(backup_in(tmp_path)) - began < took - 2


def test_a_dump_lies_whole_in_its_folder_with_its_checksum(
    lines: Galera, backups: MariadbBackups, tmp_path: Path
) -> None:
    backup = backup_in(tmp_path)

    ended = run(backups.dump_command(backup), lines)

    assert ended.returncode == 0, ended.stdout
    folder, file = Path(backup.folder), Path(backup.file)
    kept = [file, Path(backup.checksum), Path(f"{file}.tables")]
    assert seen_in(folder) == kept
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {f.stat().st_mode & 0o077 for f in folder.iterdir()} == {0}
    check = ["sha256sum", "-c", backup.checksum.name]
    assert subprocess.run(check, cwd=folder, check=False, capture_output=True).returncode == 0
    assert backups.newest(HOST, backup.folder, backup.database) == finish(backup)


def test_a_dump_that_was_cut_off_never_bears_the_name_of_one_nor_replaces_one(
    lines: Galera, backups: MariadbBackups, tmp_path: Path
) -> None:
    """One of an earlier run of the same plan is replaced by a whole one only."""
    backup, cuts = backup_in(tmp_path), tmp_path / "mariadb-dump"
    file = Path(backup.file)
    cuts.write_text("#!/bin/sh\necho 'CREATE TABLE t;'\nexit 2\n", encoding="ascii")
    cuts.chmod(0o755)

    first = run(backups.dump_command(backup), lines, first=tmp_path)
    left = seen_in(Path(backup.folder))
    run(backups.dump_command(backup), lines)
    os.utime(file, (1, 1))
    cut = run(backups.dump_command(backup), lines, first=tmp_path)
    kept = file.stat().st_mtime
    whole = run(backups.dump_command(backup), lines)

    assert (first.returncode != 0, cut.returncode != 0, left) == (True, True, [])
    assert first.stdout.splitlines()[-1].startswith("could not dump nova-1 (")
    assert kept == 1
    assert whole.returncode == 0
    assert file.stat().st_mtime > 1


def test_a_server_that_lags_behind_is_not_dumped(
    lines: Galera, backups: MariadbBackups, tmp_path: Path
) -> None:
    lines.be_synced(synced=False)

    ended = run(backups.dump_command(backup_in(tmp_path)), lines)

    lines.be_synced(synced=True)
    assert ended.returncode != 0
    assert "not synced" in ended.stdout.splitlines()[-1]


def test_a_rehearsal_that_is_killed_leaves_no_server_and_is_begun_again(
    lines: Galera, backups: MariadbBackups, tmp_path: Path
) -> None:
    """As its unit is: every process of it at once; the folder is taken by the next attempt."""
    backup = backup_in(tmp_path)
    run(backups.dump_command(backup), lines)
    stale = tmp_path / "backups" / ".scratch-nova-1"
    stale.mkdir()
    (stale / "data").write_text("of a server that died")

    ended = run(backups.rehearse_command(backup), lines)

    assert ended.returncode == 0, ended.stdout
    assert scratch_servers(tmp_path) == []


@pytest.mark.parametrize(
    "meanwhile",
    [
        ("", "UPDATE plenty SET created_at = NOW() WHERE id = 7"),
        ("INSERT INTO plenty VALUES (9001, NOW(), NULL, 'brief')", "DELETE FROM plenty WHERE id = 9001"),
    ],
    ids=["changed", "made and deleted"],
)
def test_a_table_that_is_written_to_meanwhile_is_held_against_the_dump_alone(
    lines: Galera, backups: MariadbBackups, tmp_path: Path, meanwhile: tuple[str, str]
) -> None:
    """Services and users write every second: that must fail no rehearsal, and hide no harm elsewhere."""
    backup, busy = backup_in(tmp_path), tmp_path / "mariadb-dump"
    real = shutil.which("mariadb-dump")
    before, after = (
        f'HOME={lines.folder} mariadb --socket={lines.socket} -e "{sql}" nova-1' for sql in meanwhile
    )
    busy.write_text(f'#!/bin/sh\nsleep 1\n{before}\n{real} "$@"\n{after}\n', encoding="ascii")
    busy.chmod(0o755)
    come_to_rest(lines)
    dumped = run(backups.dump_command(backup), lines, first=tmp_path)

    ended = run(backups.rehearse_command(backup), lines)

    still = Path(f"{backup.file}.tables").read_text()
    assert (dumped.returncode, ended.returncode) == (0, 0), dumped.stdout + ended.stdout
    assert "table\tplenty" in still
    assert "\tplenty\t" not in still
    assert "sum\tsecrets" in still


def test_what_was_written_since_is_told_and_gone_once_the_backup_is_restored(
    lines: Galera, backups: MariadbBackups, backup: Backup
) -> None:
    """Issue 5, 2: the list of what would be lost since, by table."""
    finished = finish(backup)
    before = lines.content("nova-1")
    lines.ask(
        "USE `nova-1`; INSERT INTO plenty VALUES (9001, UTC_TIMESTAMP() + INTERVAL 1 HOUR, NULL, 'new');"
        "UPDATE plenty SET updated_at = UTC_TIMESTAMP() + INTERVAL 1 HOUR WHERE id IN (1, 2);"
        "DELETE FROM plenty WHERE id = 3; INSERT INTO secrets VALUES ('one more');"
        "DROP TABLE `odd ``name`; CREATE TABLE newer (id INT); DROP VIEW seen;"
    )

    told = backups.written_since(backup, finished)
    ended = run(backups.restore_command(backup, finished), lines)

    assert [w for w in told if w.table in {"plenty", "secrets"}] == [
        Written("plenty", created=1, changed=2, removed=1),
        Written("secrets", created=1, changed=0, removed=0),
    ]
    assert ended.returncode == 0, ended.stdout
    assert lines.content("nova-1") == before
    assert "utf8mb3" in lines.ask("SHOW CREATE DATABASE `nova-1`;")
    assert backups.written_since(backup, finished) == ()


def numbered(server: Galera) -> int:
    """The number that a new row of a table gets."""
    server.ask("INSERT INTO `nova-1`.`odd ``name` (told) VALUES ('one more');")
    return int(server.ask("SELECT MAX(id) FROM `nova-1`.`odd ``name`;"))


@pytest.mark.parametrize("cut", [False, True])
def test_a_number_that_was_given_since_the_backup_is_never_given_again(
    lines: Galera, backups: MariadbBackups, backup: Backup, tmp_path: Path, *, cut: bool
) -> None:
    """A guest whose row is gone still runs, and its name is made of that number: the lab met it."""
    finished, given = finish(backup), [numbered(lines) for _ in range(3)]
    if cut:
        cuts = tmp_path / "zstd"
        cuts.write_text("#!/bin/sh\nexit 9\n", encoding="ascii")
        cuts.chmod(0o755)
        run(backups.restore_command(backup, finished), lines, first=tmp_path)

    ended = run(backups.restore_command(backup, finished), lines)

    assert ended.returncode == 0, ended.stdout
    assert int(lines.ask("SELECT COUNT(*) FROM `nova-1`.`odd ``name`;")) == 2
    assert numbered(lines) > max(given)
    assert not list(Path(backup.folder).glob(".numbers-*"))


def test_a_restore_that_was_cut_short_is_begun_again(
    lines: Galera, backups: MariadbBackups, backup: Backup
) -> None:
    finished = finish(backup)
    before = lines.content("nova-1")
    lines.ask("DROP DATABASE `nova-1`;")

    ended = run(backups.restore_command(backup, finished), lines)

    assert ended.returncode == 0, ended.stdout
    assert lines.content("nova-1") == before


@pytest.mark.parametrize("why", ["never rehearsed", "of another time", "damaged", "not synced"])
def test_a_restore_changes_nothing_unless_the_backup_is_the_one_that_was_proved(
    lines: Galera, backups: MariadbBackups, backup: Backup, why: str
) -> None:
    finished = finish(backup)
    lines.ask("INSERT INTO `nova-1`.secrets VALUES ('one more');")
    before = lines.content("nova-1")
    if why == "never rehearsed":
        Path(f"{backup.file}.rehearsed").unlink()
    if why == "damaged":
        Path(backup.file).write_bytes(Path(backup.file).read_bytes()[:-1])
        os.utime(backup.file, (finished, finished))
    lines.be_synced(synced=why != "not synced")

    ended = run(backups.restore_command(backup, Epoch(finished + 60 * (why == "of another time"))), lines)

    lines.be_synced(synced=True)
    assert ended.returncode != 0
    assert lines.content("nova-1") == before
