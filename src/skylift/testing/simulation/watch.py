"""Looks on at all that happens in a simulated world, and says what must never be.

A request of users may fail only where a fault itself makes it fail, and that is told exactly:

* it was in flight on a service at the moment when a fault ended that service or its host;
* it was in flight on a service that the run stopped within ``RACE_S`` after a balancer had forgotten what it
  was told: between a look and what follows from it there is always a moment;
* or no backend of its pool served, and at least one that the run had not taken had been kept from serving by
  a fault within ``RECOVERS_S``.

All other failures are the run's: a request cut by a stop, a schema that the code that serves does not bear,
a pool of which the run took every backend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from skylift.engine.journal import Event
from skylift.model.ids import HostName, PoolName, StepId
from skylift.ports import Ended, Running
from skylift.testing.plans import RUN
from skylift.testing.simulation.books import Books
from skylift.testing.simulation.guards import RACE_S, Guards
from skylift.testing.simulation.rules import RULES
from skylift.testing.simulation.wire import Call
from skylift.testing.simulation.world import World, planned
from skylift.verifier.fleet.seen import Violation

RECOVERS_S = 12
"""For how long after a fault its backend may still be out of use: health checks look twice."""
MOST = 40
"""After so many violations a run is not played on, and no more are counted."""
RELOAD_EVERY = 16
"""How many events there are between two whole reloads of the journal, beside those of each process."""


class Watch:
    """The eyes of the simulation; what it finds is in ``broken``."""

    def __init__(self, world: World, at_once: int) -> None:
        self._world = world
        self._at_once = at_once
        self.broken: list[tuple[int, Violation]] = []
        """What broke an invariant, and after how many touches."""
        self.checks: Counter[str] = Counter()
        self.books: Books | None = None
        self.guards: Guards | None = None
        self._judged = 0
        """How many failed requests were judged."""
        self._lost = 0
        """How many of users' works were lost by faults."""

    def begin(self) -> None:
        """There is a plan that may be run."""
        self.books = Books(planned(self._world), self._at_once)
        self.guards = Guards(self._world, planned(self._world))

    def breaks(self, rule: str, sentence: str) -> None:
        """Something is as it must not be.

        Raises:
            KeyError: there is no such invariant.
        """
        RULES[rule]
        if len(self.broken) >= MOST:
            return
        self._world.note(f"BROKEN {rule}: {sentence}")
        self.broken.append((self._world.touches, Violation(rule, sentence)))

    def calls(self, call: Call) -> None:
        if self.books is None or self.guards is None or not call.changes:
            return
        if not call.key:
            if call.port != "vantage":
                self.breaks("event first", f"{call.name} was called under no step's key")
            return
        run, _, rest = call.key.partition(".")
        step, _, attempt = rest.rpartition(".")
        self.checks["event first"] += 1
        if run != RUN or not attempt.isdecimal() or not self.books.runs(StepId(step), int(attempt)):
            self.breaks("event first", f"{call.name} under {call.key}, which is not said to run")
            return
        self._judge(self.guards.may_call(call, StepId(step)))

    def made(self, call: Call) -> None:
        self._world.note(f"{call.name} {call.key}")
        if self.guards is not None and call.name == "jobs.start":
            self.checks["once"] += 1
            self._once(call)
        self.look()

    def appended(self, event: Event, by: int) -> None:
        """Also looks at the cloud: no invariant waits for the next second."""
        world = self._world
        if self.books is None:
            return
        world.note(f"{by} {event}")
        self._judge(self.books.add(event, by, world.worker))
        world.run = self.books.run
        if world.run is not None and world.run.length % RELOAD_EVERY == 0:
            self.reload()
        self.look()

    def reload(self) -> None:
        """Read the disk as a process does that was just started."""
        if self.books is None:
            return
        self.checks["chain"] += 1
        events = self._world.store.kept()
        length = self.books.run.length if self.books.run else 0
        for event in events[length:]:
            # A power cut may have come after the last byte, and before anybody was told.
            self._judge(self.books.add(event, self._world.worker, self._world.worker))
        self._world.run = self.books.run
        self._judge(self.books.reload(events))

    def around(self, befalls: Callable[[], None]) -> None:
        """Let a fault befall the cloud: what users lose in this moment, they lose by it."""
        self.look()
        before = self._works_lost()
        try:
            befalls()
        finally:
            self._judged = len(self._world.cloud.failed)
            self._lost += self._works_lost() - before

    def look(self) -> None:
        """See what users got since the last look, and what is out of its pool."""
        world, now = self._world, self._world.cloud.now
        if self.guards is None:
            self._judged = len(world.cloud.failed)
            return
        for place in self.guards.places:
            if not self.guards.is_taken(place) and not self.guards.serves(place):
                world.hurt[place] = now
        failed = world.cloud.failed
        self.checks["users"] += 1
        for request in failed[self._judged :]:
            alone = request.why == "no backend serves" and self._is_hurt(request.pool)
            raced = request.why.startswith("in flight") and now - world.forgot_at <= RACE_S
            if not (alone or raced):
                self.breaks("users", f"a request to {request.pool} failed: {request.why}")
        self._judged = len(failed)
        self.checks["work"] += 1
        if self._works_lost() > self._lost:
            self.breaks("work", "a server or a stack that a user asked for was lost")
            self._lost = self._works_lost()
        self._judge(self.guards.look())

    def end(self) -> None:
        """The run is over, everything that was wrong is repaired, and some time has passed."""
        assert self.guards is not None, "a run that ended had begun"  # noqa: S101 - as it says
        self.look()
        self.reload()
        self._judge(self.guards.end())

    def counts(self) -> Counter[str]:
        """How often each invariant was looked at."""
        books = self.books.checks if self.books else Counter[str]()
        guards = self.guards.checks if self.guards else Counter[str]()
        return self.checks + books + guards

    def _is_hurt(self, pool: PoolName) -> bool:
        since = self._world.cloud.now - RECOVERS_S
        return any(at >= since for (where, _), at in self._world.hurt.items() if where == pool)

    def _once(self, call: Call) -> None:
        host: HostName = call.args[0]
        argv = call.args[1].argv
        jobs = self._world.cloud.hosts[host].jobs
        others = [job for key, job in jobs.items() if key != call.key and job.command.argv == argv]
        mine = jobs.get(call.key)
        if argv[0] == "systemctl" or mine is None:
            return
        if any(isinstance(job.state, Running) for job in others) and isinstance(mine.state, Running):
            self.breaks("once", f"{' '.join(argv)} runs twice at a time on {host}")
        if any(isinstance(job.state, Ended) and job.state.code == 0 for job in others):
            self.breaks("once", f"{' '.join(argv)} is run again on {host}, and it had ended well")

    def _works_lost(self) -> int:
        """What an engine of another release took is lost later than the fault that brought it to life."""
        stacks = 0 if self._world.shaken else len(self._world.cloud.stacks.lost)
        return len(self._world.cloud.builds.lost) + stacks

    def _judge(self, found: Iterable[Violation]) -> None:
        for violation in found:
            self.breaks(violation.rule, violation.sentence)
