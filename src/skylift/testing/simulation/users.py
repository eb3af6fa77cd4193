"""What users of a simulated cloud lose, and whether a fault alone is to blame: told exactly.

A request of users may fail only where a fault itself makes it fail:

* it was in flight on a service at the moment when a fault ended that service or its host;
* it was in flight on a service whose stop had been asked for when a balancer forgot what it was told: the
  ask comes in the moment of the last look, and takes effect later;
* no backend of its pool served, the plan announces that, and the run had taken every one of them, or a
  fault kept it from serving, within ``RECOVERS_S``;
* no backend of its pool served, and at least one that the run had not taken had been kept from serving by a
  fault within ``RECOVERS_S``;
* the run takes back code that loses requests as long as it runs, and it was lost by that.

A stack may be lost only if it was under way when a fault ended an engine, or while an engine lives that a
fault brought to life: one that started with its host, or that was started by whoever repaired it. A server
may be lost only in the moment of a fault.

All other failures are the run's: a request cut by a stop, a schema that the code that serves does not bear,
a pool of which the run took every backend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from skylift.model.ids import PoolName
from skylift.testing.fake_stacks import HEAT_ENGINE
from skylift.testing.fake_state import FailedRequest
from skylift.testing.fake_traffic import RISE_S
from skylift.testing.fake_work import is_unit_of
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
        self._lost: set[str] = set()
        """Works that were lost and judged."""
        self._taken: dict[Place, float] = {}
        """When the run was last seen to have a backend out."""
        self.announced: Counter[str] = Counter()
        """Requests that failed in an outage that the plan announces, by pool."""
        self.checks: Counter[str] = Counter()

    @property
    def works_lost(self) -> tuple[str, ...]:
        """Servers and stacks that users asked for and did not get."""
        return tuple(self._works_lost())

    def spare(self, befalls: Callable[[], None]) -> None:
        """Let a fault befall the cloud: what users lose in this moment, they lose by it."""
        try:
            befalls()
        finally:
            self._judged = len(self._world.cloud.failed)
            self._lost |= set(self._works_lost())

    def look(self, guards: Guards) -> Iterator[Violation]:
        """Judge what they lost since the last look."""
        world, now = self._world, self._world.cloud.now
        for place in guards.places:
            if guards.is_taken(place):
                self._taken[place] = now
            elif not guards.serves(place):
                world.hurt[place] = now
        self.checks.update(("users", "work"))
        failed = world.cloud.failed[self._judged :]
        self._judged += len(failed)
        for request in failed:
            alone = request.why == "no backend serves"
            if alone and self._is_announced(request.pool, guards):
                self.announced[request.pool] += 1
                continue
            alone = alone and self._is_hurt(request.pool)
            raced = request.why.startswith("in flight") and self._raced(request, guards.stops)
            if not (alone or raced):
                yield Violation("users", f"a request to {request.pool} failed: {request.why}")
        for lost in [work for work in self._works_lost() if work not in self._lost]:
            self._lost.add(lost)
            if lost not in world.cut and not (lost in self._stacks_lost() and self._revived()):
                yield Violation("work", f"{lost}, which a user asked for, was lost")

    def _raced(self, request: FailedRequest, stops: Mapping[Place, float]) -> bool:
        """Whether a balancer forgot what it was told after the stop that cut a request had been asked for."""
        own = (
            at for (pool, host), at in stops.items() if pool == request.pool and f" {host} " in request.why
        )
        return any(self._world.forgot_at >= at for at in own)

    def _is_announced(self, pool: PoolName, guards: Guards) -> bool:
        """Whether the plan says so, and no backend is out but for the run or a fault."""
        since = self._world.cloud.now - RECOVERS_S
        own = [place for place in guards.places if place[0] == pool]
        out = [max(self._taken.get(place, 0.0), self._world.hurt.get(place, 0.0)) for place in own]
        return pool in guards.announced and all(at >= since for at in out)

    def _is_hurt(self, pool: PoolName) -> bool:
        since = self._world.cloud.now - RECOVERS_S
        return any(at >= since for (where, _), at in self._world.hurt.items() if where == pool)

    def _works_lost(self) -> Iterator[str]:
        yield from (build.id for build in self._world.cloud.builds.lost)
        yield from self._stacks_lost()

    def _stacks_lost(self) -> tuple[str, ...]:
        return tuple(stack.id for stack in self._world.cloud.stacks.lost)

    def _revived(self) -> bool:
        """Whether an engine lives because of a fault: what it takes from those of another release, it loses.

        It does until its process ends: then a stack that is lost is the run's again.
        """
        cloud = self._world.cloud
        for host in cloud.hosts.values():
            for name, unit in host.units.items():
                if unit.running and is_unit_of(cloud, name, HEAT_ENGINE):
                    with_host = host.name in self._world.booted and unit.started_at == host.booted_at
                    if with_host or unit.pid in self._world.revived:
                        return True
        return False
