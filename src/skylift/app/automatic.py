"""A run that costs users too much, or whose new code fails, is taken back by itself, if the policy says so.

What is due follows from the journals alone, so that a process which dies between the pause and the way back
loses nothing: whoever resumes the run finds it due, and whoever resumes the way back goes on with that.
"""

from __future__ import annotations

from collections.abc import Callable

from skylift.app.approvals import Approval
from skylift.app.as_planned import CloudDrifted
from skylift.app.bench import Bench
from skylift.app.conduct import apply, approved_plan
from skylift.app.plan_seal import seal_plan
from skylift.app.propose import Proposal
from skylift.app.propose_rollback import propose_rollback
from skylift.app.runs import RunFolder
from skylift.app.site import Site
from skylift.app.spoilt import AUTOMATIC, is_spoilt
from skylift.app.taken_back import ways_back
from skylift.app.wiring import hold, open_journal
from skylift.engine.fold import Run, fold
from skylift.engine.operate import taken_back_by
from skylift.model.goal import Upgrade
from skylift.model.ids import RunId
from skylift.model.problem import Refused
from skylift.planning.facts import Drift
from skylift.planning.text import digest_of


def is_due(site: Site, folder: RunFolder) -> bool:
    """Whether the policy wants this run taken back, and nobody has begun to.

    It is an upgrade that rests because the loss budget was spent, or because new code does not live, work or
    leave users' resources alone; once at most.
    """
    if site.record.policy.rollback != AUTOMATIC or folder.of_fleet:
        return False
    with open_journal(folder) as journal:
        plan, run = approved_plan(folder, journal), fold(journal.events())
    # It was closed for a way back whose own run is not here: the process died between the two.
    wanted = is_spoilt(plan, run, site.record.policy) or taken_back_by(run) is not None
    return wanted and isinstance(plan.goal, Upgrade) and not any(ways_back(site.runs, run.id))


def take_back_by_itself(
    site: Site,
    folder: RunFolder,
    run: RunId,
    bench: Bench,
    *,
    show: Callable[[Proposal], None],
    detached: bool = False,
) -> Run | None:
    """Take the run in ``folder`` back as a whole by a new ``run``, after its plan was shown.

    None, with a remark why, if it cannot go back as a whole any more, or something speaks against it: then it
    rests as it is, for its operator. It waits for approvals and windows as any run does; ``detached``, it is
    opened and left to workers.

    Raises:
        Transient: the cloud could not be looked at.
        RunHeld: another process works on the cloud, perhaps to the same end.
        CloudDrifted: the cloud has changed while this was planned, or the run is to be taken back no more.
    """
    why = f"policy.rollback is automatic: run {folder.id} is taken back"

    def still_due() -> None:
        if not is_due(site, folder):
            changed = Drift(f"run {folder.id}", "to be taken back", "taken back or let go on")
            raise CloudDrifted((changed,), again=f"skylift rollback {folder.id}")

    # Held, so that no worker sets about it, too, while the cloud is looked at.
    with hold(site, run), open_journal(folder) as journal:
        length = fold(journal.events()).length
        proposal = _proposed(site, folder)
    if not isinstance(proposal, Proposal):
        bench.remark(f"{why}: no, {proposal}")
        site.runs.rested(folder.id, length)
        return None
    bench.remark(f"{why} by run {run}")
    show(proposal)
    seal = None
    if site.signer is not None:
        valid_h = site.record.policy.plan_valid_h
        seal = seal_plan(digest_of(proposal.plan), site.signer, now=site.clock(), valid_h=valid_h)
    policy = site.record.policy
    approval = Approval.HOLD if policy.approvals or policy.second_person else Approval.ALL
    text = proposal.text
    return apply(site, run, text, bench, approval=approval, seal=seal, detached=detached, check=still_due)


def _proposed(site: Site, folder: RunFolder) -> Proposal | str:
    """The way back as a whole, or why there is none."""
    try:
        proposal = propose_rollback(site, folder, ())
    except Refused as refused:
        return str(refused)
    if proposal.blocked or not proposal.plan.steps:
        return f"checks speak against it; see skylift rollback {folder.id}"
    return proposal
