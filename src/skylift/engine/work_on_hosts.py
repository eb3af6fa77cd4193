"""The work on empty hosts, pushed step by step: each is observed first, and pushed if it is not done."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, Future, wait
from contextlib import suppress

from skylift.actions.action import Done, Pending
from skylift.engine.fold import Phase
from skylift.engine.host_turn import HostTurn, WorkStep
from skylift.engine.ledger import Ledger
from skylift.engine.side_steps import SideSteps, push
from skylift.model.ids import Epoch, HostName, StepId
from skylift.model.problem import Problem
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
        pool: Executor | None,
    ) -> None:
        self._ledger, self._ports, self._turns, self._pool = ledger, ports, turns, pool
        self._steps = SideSteps(ledger, ports)
        self._flying: dict[StepId, Future[Done | Pending | Problem]] = {}

    @property
    def left(self) -> dict[StepId, str]:
        """What is left of each step under way, as last seen."""
        return self._steps.left

    def go_on(self, now: Epoch) -> None:
        """Start what is next, push what is under way once, and write down what came of it."""
        steps: dict[StepId, tuple[HostTurn, WorkStep]] = {}
        for turn in self._turns.values():
            step = turn.current(self._ledger.run)
            if step is None:
                continue
            if not self._steps.begin(step.id, now):
                return
            if self._steps.phase(step.id) is Phase.RUNNING:
                steps[step.id] = turn, step
        for name, came in self._pushed(steps).items():
            turn, step = steps[name]
            if self._steps.settle(name, step.action, came, limit=step.deadline, now=now):
                for closing in turn.closings:
                    with suppress(Problem):  # held: nobody is to be placed on one that did not come through
                        closing.advance(self._ports)

    def _pushed(
        self, steps: Mapping[StepId, tuple[HostTurn, WorkStep]]
    ) -> Mapping[StepId, Done | Pending | Problem]:
        if self._pool is None:
            return {name: push(step.action, self._steps.lent(name)) for name, (_, step) in steps.items()}
        for name, (_, step) in steps.items():
            if name not in self._flying:
                self._flying[name] = self._pool.submit(push, step.action, self._steps.lent(name))
        landed = wait(self._flying.values(), timeout=_PATIENCE_S).done
        names = [name for name, flight in self._flying.items() if flight in landed]
        found = {name: self._flying.pop(name).result() for name in names}
        return {name: came for name, came in found.items() if name in steps}
