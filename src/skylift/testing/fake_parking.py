"""What one fake balancer holds, as its map says and ``park.lua`` reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from skylift.model.ids import PoolName, Seconds


@dataclass(slots=True)
class FakeLine:
    """One pool in the map."""

    until: float = 0.0
    limit: float = 0.0
    waiting_since: float | None = None
    """Since when the request that waits longest does; none if none waits."""

    def holds(self, now: float) -> bool:
        """Whether requests wait. When one has waited for the limit it goes on, and so do those after it."""
        waited = 0.0 if self.waiting_since is None else now - self.waiting_since
        return now < self.until and waited < self.limit


class FakeParking:
    """The map of one balancer, and for how long its requests waited."""

    def __init__(self, pools: Iterable[PoolName]) -> None:
        self.lines = {pool: FakeLine() for pool in pools}

    def park(self, pool: PoolName, *, until: float, limit: Seconds) -> None:
        """Set the line of a pool that has one."""
        line = self.lines[pool]
        line.until, line.limit = until, limit

    def pass_moment(self, now: float) -> None:
        """Let a request to each pool come: it waits, or goes on with those that did."""
        for line in self.lines.values():
            if not line.holds(now):
                line.waiting_since = line.waiting_since if now < line.until else None
            elif line.waiting_since is None:
                line.waiting_since = now

    def holds(self, pool: PoolName, now: float) -> bool:
        """Whether requests to ``pool`` wait now."""
        return self.lines[pool].holds(now)

    def left(self, now: float) -> dict[PoolName, Seconds]:
        """For how long still each pool is parked."""
        return {pool: Seconds(max(int(line.until - now), 0)) for pool, line in self.lines.items()}
