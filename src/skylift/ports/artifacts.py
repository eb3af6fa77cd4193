"""Artifacts on hosts."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Protocol

from skylift.model.cloud import Revision
from skylift.model.ids import Digest, HostName
from skylift.model.record import Artifact
from skylift.ports.jobs import Command


class Artifacts(Protocol):
    """The environments that lie side by side on a host, each at a path of its own."""

    def staged(self, host: HostName, path: PurePosixPath) -> Digest | None:
        """The digest of the manifest at ``path``; none if nothing was staged there.

        Staging renames into place only what was verified whole, so a digest means a whole artifact.
        """
        ...

    def obtainable(self, host: HostName, artifact: Artifact) -> bool:
        """Whether ``host`` could fetch the archive now."""
        ...

    def stage_command(self, artifact: Artifact) -> Command:
        """The command that fetches the artifact if it is not there, and verifies every file of it.

        Ends with 0 only if each file agrees with the manifest and the manifest with the digest. Pure.
        """
        ...

    def migrations(self, host: HostName, folder: PurePosixPath) -> tuple[Revision, ...]:
        """The alembic revisions that the files under ``folder`` declare, read without running them.

        A star in ``folder`` stands for a name that a catalog cannot know, such as the version of Python.

        Raises:
            Refused: no folder or several match, or a file cannot be read as a migration.
        """
        ...
