"""The work on empty hosts, pushed step by step: each is observed first, and pushed if it is not done."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, Future, wait
from contextlib import suppress

from skylift.actions.action import Action, Done, Pending
from skylift.engine.fold import Phase
from skylift.engine.host_turn import HostTurn, WorkStep
from skylift.engine.journal import Reported, StepDone, StepFailed, StepStarted, milliseconds
from skylift.engine.ledger import Ledger
from skylift.engine.problems import StepOverdue
from skylift.model.ids import Epoch, HostName, Seconds, StepId
from skylift.model.problem import Problem, Transient, Uncertain
from skylift.ports import Ports

_PATIENCE_S = 2
"""How long a tick waits for its pushes: a host that is slow to answer must not hold up the others."""


class WorkOnHosts:
    """Pushes the current step of every host that is being worked on.

    A host that does not answer is waited for until its step's deadline: it may be booting.
    """

    def __init__(
        self,
        ledger: Ledger,
        ports: Ports,
        turns: Mapping[HostName, HostTurn],
        *,
        unreachable: Seconds,
        pool: Executor | None,
    ) -> None:
        self._ledger, self._ports, self._turns, self._pool = ledger, ports, turns, pool
        self._unreachable = unreachable
        self._flying: dict[StepId, Future[Done | Pending | Problem]] = {}
        self.left: dict[StepId, str] = {}
        """What is left of each step under way, as last seen."""

    def go_on(self, now: Epoch) -> None:
        """Start what is next, push what is under way once, and write down what came of it."""
        at_ms = milliseconds(now)
        steps: dict[StepId, tuple[HostTurn, WorkStep]] = {}
        for turn in self._turns.values():
            step = turn.current(self._ledger.run)
            if step is None:
                continue
            at = self._ledger.run.steps.get(step.id)
            if at is None or at.phase is Phase.WAITING:
                if not self._ledger.write(StepStarted(step.id, at.attempt if at else 1, at_ms)):
                    return
            elif at.phase is not Phase.RUNNING:
                continue
            steps[step.id] = turn, step
        for name, came in self._pushed(steps).items():
            self._settle(*steps[name], came, now)

    def _pushed(
        self, steps: Mapping[StepId, tuple[HostTurn, WorkStep]]
    ) -> Mapping[StepId, Done | Pending | Problem]:
        if self._pool is None:
            return {name: push(step.action, self._lent(name)) for name, (_, step) in steps.items()}
        for name, (_, step) in steps.items():
            if name not in self._flying:
                self._flying[name] = self._pool.submit(push, step.action, self._lent(name))
        landed = wait(self._flying.values(), timeout=_PATIENCE_S).done
        names = [name for name, flight in self._flying.items() if flight in landed]
        found = {name: self._flying.pop(name).result() for name in names}
        return {name: came for name, came in found.items() if name in steps}

    def _lent(self, step: StepId) -> Ports:
        return self._ports.under(f"{self._ledger.run.id}.{step}.{self._ledger.run.steps[step].attempt}")

    def _settle(self, turn: HostTurn, step: WorkStep, came: Done | Pending | Problem, now: Epoch) -> None:
        at, at_ms = self._ledger.run.steps[step.id], milliseconds(now)
        match came:
            case Done():
                self.left.pop(step.id, None)
                self._ledger.record(StepDone(step.id, at.attempt, at_ms))
                return
            case Pending(left):
                self.left[step.id] = left
            case Transient() | Uncertain():
                self.left[step.id] = f"no answer yet: {came}"
            case Problem():
                self._fail(turn, step, Reported.of(came), ended=came.job_ended, at_ms=at_ms)
                return
        if at_ms - at.clock_ms > step.deadline * 1000:
            late = StepOverdue(step.action.title, step.deadline, self.left[step.id], *step.action.if_late)
            self._fail(turn, step, Reported.of(late), ended=False, at_ms=at_ms)

    def _fail(self, turn: HostTurn, step: WorkStep, problem: Reported, *, ended: bool, at_ms: int) -> None:
        """Write it down, then hold the host: nobody is to be placed on one that did not come through."""
        self.left.pop(step.id, None)
        attempt = self._ledger.run.steps[step.id].attempt
        self._ledger.record(StepFailed(step.id, attempt, problem, ended=ended, at_ms=at_ms))
        with suppress(Problem):
            turn.closing.advance(self._ports)


def push(action: Action, ports: Ports) -> Done | Pending | Problem:
    """Observe, and push if it is not done; a problem is returned, for the next tick observes first."""
    try:
        progress = action.observe(ports)
        if isinstance(progress, Pending):
            action.advance(ports)
    except Problem as problem:
        return problem
    return progress
