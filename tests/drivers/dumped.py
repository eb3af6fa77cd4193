"""What dumps and their rehearsals leave in a folder."""

from __future__ import annotations

import subprocess
from pathlib import Path


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
