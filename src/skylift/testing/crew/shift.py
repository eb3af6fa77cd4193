"""Worker processes that share one run, and whoever starts them again: as a supervisor does.

They may be killed, too: whoever drives the run, in the middle of a step.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from skylift.app.runs import RunStore
from skylift.engine.fold import Phase, Run, fold
from skylift.engine.journal import Event, Journal, RunClosed, RunTakenUp, StepStarted
from skylift.engine.problems import Holder
from skylift.engine.store_problems import StoreUnreachable
from skylift.model.ids import RunId, StepId

_LOOK_EVERY_S = 0.05
_ENDS_MAX = 50
"""Workers that end more often than this do not work at all."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """What came of the death of whoever drove."""

    events: int
    """How many there were at the death."""
    under_way: tuple[StepId, ...]
    """The steps that the dead one was in the middle of."""
    by_the_other: bool
    """Whether it was taken over by one that was at work at the death, and by no new one."""
    held_after_s: float
    """From the kill until another held the cloud."""
    written_after_s: float
    """From the kill until that one had written its first event."""


@dataclass(kw_only=True)
class Shift:
    """So many workers of one run of the cloud of ``store``; ``start`` starts one, by its number."""

    store: RunStore
    id: RunId
    start: Callable[[int], subprocess.Popen[bytes]]
    limit_s: float
    """For how long anything is waited for."""
    workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)
    """How workers ended that were started again."""
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """Every worker that there ever was."""
    _journal: Journal | None = None

    def begin(self, workers: int) -> None:
        """Start so many."""
        for number in range(workers):
            _enlist(self, number)

    def end(self) -> None:
        """Kill those that live, one by one."""
        for worker in self.workers.values():
            worker.kill()
            worker.wait()

    def supervise(self) -> None:
        """Start again whoever has ended."""
        for number, worker in tuple(self.workers.items()):
            code = worker.poll()
            if code is not None:
                self.ended.append(code)
                assert len(self.ended) <= _ENDS_MAX, f"workers end again and again: {self.ended}"  # noqa: S101 - of tests
                _enlist(self, number)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something, within the limit, and supervise meanwhile."""
        never, late = threading.Event(), time.monotonic() + self.limit_s
        while time.monotonic() < late:
            # It may be away on purpose, or have ended what a process that was held up had begun.
            with suppress(StoreUnreachable):
                if holds():
                    return
            self.supervise()
            never.wait(_LOOK_EVERY_S)
        msg = f"{what} did not happen within {self.limit_s} s: {len(self.events())} events, ends {self.ended}"
        raise AssertionError(msg)

    def comes_to(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something that the run brings about; it fails as soon as the run rests before that."""
        held = False

        def held_or_rests() -> bool:
            nonlocal held
            held = holds()
            return held or not self.store.shelf.restless()

        self.until(held_or_rests, what)
        if not held and not holds():  # it may have come to that between the two looks
            run = self.run()
            problems = [run.pause, *(at.problem for at in run.steps.values() if at.problem)]
            raise AssertionError(f"the run rests, {run.standing.value}, before {what}: {problems}")

    def events(self) -> tuple[Event, ...]:
        """The run's, by now."""
        if self._journal is None:
            self._journal = self.store.journal(self.id, None)
        return self._journal.events()

    def run(self) -> Run:
        """How it stands."""
        return fold(self.events())

    def holder(self) -> Holder | None:
        """Who holds the cloud."""
        return self.store.lease.holder()

    def driver(self) -> subprocess.Popen[bytes]:
        """Whoever drives the run, as soon as anybody does."""
        found: list[subprocess.Popen[bytes]] = []

        def drives() -> bool:
            # The lease of one that ended by itself may last for a while yet.
            holder = self.holder()
            found.extend(w for w in self.workers.values() if holder is not None and w.pid == holder.pid)
            return bool(found)

        self.until(drives, "a drive")
        return found[0]

    def taken_over_from(self, dead: subprocess.Popen[bytes]) -> bool:
        """Whether another drives it."""
        holder = self.holder()
        return holder is not None and holder.pid != dead.pid

    def reaches(self, events: int) -> None:
        """Wait until the run is so far."""
        self.comes_to(lambda: len(self.events()) >= events, f"event {events}")

    def completes(self) -> None:
        """Wait until the run has ended."""
        self.comes_to(lambda: self.run().closed is not None, "its end")


def _enlist(shift: Shift, number: int) -> None:
    """Start a worker in the place of this number."""
    shift.workers[number] = shift.start(number)
    shift.started.append(shift.workers[number])


def loses_driver(shift: Shift, *, start: int, and_s: float) -> list[TakeOver]:
    """``kill -9`` of whoever drives, so long after the ``start``-th step was begun, in the middle of a step.

    Only the others can take over: a new worker is started in the place of the dead one once they have. A
    death that happened to fall between two steps, or after which no other lived long enough to take over,
    is one more than was asked for, and told like the others.
    """

    def begun() -> int:
        return sum(isinstance(event, StepStarted) for event in shift.events())

    shift.comes_to(lambda: begun() >= start, f"the start of step {start}")
    threading.Event().wait(and_s)
    known = 0

    def in_the_middle() -> bool:
        nonlocal known
        events = shift.events()
        known = len(events)
        return bool(fold(events).within(Phase.RUNNING)) and shift.holder() is not None

    taken_over: list[TakeOver] = []
    while not taken_over or not (taken_over[-1].under_way and taken_over[-1].by_the_other):
        shift.comes_to(in_the_middle, "a step under way")
        taken_over.append(_killed(shift, shift.driver(), known))
    return taken_over


def _killed(shift: Shift, driver: subprocess.Popen[bytes], known: int) -> TakeOver:
    driver.kill()
    driver.wait()
    died = time.monotonic()
    (number,) = (number for number, worker in shift.workers.items() if worker is driver)
    del shift.workers[number]
    others = {worker.pid for worker in shift.workers.values()}
    heir: Holder | None = None
    went_on = 0

    def taken_over() -> bool:
        nonlocal heir
        heir = shift.holder()
        return heir is not None and heir.pid != driver.pid

    def resumed() -> bool:
        # All before it is the dead one's, what the server kept only after the death included; even the end.
        nonlocal went_on
        later = enumerate(shift.events()[known:], start=known)
        went_on = next((number for number, event in later if isinstance(event, RunTakenUp | RunClosed)), 0)
        return went_on > 0

    shift.until(taken_over, f"the take-over after event {known}")
    held = time.monotonic()
    shift.until(resumed, "the first event of whoever took over")
    written = time.monotonic()
    shift.ended.append(driver.returncode)
    _enlist(shift, number)
    at_death = fold(shift.events()[:went_on]).within(Phase.RUNNING)
    by_the_other = heir is not None and heir.pid in others
    return TakeOver(went_on, tuple(sorted(at_death)), by_the_other, held - died, written - died)
