"""Dumps and their rehearsals: how a test runs them, and what they leave in a folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path, PurePosixPath

from tests.drivers.galera import Galera
from tests.drivers.loopback import HOST

from skylift.gate.lab.commands import poll
from skylift.model.backup import Backup
from skylift.model.ids import Epoch
from skylift.ports import Command

LIMIT_S = 300


def seen_in(folder: Path) -> list[Path]:
    """The files in it that have no leading dot."""
    return sorted(file for file in folder.iterdir() if not file.name.startswith("."))


def scratch_servers(tmp_path: Path) -> list[str]:
    """What of a scratch server is left: its process, or its folder. Empty files to lock stay."""
    running = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout
    hidden = (tmp_path / "backups").glob(".*")
    there = [str(path) for path in hidden if not path.name.startswith(".lock-")]
    return there + [line for line in running.splitlines() if "mariadbd" in line and str(tmp_path) in line]


def unpacked(file: Path) -> bytes:
    return subprocess.run(["zstd", "-dc", file], check=True, capture_output=True).stdout


def packed(text: bytes) -> bytes:
    return subprocess.run(["zstd", "-c"], input=text, check=True, capture_output=True).stdout


def backup_in(tmp_path: Path) -> Backup:
    return Backup(HOST, PurePosixPath(tmp_path / "backups"), "nova-1", "plan7")


def run(command: Command, server: Galera, *, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    """As a job on the server's host; programs in the folder ``first`` take the place of others."""
    path = f"{first or ''}:{os.environ['PATH']}:/usr/sbin:/sbin"
    return subprocess.run(
        command.argv,
        env={"PATH": path, "HOME": str(server.folder)},
        check=False,
        timeout=LIMIT_S,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def come_to_rest(server: Galera) -> None:
    """Until what was written last is a second old, for InnoDB tells of it in whole seconds."""
    newest = (
        "SELECT COALESCE(MAX(UPDATE_TIME), 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'nova-1'"
    )
    assert poll(lambda: server.ask(f"SELECT NOW() > ({newest});").strip() == "1", limit_s=LIMIT_S)


def finish(backup: Backup) -> Epoch:
    """When it was finished."""
    return Epoch(float(int(Path(backup.file).stat().st_mtime)))
