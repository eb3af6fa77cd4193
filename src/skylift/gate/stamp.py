"""Of which day and of which source something is that was measured here."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime
from typing import NamedTuple

_SOURCES = ("src", "tests", "pyproject.toml", "requirements.lock")
"""What the figures depend on: pages that are written from them change nothing of them."""


class Stamp(NamedTuple):
    """A day and a commit."""

    day: str
    commit: str
    """Its short name, with a plus if the source is not as it was committed; empty where there is no git."""

    @property
    def is_of_a_commit(self) -> bool:
        """Whether somebody else can have the same source."""
        return bool(self.commit) and not self.commit.endswith("+")


def stamp() -> Stamp:
    """Of now, and of the source tree that is the working directory: ask before anything is measured."""
    commit = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", *_SOURCES)
    return Stamp(str(datetime.fromtimestamp(time.time(), UTC).date()), commit + ("+" if changed else ""))


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()
