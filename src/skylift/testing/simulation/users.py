"""What users of a simulated cloud lose, and whether a fault alone is to blame: told exactly.

A request of users may fail only where a fault itself makes it fail:

* it was in flight on a service at the moment when a fault ended that service or its host;
* it was in flight on a service whose stop had been asked for when a balancer forgot what it was told: the
  ask comes in the moment of the last look, and takes effect later;
* no backend of its pool served, and at least one that the run had not taken had been kept from serving by a
  fault within ``RECOVERS_S``.

All other failures are the run's: a request cut by a stop, a schema that the code that serves does not bear,
a pool of which the run took every backend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from skylift.model.ids import PoolName
from skylift.testing.fake_state import FailedRequest
from skylift.testing.fake_traffic import RISE_S
from skylift.testing.simulation.guards import Guards, Place
from skylift.testing.simulation.world import World
from skylift.verifier.fleet.seen import Violation

RECOVERS_S = RISE_S
"""For how long a backend that serves again may be out of use yet: until a health check has seen it."""


class Users:
    """Judges each failed request once, and each of users' works that is lost."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._judged = 0
        """How many failed requests were."""
        self._lost = 0
        """How many works were lost by faults, or were told of."""
        self.checks: Counter[str] = Counter()

    def spare(self, befalls: Callable[[], None]) -> None:
        """Let a fault befall the cloud: what users lose in this moment, they lose by it."""
        before = self._works_lost()
        try:
            befalls()
        finally:
            self._judged = len(self._world.cloud.failed)
            self._lost += self._works_lost() - before

    def look(self, guards: Guards) -> Iterator[Violation]:
        """Judge what they lost since the last look."""
        world, now = self._world, self._world.cloud.now
        for place in guards.places:
            if not guards.is_taken(place) and not guards.serves(place):
                world.hurt[place] = now
        self.checks.update(("users", "work"))
        failed = world.cloud.failed[self._judged :]
        self._judged += len(failed)
        for request in failed:
            alone = request.why == "no backend serves" and self._is_hurt(request.pool)
            raced = request.why.startswith("in flight") and self._raced(request, guards.stops)
            if not (alone or raced):
                yield Violation("users", f"a request to {request.pool} failed: {request.why}")
        if (lost := self._works_lost()) > self._lost:
            self._lost = lost
            yield Violation("work", "a server or a stack that a user asked for was lost")

    def _raced(self, request: FailedRequest, stops: Mapping[Place, float]) -> bool:
        """Whether a balancer forgot what it was told after the stop that cut a request had been asked for."""
        own = (
            at for (pool, host), at in stops.items() if pool == request.pool and f" {host} " in request.why
        )
        return any(self._world.forgot_at >= at for at in own)

    def _is_hurt(self, pool: PoolName) -> bool:
        since = self._world.cloud.now - RECOVERS_S
        return any(at >= since for (where, _), at in self._world.hurt.items() if where == pool)

    def _works_lost(self) -> int:
        """What an engine of another release took is lost later than the fault that brought it to life."""
        stacks = 0 if self._world.shaken else len(self._world.cloud.stacks.lost)
        return len(self._world.cloud.builds.lost) + stacks
