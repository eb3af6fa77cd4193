"""Balancers in front of the APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from skylift.model.cloud import Backend
from skylift.model.ids import HostName, PoolName, Seconds


class Balancer(Protocol):
    """All balancer instances at once: any of them may get the VIP at any time."""

    def backends(self, on: HostName | None = None) -> tuple[Backend, ...]:
        """Every server of every pool, as each instance sees it; with ``on``, as the one on that host does.

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

    def park(self, pool: PoolName, seconds: Seconds, *, limit: Seconds) -> None:
        """Let every instance hold new requests to a pool for ``seconds``, each of them for at most ``limit``.

        Held requests go on when that time is over or the pool is unparked; those in flight end. Parking
        ends by itself, by each instance's own clock, so whoever wants it to last repeats this in time.

        Raises:
            Refused: an instance cannot park this pool.
            Transient: an instance does not answer; the others may have parked it, so repeat.
        """
        ...

    def unpark(self, pool: PoolName) -> None:
        """Let every instance send the requests that it holds, and hold no more; harmless if it holds none.

        Raises:
            Refused: an instance cannot park this pool.
            Transient: an instance does not answer; the others may have been told, so repeat.
        """
        ...

    def parked(self) -> Mapping[HostName, Mapping[PoolName, Seconds]]:
        """For how long still each instance holds requests, by pool: 0 for one that it could park.

        A pool that an instance cannot park is missing under its name.

        Raises:
            Transient: an instance does not answer.
        """
        ...
