"""Engines, journals and disks with one flaw each."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from skylift.engine.decide import Decision, decide
from skylift.engine.execute import Execution, Limits, Push, Sight
from skylift.engine.fold import Run
from skylift.engine.journal import (
    Event,
    Journal,
    Outcome,
    Overtaken,
    Reported,
    RunClosed,
    StepDone,
    StepFailed,
    StepStarted,
    milliseconds,
)
from skylift.engine.near import Near
from skylift.model.ids import Epoch, StepId
from skylift.model.problem import Refused, Uncertain
from skylift.planning.plan import Plan, Step
from skylift.ports import Ports
from skylift.testing.simulation.store import InMemory, Store


class WritesLater:
    """Keeps what is to start in memory until something else is written."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._owed: list[Event] = []

    def append(self, event: Event, *, after: int) -> None:
        if isinstance(event, StepStarted):
            self._owed.append(event)
            return
        before = after - len(self._owed)
        for number, owed in enumerate(self._owed):
            self._journal.append(owed, after=before + number)
        self._owed = []
        self._journal.append(event, after=after)

    def events(self, after: int = 0) -> tuple[Event, ...]:
        return (*self._journal.events(), *self._owed)[after:]

    def close(self) -> None:
        self._journal.close()


class AppendsBlindly:
    """Writes whatever others wrote meanwhile."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, event: Event, *, after: int) -> None:
        try:
            self._journal.append(event, after=after)
        except Overtaken:
            self.append(event, after=len(self._journal.events()))

    def events(self, after: int = 0) -> tuple[Event, ...]:
        return self._journal.events(after)

    def close(self) -> None:
        self._journal.close()


class _Decides(Execution):
    """Decides by another run than the one there is."""

    def seen_as(self, run: Run) -> Run:
        """The run as this one takes it to be."""
        return run

    @property
    def decision(self) -> Decision:
        seen, ended = self.seen_as(self.run), self._outlived.ended
        return decide(self._order, seen, at_once=self._limits.at_once, ended=ended)


class DeafToPauses(_Decides):
    def seen_as(self, run: Run) -> Run:
        return replace(run, pause=None)


class ApprovesItself(_Decides):
    def seen_as(self, run: Run) -> Run:
        return replace(run, gated=frozenset(), approved=frozenset(s.id for s in self._order.steps))


class GoesOnAfterAbort(_Decides):
    def seen_as(self, run: Run) -> Run:
        return replace(run, abort=None)


class NeverGivesBack(Execution):
    """Knows of nothing that was taken, so that a run given up is closed with backends out."""

    def __init__(self, plan: Plan, journal: Journal, ports: Ports, *, limits: Limits) -> None:
        super().__init__(plan, journal, ports, limits=limits)
        self._order = replace(self._order, loans=())
        self._near = Near(self._order)


class HeldOnItsWayBack(Execution):
    """Pauses for what users lose by the very code that it is to take back."""

    def __init__(self, plan: Plan, journal: Journal, ports: Ports, *, limits: Limits) -> None:
        super().__init__(plan, journal, ports, limits=limits)
        self.goes_back = False


class StartsAll(Execution):
    def __init__(self, plan: Plan, journal: Journal, ports: Ports, *, limits: Limits) -> None:
        super().__init__(plan, journal, ports, limits=replace(limits, at_once=99))


class TakesUncertainForFailed(Execution):
    """A lost answer counts as a job that ended, so that a retry starts a second one beside it."""

    def _settle(self, step: Step, came: Push, now: Epoch) -> None:
        if isinstance(came, Uncertain):
            attempt = self.run.steps[step.id].attempt
            failed = StepFailed(step.id, attempt, Reported.of(came), ended=True, at_ms=milliseconds(now))
            self.ledger.record(failed)
            del self._sights[step.id]
            return
        super()._settle(step, came, now)


class LooksOnce(Execution):
    """Stops what was quiet at some time."""

    def __init__(self, plan: Plan, journal: Journal, ports: Ports, *, limits: Limits) -> None:
        super().__init__(plan, journal, ports, limits=limits)
        self._order = replace(self._order, relied_on={})
        self._near = Near(self._order)


class ForgetsItsKey(Execution):
    """A key for each push: a job's second start is another job."""

    pushes = 0

    def _lent(self, step: Step) -> Ports:
        type(self).pushes += 1
        return self._ports.under(f"{self.run.id}.{step.id}.{self.pushes}")


