"""Whether a run went so badly that the policy may want it taken back by itself."""

from __future__ import annotations

from skylift.actions.await_report import AwaitReport
from skylift.actions.prove import NotUpgraded, WitnessHurt
from skylift.actions.service_run import AwaitHealthy, ServiceDied, WarmUpBackend, WrongArtifact
from skylift.app.loss_budget import LossBudgetSpent
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.problems import StepOverdue
from skylift.model.ids import StepId
from skylift.model.record import Policy
from skylift.planning.plan import Plan

AUTOMATIC = "automatic"
"""What ``policy.rollback`` is where a run is taken back by itself."""
_LOST = LossBudgetSpent.code
_NOT_VALID = frozenset(
    {ServiceDied.code, WrongArtifact.code, WitnessHurt.code, NotUpgraded.code},
)
"""What a step fails with that looks whether new code lives, is what it should be, and hurt nobody."""
_LATE = StepOverdue.code
_LOOKS = AwaitHealthy | WarmUpBackend | AwaitReport
"""What waits for new code to do its work. Whatever else is late may be so for old code, users or hosts."""


def is_spoilt(plan: Plan, run: Run, policy: Policy) -> bool:
    """Whether it rests for what it cost users, or what new code showed, where the policy wants it back."""
    if policy.rollback != AUTOMATIC or run.within(Phase.RUNNING):
        return False
    if run.closed is not None or run.abort is not None:
        return False
    if run.standing is Standing.PAUSED:
        problem = run.pause.problem if run.pause else None
        return problem is not None and problem.code == _LOST
    return any(_is_of_new_code(plan, run, step) for step in run.within(Phase.FAILED))


def _is_of_new_code(plan: Plan, run: Run, step: StepId) -> bool:
    problem = run.steps[step].problem
    if problem is None:
        return False
    late = problem.code == _LATE and isinstance(plan.step(step).action, _LOOKS)
    return late or problem.code in _NOT_VALID
