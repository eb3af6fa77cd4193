"""Looks on at all that happens in a simulated world, and says what must never be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from skylift.engine.journal import Event
from skylift.engine.journal_problems import JournalDamaged
from skylift.model.ids import StepId
from skylift.testing.plans import RUN
from skylift.testing.simulation.books import Books
from skylift.testing.simulation.guards import Guards
from skylift.testing.simulation.rules import RULES
from skylift.testing.simulation.users import Users
from skylift.testing.simulation.wire import Call
from skylift.testing.simulation.world import World, planned
from skylift.verifier.fleet.seen import Violation

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
        self.users = Users(world)

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
            self._judge(self.guards.once(call))
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

    def reload(self) -> bool:
        """Read the disk as a process does that was just started; whether it can be trusted."""
        if self.books is None:
            return True
        self.checks["chain"] += 1
        try:
            events = self._world.store.kept()
        except JournalDamaged as damaged:
            self.breaks("chain", str(damaged))
            return False
        for event in events[self.books.length :]:
            # A power cut may have come after the last byte, and before anybody was told.
            self._judge(self.books.add(event, self._world.worker, self._world.worker))
        self._world.run = self.books.run
        self._judge(self.books.reload(events))
        return True

    def around(self, befalls: Callable[[], None]) -> None:
        """Let a fault befall the cloud."""
        self.look()
        self.users.spare(befalls)

    def look(self) -> None:
        """See what users got since the last look, and what is out of its pool."""
        if self.guards is not None:
            self._judge(self.users.look(self.guards))
            self._judge(self.guards.look())

    def end(self) -> None:
        """The run is over, everything that was wrong is repaired, and some time has passed."""
        assert self.guards is not None, "a run that ended had begun"  # noqa: S101 - as it says
        self.look()
        self.reload()
        if self.books is not None:
            self._judge(self.books.end())
        self._judge(self.guards.end())

    def counts(self) -> Counter[str]:
        """How often each invariant was looked at."""
        books = self.books.checks if self.books else Counter[str]()
        guards = self.guards.checks if self.guards else Counter[str]()
        return self.checks + self.users.checks + books + guards

    def _judge(self, found: Iterable[Violation]) -> None:
        for violation in found:
            self.breaks(violation.rule, violation.sentence)
