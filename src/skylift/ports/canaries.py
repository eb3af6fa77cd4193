"""Servers of our own, each put on one host to see whether it is fit for users'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from skylift.model.ids import HostName


@dataclass(frozen=True, slots=True)
class CanarySeen:
    """What became of a canary."""

    left: str
    """What it still waits for; empty if it is as it should be."""
    answered: bool
    """Whether it answered a ping; one that has no address cannot, and is fit when it is active."""


class Canaries(Protocol):
    """One canary for each label and host. It is placed where it is asked for, or not at all."""

    def place(self, label: str, host: HostName) -> CanarySeen:
        """Make it, or whatever is missing of it, and say how far it is; to be repeated until nothing is left.

        The host must be open: Nova places nothing on a closed one, whoever asks.

        Raises:
            Refused: it ended in error, as on a host that cannot boot it, or there is nothing to boot.
            Transient: an API does not answer.
        """
        ...

    def look(self, label: str, host: HostName) -> CanarySeen | None:
        """How far it is; none if there is none."""
        ...

    def remove(self, label: str, host: HostName) -> None:
        """Remove it with all that belongs to it; no effect if it is gone.

        Raises:
            Transient: it is not gone yet; repeat.
        """
        ...
