"""Let users' requests wait at the balancers while a service restarts that cannot hand its work over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal, Undo
from skylift.model.ids import PoolName, Seconds
from skylift.ports import Ports

LEASE_S = 10
"""For how long one push parks: what a process that dies leaves behind ends by itself within this time."""


@dataclass(frozen=True, slots=True)
class ParkPool(Action):
    """Let every balancer hold new requests to ``pool``, and wait until none is in flight.

    The requests wait and are answered once the pool is unparked. Parking ends by itself within seconds
    unless it is renewed, which the engine does until the pool is unparked; after a death it is parked
    anew before anything that waits for this step goes on.
    """

    kind: ClassVar[str] = "park-pool"

    pool: PoolName
    limit: Seconds
    """How long at most a request may wait, and for how long the engine goes on parking."""

    @property
    def title(self) -> str:
        return f"park pool {self.pool} until no request is in flight"

    @property
    def hold_s(self) -> Seconds:
        """The last renewal ends with the limit."""
        return Seconds(self.limit - self._lease)

    @property
    def must_last(self) -> bool:
        """Its limit may pass while a host is away, and a balancer that was restarted holds nothing yet."""
        return True

    def observe(self, ports: Ports) -> Progress:
        """Done when every balancer will hold requests for a while yet, and no server has one in hand."""
        parked = ports.balancer.parked()
        open_on = [host for host, left in parked.items() if left.get(self.pool, 0) < (self._lease + 1) // 2]
        if open_on:
            return Pending(f"not held long enough by the balancers on {', '.join(sorted(open_on))}")
        in_flight = sum(b.sessions for b in ports.balancer.backends() if b.pool == self.pool)
        return Pending(f"{in_flight} requests in flight") if in_flight else Done()

    def advance(self, ports: Ports) -> None:
        ports.balancer.park(self.pool, self._lease, limit=self.limit)

    def reversal(self) -> Reversal:
        return Undo(UnparkPool(self.pool))

    @property
    def _lease(self) -> Seconds:
        return Seconds(min(LEASE_S, self.limit))


@dataclass(frozen=True, slots=True)
class UnparkPool(Action):
    """Let every balancer send the requests that wait for ``pool``, and hold no more."""

    kind: ClassVar[str] = "unpark-pool"

    pool: PoolName

    @property
    def title(self) -> str:
        return f"unpark pool {self.pool}"

    def observe(self, ports: Ports) -> Progress:
        held_on = [host for host, left in ports.balancer.parked().items() if left.get(self.pool, 0)]
        return Pending(f"held by the balancers on {', '.join(sorted(held_on))}") if held_on else Done()

    def advance(self, ports: Ports) -> None:
        ports.balancer.unpark(self.pool)

    def reversal(self) -> Reversal:
        return NothingToUndo("requests that flow are the usual state")
