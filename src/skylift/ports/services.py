"""Services: systemd units and the artifact each one runs."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Protocol

from skylift.model.cloud import UnitSeen
from skylift.model.ids import HostName, UnitName
from skylift.ports.jobs import Command


class Services(Protocol):
    """Processes of OpenStack on their hosts. Repeating any change is harmless."""

    def unit(self, host: HostName, unit: UnitName, link: PurePosixPath) -> UnitSeen:
        """The unit's state and the artifact that its main process runs, read from its memory map."""
        ...

    def last_words(self, host: HostName, unit: UnitName) -> str:
        """What the unit's processes wrote last since its last start; empty if they wrote nothing.

        One line: the last that tells an error, or else the very last. What systemd itself says of the unit
        is not among it. At most 300 characters, secrets masked.
        """
        ...

    def stop(self, host: HostName, unit: UnitName) -> None:
        """Ask systemd to stop the unit, and return at once; no effect on one that is stopped.

        Clears a failure that systemd remembers, so that a stopped unit always ends inactive.
        """
        ...

    def start_command(self, unit: UnitName) -> Command:
        """The command that starts the unit and ends when it runs, or could not. Pure."""
        ...

    def starts_with_host(self, host: HostName, unit: UnitName) -> bool | None:
        """Whether the unit starts when its host does; none if that is not for itself to say.

        So it is of a unit without an install section, which another unit starts.
        """
        ...

    def let_start_with_host(self, host: HostName, unit: UnitName, *, wanted: bool) -> None:
        """Let the unit start when its host does, or no longer; what runs is left alone.

        Raises:
            Refused: there is no such unit, or it is masked.
        """
        ...

    def linked(self, host: HostName, link: PurePosixPath) -> PurePosixPath | None:
        """Where the link points; none if there is no link."""
        ...

    def point(self, host: HostName, link: PurePosixPath, path: PurePosixPath) -> None:
        """Let the link point to ``path``, atomically.

        Raises:
            Refused: there is no artifact at ``path``.
        """
        ...

    def answers(self, host: HostName, port: int, path: str) -> int | None:
        """The HTTP status that the host itself gives on its own address; none if nothing answers."""
        ...
