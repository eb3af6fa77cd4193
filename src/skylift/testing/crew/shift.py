"""Worker processes that share one run, and whoever starts them again: as a supervisor does.

They may be killed, too: whoever drives the run, in the middle of a step.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from skylift.app.runs import RunStore
from skylift.engine.fold import Phase, Run, fold
from skylift.engine.journal import Event, Journal, RunResumed, StepStarted
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
    _journal: Journal | None = None

    def begin(self, workers: int) -> None:
        """Start so many."""
        self.workers = {number: self.start(number) for number in range(workers)}

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
                self.workers[number] = self.start(number)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something, within the limit, and supervise meanwhile."""
        never, late = threading.Event(), time.monotonic() + self.limit_s
        while time.monotonic() < late:
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
        if not held:
            run = self.run()
            problems = [at.problem for at in run.steps.values() if at.problem]
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
        """Who holds the cloud; none also while the store is away."""
        try:
            return self.store.lease.holder()
        except StoreUnreachable:
            return None

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


def loses_driver(shift: Shift, *, start: int, and_s: float) -> list[TakeOver]:
    """``kill -9`` of whoever drives, so long after the ``start``-th step was begun, in the middle of a step.

    Only the others can take over: a new worker is started in the place of the dead one once they have. A
    death that happened to fall between two steps is one more than was asked for, and told like the others.
    """

    def begun() -> int:
        return sum(isinstance(event, StepStarted) for event in shift.events())

    shift.comes_to(lambda: begun() >= start, f"the start of step {start}")
    threading.Event().wait(and_s)
    taken_over: list[TakeOver] = []
    while not taken_over or not taken_over[-1].under_way:
        shift.comes_to(
            lambda: bool(shift.run().within(Phase.RUNNING)) and shift.holder() is not None, "a step under way"
        )
        taken_over.append(_killed(shift, shift.driver()))
    return taken_over


def _killed(shift: Shift, driver: subprocess.Popen[bytes]) -> TakeOver:
    driver.kill()
    driver.wait()
    died = time.monotonic()
    at_death, length = shift.run().within(Phase.RUNNING), len(shift.events())

    def resumed() -> bool:
        # Not just any event: the dead one's last may have reached the server, and be kept a moment later.
        return any(isinstance(event, RunResumed) for event in shift.events()[length:])

    (number,) = (number for number, worker in shift.workers.items() if worker is driver)
    del shift.workers[number]
    others = {worker.pid for worker in shift.workers.values()}
    shift.until(lambda: shift.taken_over_from(driver), f"the take-over after event {length}")
    held, holder = time.monotonic(), shift.holder()
    shift.until(resumed, "the first event of whoever took over")
    written = time.monotonic()
    shift.ended.append(driver.returncode)
    shift.workers[number] = shift.start(number)
    by_the_other = holder is not None and holder.pid in others
    return TakeOver(length, tuple(sorted(at_death)), by_the_other, held - died, written - died)
