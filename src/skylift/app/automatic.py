"""A run that costs users more than the policy allows is taken back by itself, if the policy says so.

What is due follows from the journals alone, so that a process which dies between the pause and the way back
loses nothing: whoever resumes the run finds it due, and whoever resumes the way back goes on with that.
"""

from __future__ import annotations

from collections.abc import Callable

from skylift.actions.prove import NotUpgraded, WitnessHurt
from skylift.app.approvals import Approval
from skylift.app.bench import Bench
from skylift.app.conduct import apply, approved_plan
from skylift.app.loss_budget import LossBudgetSpent
from skylift.app.plan_seal import seal_plan
from skylift.app.propose import Proposal
from skylift.app.propose_rollback import propose_rollback
from skylift.app.runs import RunFolder, Runs
from skylift.app.site import Site
from skylift.app.wiring import open_journal
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.operate import taken_back_by
from skylift.model.goal import Rollback, Upgrade
from skylift.model.ids import RunId
from skylift.model.problem import Refused
from skylift.planning.text import PlanFormat, digest_of, read_plan

AUTOMATIC = "automatic"
"""What ``policy.rollback`` is where a run is taken back by itself."""
_LOST = LossBudgetSpent.code
_NOT_VALID = frozenset({WitnessHurt.code, NotUpgraded.code})
"""What a step fails with that looks whether users' resources and components are as they should be."""


def is_due(site: Site, folder: RunFolder) -> bool:
    """Whether the policy wants this run taken back, and nobody has begun to.

    It is an upgrade that rests because the loss budget was spent, or a validation failed; once at most.
    """
    if site.record.policy.rollback != AUTOMATIC or folder.of_fleet:
        return False
    with open_journal(folder) as journal:
        plan, run = approved_plan(folder, journal), fold(journal.events())
    if not isinstance(plan.goal, Upgrade) or _begun(site.runs, run.id):
        return False
    # It was closed for a way back whose own run is not here: the process died between the two.
    return _spoilt(run) or taken_back_by(run) is not None


def take_back_by_itself(
    site: Site, folder: RunFolder, run: RunId, bench: Bench, *, show: Callable[[Proposal], None]
) -> Run | None:
    """Take the run in ``folder`` back as a whole by a new ``run``, after its plan was shown.

    None, with a remark why, if it cannot go back as a whole any more, or something speaks against it: then it
    rests as it is, for its operator. It waits for approvals and windows as any run does.

    Raises:
        Transient: the cloud could not be looked at.
    """
    why = f"policy.rollback is automatic: run {folder.id} is taken back"
    try:
        proposal = propose_rollback(site, folder, ())
    except Refused as refused:
        bench.remark(f"{why}: no, {refused}")
        return None
    if proposal.blocked or not proposal.plan.steps:
        bench.remark(f"{why}: no, checks speak against it; see skylift rollback {folder.id}")
        return None
    bench.remark(f"{why} by run {run}")
    show(proposal)
    seal = None
    if site.signer is not None:
        valid_h = site.record.policy.plan_valid_h
        seal = seal_plan(digest_of(proposal.plan), site.signer, now=site.clock(), valid_h=valid_h)
    approval = Approval.HOLD if site.record.policy.approvals else Approval.ALL
    return apply(site, run, proposal.text, bench, approval=approval, seal=seal)


def _spoilt(run: Run) -> bool:
    """Whether it rests for what it cost users, or for what a validation found."""
    if run.within(Phase.RUNNING) or run.closed is not None or run.abort is not None:
        return False
    if run.standing is Standing.PAUSED:
        problem = run.pause.problem if run.pause else None
        return problem is not None and problem.code == _LOST
    failed = (run.steps[step].problem for step in run.within(Phase.FAILED))
    return any(problem is not None and problem.code in _NOT_VALID for problem in failed)


def _begun(runs: Runs, undone: RunId) -> bool:
    """Whether any run was ever opened that takes this one back."""
    for folder in runs.known():
        if folder.of_fleet:
            continue
        try:
            goal = read_plan(folder.plan.read_bytes()).goal
        except PlanFormat:
            continue  # of a Skylift that took no run back
        if isinstance(goal, Rollback) and goal.run == undone:
            return True
    return False