class NeverLate(Execution):
    """Waits for ever for what does not come."""

    def _overdue(self, step: Step, now: Epoch) -> bool:
        del step, now
        return False

    def _settle(self, step: Step, came: Push, now: Epoch) -> None:
        if isinstance(came, Uncertain):
            self._sights[step.id] = Sight("no answer yet")
            return
        super()._settle(step, came, now)


class StartsAnything(Execution):
    """Knows of no edge."""

    def __init__(self, plan: Plan, journal: Journal, ports: Ports, *, limits: Limits) -> None:
        super().__init__(plan, journal, ports, limits=limits)
        self._order = replace(self._order, before={step.id: frozenset() for step in plan.steps})
        self._near = Near(self._order)


class Stumbles(Execution):
    """Has a bug where an answer is lost."""

    def _settle(self, step: Step, came: Push, now: Epoch) -> None:
        if isinstance(came, Uncertain):
            del self._sights[StepId("nobody")]
        super()._settle(step, came, now)


class SaysNothing(Execution):
    """Names no way out of a failure."""

    def _settle(self, step: Step, came: Push, now: Epoch) -> None:
        if isinstance(came, Refused):
            attempt, told = self.run.steps[step.id].attempt, Reported("job.failed", "it failed", ())
            self.ledger.record(StepFailed(step.id, attempt, told, ended=True, at_ms=milliseconds(now)))
            del self._sights[step.id]
            return
        super()._settle(step, came, now)


class AppendsTwice:
    """Writes each end of a step once more."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, event: Event, *, after: int) -> None:
        self._journal.append(event, after=after)
        if isinstance(event, StepDone):
            self._journal.append(event, after=after + 1)

    def events(self, after: int = 0) -> tuple[Event, ...]:
        return self._journal.events(after)

    def close(self) -> None:
        self._journal.close()


class ClosesAsComplete:
    """Says of a run that was given up that it is complete."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, event: Event, *, after: int) -> None:
        told = replace(event, outcome=Outcome.COMPLETED) if isinstance(event, RunClosed) else event
        self._journal.append(told, after=after)

    def events(self, after: int = 0) -> tuple[Event, ...]:
        return self._journal.events(after)

    def close(self) -> None:
        self._journal.close()


class WakesUpLater:
    """What a process was to write is written by the one before it, which everybody takes for dead."""

    last: ClassVar[Journal | None] = None

    def __init__(self, journal: Journal) -> None:
        earlier, type(self).last = self.last, journal
        # The same events, and not such as are equal: another seed's run begins alike.
        of_this_run = earlier is not None and _first_of(earlier) is _first_of(journal)
        self._journal = earlier if earlier is not None and of_this_run else journal

    def append(self, event: Event, *, after: int) -> None:
        self._journal.append(event, after=after)

    def events(self, after: int = 0) -> tuple[Event, ...]:
        return self._journal.events(after)

    def close(self) -> None:
        self._journal.close()


def _first_of(journal: Journal) -> Event | None:
    return next(iter(journal.events()), None)


class _Forgets(InMemory):
    def kept(self) -> tuple[Event, ...]:
        return super().kept()[:-1]


class _Rewrites(InMemory):
    def open(self) -> Journal:
        for number, row in enumerate(self.journal.rows[:1]):
            self.journal.rows[number] = row.replace(b"ann", b"eve")
        return super().open()


def in_memory(_: Store) -> Store:
    """No file: so the journal of a process that is dead can be written yet."""
    return InMemory()


def forgets(_: Store) -> Store:
    """A disk on which the last row is not what was said to be written."""
    return _Forgets()


def rewrites(_: Store) -> Store:
    """A disk on which somebody edits who opened the run."""
    return _Rewrites()
