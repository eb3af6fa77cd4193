"""A real file system of eight megabytes, to be filled or made read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")


@contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """Mount one at ``at``, which is made."""
    at.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "small", at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free; what is returned takes all that was."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 512):
            pass
    return filler


def make_read_only(disk: Path) -> None:
    """What Linux does to a disk that errs."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
