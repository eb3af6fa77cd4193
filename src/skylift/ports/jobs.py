"""Long commands, run detached on their host under their step's key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from skylift.model.ids import HostName


@dataclass(frozen=True, slots=True)
class Command:
    """An argument vector and the Unix user to run it as. No shell, and never a secret in it."""

    argv: tuple[str, ...]
    user: str = "root"
    env: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class NoJob:
    """Nothing was ever started under this key on this host."""


@dataclass(frozen=True, slots=True)
class Running:
    """Started and not ended."""

    last_line: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """Ended with ``code``; ``tail`` is the end of its output, at most 4 KiB.

    A job that a reboot or SIGKILL cut short has ended with code 255.
    """

    code: int
    tail: str


JobState = NoJob | Running | Ended


class Jobs(Protocol):
    """One job per step, attempt and host: a second start under the same key changes nothing.

    The job outlives us, and its state outlives a reboot of its host.
    """

    def under(self, key: str) -> Jobs:
        """The same port bound to another key (run, step and attempt)."""
        ...

    def start(self, host: HostName, command: Command) -> None:
        """Start ``command`` unless this key already has a job on ``host``, and return at once."""
        ...

    def state(self, host: HostName) -> JobState:
        """What became of this key's job on ``host``."""
        ...

    def known(self, host: HostName) -> Mapping[str, bool]:
        """The keys of all jobs on ``host``, whoever started them, each with whether it still runs."""
        ...

    def forget(self, host: HostName, keys: Iterable[str]) -> None:
        """Remove what is kept of these jobs on ``host``: nobody may ask for one of them again.

        A key that has no job there is none to remove.
        """
        ...
