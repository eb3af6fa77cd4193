"""Volumes that hosts serve from their own disks."""

from __future__ import annotations

from typing import Protocol

from skylift.model.exports import Attached, Exports
from skylift.model.ids import HostName


class Volumes(Protocol):
    """What hosts export, and who has it. Reads only."""

    def exports(self, host: HostName) -> Exports:
        """What a host exports to others now, and what it would after a boot."""
        ...

    def attached(self, host: HostName) -> tuple[Attached, ...]:
        """The volumes of all projects that are attached, and on a back end that Cinder has on this host.

        None if the cloud has no Cinder. A call may take minutes where very many instances are shut off.

        Raises:
            Transient: an API does not answer.
            Refused: the credentials may not see it.
        """
        ...
