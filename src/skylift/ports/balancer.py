"""Balancers in front of the APIs."""

from __future__ import annotations

from typing import Literal, Protocol

from skylift.model.cloud import Backend
from skylift.model.ids import HostName, PoolName


class Balancer(Protocol):
    """All balancer instances at once: any of them may get the VIP at any time."""

    def backends(self) -> tuple[Backend, ...]:
        """Every server of every pool, as each instance sees it.

        Raises:
            Transient: an instance does not answer; what it would do with requests is unknown.
        """
        ...

    def set_state(self, pool: PoolName, server: HostName, state: Literal["drain", "ready"]) -> None:
        """Let every instance drain a server (no new requests; those in flight end) or use it again.

        Raises:
            Transient: an instance does not answer; the others may have been set, so repeat.
        """
        ...
