"""Steps of a run over hosts that are pushed once a tick, each under a key of its own, and written down."""

from __future__ import annotations

from skylift.actions.action import Action, Done, Pending
from skylift.engine.fold import Phase
from skylift.engine.journal import Reported, StepDone, StepFailed, StepStarted, milliseconds
from skylift.engine.ledger import Ledger
from skylift.engine.problems import StepOverdue
from skylift.model.ids import Epoch, Seconds, StepId
from skylift.model.problem import Problem, Transient, Uncertain
from skylift.ports import Ports


class SideSteps:
    """One record of them all: what does not answer is waited for until its step's deadline."""

    def __init__(self, ledger: Ledger, ports: Ports) -> None:
        self._ledger, self._ports = ledger, ports
        self.left: dict[StepId, str] = {}
        """What is left of each step under way, as last seen."""

    def phase(self, step: StepId) -> Phase | None:
        """Where it stands; none if it was never begun."""
        at = self._ledger.run.steps.get(step)
        return at.phase if at else None

    def begin(self, step: StepId, now: Epoch) -> bool:
        """Begin it, or another attempt, if nobody has; false if the journal was written to meanwhile."""
        at = self._ledger.run.steps.get(step)
        if at is not None and at.phase is not Phase.WAITING:
            return True
        return self._ledger.write(StepStarted(step, at.attempt if at else 1, milliseconds(now)))

    def lent(self, step: StepId) -> Ports:
        """The ports under the key of its newest attempt."""
        return self._ports.under(f"{self._ledger.run.id}.{step}.{self._ledger.run.steps[step].attempt}")

    def end(self, step: StepId, now: Epoch) -> None:
        """Write down that it is done."""
        self.left.pop(step, None)
        self._ledger.record(StepDone(step, self._ledger.run.steps[step].attempt, milliseconds(now)))

    def settle(
        self, step: StepId, action: Action, came: Done | Pending | Problem, *, limit: Seconds, now: Epoch
    ) -> bool:
        """Write down what came of a push; whether the step has failed by it, or by being late."""
        at = self._ledger.run.steps[step]
        match came:
            case Done():
                self.end(step, now)
                return False
            case Pending(left):
                self.left[step] = left
            case Transient() | Uncertain():
                self.left[step] = f"no answer yet: {came}"
            case Problem():
                self._fail(step, came, ended=came.job_ended, now=now)
                return True
        if milliseconds(now) - at.clock_ms <= limit * 1000:
            return False
        late = StepOverdue(action.title, limit, self.left[step], *action.if_late)
        self._fail(step, late, ended=False, now=now)
        return True

    def _fail(self, step: StepId, problem: Problem, *, ended: bool, now: Epoch) -> None:
        self.left.pop(step, None)
        attempt = self._ledger.run.steps[step].attempt
        self._ledger.record(
            StepFailed(step, attempt, Reported.of(problem), ended=ended, at_ms=milliseconds(now))
        )


def push(action: Action, ports: Ports) -> Done | Pending | Problem:
    """Observe, and push if it is not done; a problem is returned, for the next tick observes first."""
    try:
        progress = action.observe(ports)
        if isinstance(progress, Pending):
            action.advance(ports)
    except Problem as problem:
        return problem
    return progress
