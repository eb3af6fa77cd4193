"""What is costly to build, kept under the hash of all it depends on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skylift.gate.lab.host import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_KEY_CHARS = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder in the cache, there as a whole or not at all."""

    path: Path

    @property
    def built(self) -> bool:
        """Whether it is there."""
        return self.path.is_dir()

    def build(self, fill: Callable[[Path], None]) -> None:
        """Call ``fill`` with an empty folder and keep it under this entry's name; a no-op if built.

        Waits while another one builds the same entry. What a killed build left is removed first.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(self.path.name + ".unfinished")
        with self.path.with_name(self.path.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.built:
                return
            if unfinished.exists():
                shutil.rmtree(unfinished)
            unfinished.mkdir()
            fill(unfinished)
            os.rename(unfinished, self.path)  # noqa: PTH104 - the atomic call, by its own name


def key(inputs: Mapping[str, object]) -> str:
    """The first 16 hex digits of the SHA-256 of ``inputs``, whatever their order."""
    canonical = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_KEY_CHARS]


def entry(kind: str, inputs: Mapping[str, object]) -> Entry:
    """Where what ``inputs`` (JSON values) determine is kept, built or not."""
    return Entry(cache_folder() / f"{kind}-{key(inputs)}")
