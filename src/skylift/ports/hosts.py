"""Machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Protocol

from skylift.model.cloud import Answer, HostSeen
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Remedy, Transient


class HostUnreachable(Transient):
    """A host does not answer; a driver raises it, and the engine waits for as long as the policy says."""

    code = "host.unreachable"

    def __init__(self, host: HostName, why: str) -> None:
        super().__init__(
            f"{host} could not be reached: {why}",
            Remedy(Fix.REPAIR, f"see whether it runs and is on the network: ping {host}"),
            Remedy(Fix.RETRY, "when it answers again: skylift retry"),
        )
        self.host = host


class Hosts(Protocol):
    """The machines of the cloud. Reads only."""

    def look(self, host: HostName) -> HostSeen:
        """What the host says of itself: boot id, clock, free disk, digests of its key repositories."""
        ...

    def ask(self, host: HostName, argv: Sequence[str], *, user: str = "root") -> Answer:
        """Run a command that only reads, as ``user``, and return its code and output (both streams).

        For questions that a program on the host answers within 30 s; a change is a job instead.
        """
        ...

    def tail(self, host: HostName, path: PurePosixPath, *, offset: int) -> bytes:
        """The bytes of a file from ``offset``, at most 1 MiB; empty if the file ends there or is absent."""
        ...
