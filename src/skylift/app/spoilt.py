"""Whether a run went so badly that the policy may want it taken back by itself."""

from __future__ import annotations

from skylift.actions.prove import NotUpgraded, WitnessHurt
from skylift.app.loss_budget import LossBudgetSpent
from skylift.engine.fold import Phase, Run, Standing
from skylift.model.record import Policy

AUTOMATIC = "automatic"
"""What ``policy.rollback`` is where a run is taken back by itself."""
_LOST = LossBudgetSpent.code
_NOT_VALID = frozenset({WitnessHurt.code, NotUpgraded.code})
"""What a step fails with that looks whether users' resources and components are as they should be."""


def is_spoilt(run: Run, policy: Policy) -> bool:
    """Whether it rests for what it cost users, or what a validation found, where the policy wants it back."""
    if policy.rollback != AUTOMATIC or run.within(Phase.RUNNING):
        return False
    if run.closed is not None or run.abort is not None:
        return False
    if run.standing is Standing.PAUSED:
        problem = run.pause.problem if run.pause else None
        return problem is not None and problem.code == _LOST
    failed = (run.steps[step].problem for step in run.within(Phase.FAILED))
    return any(problem is not None and problem.code in _NOT_VALID for problem in failed)
