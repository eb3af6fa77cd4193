"""From a run to a plan that takes it back: what it had begun, what is seen now, and whether that may run."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from skylift.app.conduct import approved_plan
from skylift.app.inspect import observe_cloud
from skylift.app.propose import Proposal, verified
from skylift.app.runs import RunFolder
from skylift.app.site import Site
from skylift.app.taken_back import begun_by_others, given_back, saved_by, undone_by
from skylift.app.wiring import open_journal, worker_on
from skylift.checks.registry import BACK_CHECKS, check_all
from skylift.engine.decide import Order
from skylift.engine.fold import INTERRUPTED, Phase, Run, Standing, fold
from skylift.engine.left_running import going_on
from skylift.engine.problems import RunHeld, RunRefuses
from skylift.engine.verbs import Verb, require, to_rest
from skylift.model.goal import Rollback
from skylift.model.ids import ComponentName, StepId
from skylift.planning.plan import Plan
from skylift.planning.refusals import NothingToTakeBack
from skylift.planning.rollback import Undone, plan_rollback, rollback_goal, upgrade_of
from skylift.planning.text import write_plan
from skylift.planning.window import owner_of_step


def propose_rollback(
    site: Site, folder: RunFolder, components: Collection[ComponentName], *, restore: bool = False
) -> Proposal:
    """A plan that takes back ``components`` of a run, or all that it changed; verified.

    With ``restore``, databases of what no step leads back any more are restored from the run's own backups.

    Raises:
        RunHeld: somebody works on the run.
        RunRefuses, StepRefuses: it is not at rest.
        Refused: it cannot be taken back (``planning.rollback``).
        PlanUnsafe: the verifier does not accept what the planner made: a bug, and nothing was written.
    """
    undone, run = _at_rest(site, folder)
    goal = rollback_goal(site.record, undone, site.catalog, components)
    cloud = observe_cloud(site.record, site.catalog, site.ports, now=site.clock(), goal=goal)
    findings = check_all(cloud, site.record, goal, site.catalog, checks=BACK_CHECKS)
    plan = plan_rollback(
        cloud,
        site.record,
        replace(undone, saved=saved_by(site, undone, components)) if restore else undone,
        site.catalog,
        record_digest=site.digest,
        components=components,
        restore=restore,
    )
    text = write_plan(plan)
    verified(text, site.record.catalog)
    return Proposal(findings, plan, text, tuple(_given_back(site, undone.plan, run, goal)))


def _given_back(site: Site, plan: Plan, run: Run, goal: Rollback) -> Iterator[str]:
    """What the run has taken of what goes back, and how that is given back."""
    already = given_back(site.runs, plan, run)
    for loan in Order.of(plan).kept(run):
        if owner_of_step(plan, loan.taken_by) in goal.components and loan.taken_by not in already:
            yield f"{loan.taken_by}: {plan.step(loan.given_back_by).action.title}"


def _at_rest(site: Site, folder: RunFolder) -> tuple[Undone, Run]:
    if folder.of_fleet:
        raise NothingToTakeBack(folder.id, "it worked on compute hosts, and upgraded no component")
    holder = worker_on(site.runs)
    if holder is not None and holder.run == folder.id:
        raise RunHeld(holder, ends=_ending(folder))
    with open_journal(folder) as journal:
        plan, run = approved_plan(folder, journal), fold(journal.events())
    upgrade_of(run.id, plan)
    if run.standing is Standing.RUNNING:
        raise RunRefuses(run.id, Verb.ROLLBACK.value, INTERRUPTED, *to_rest(run))
    require(run, Verb.ROLLBACK, going_on=going_on(Order.of(plan), run, site.ports))
    undone = undone_by(plan, run)
    return replace(undone, elsewhere=begun_by_others(site.runs, undone)), run


def _ending(folder: RunFolder) -> list[StepId]:
    """What a run that is paused, and works yet, sees to its end."""
    with open_journal(folder) as journal:
        events = journal.events()
    run = fold(events) if events else None  # it may be just about to begin
    return sorted(run.within(Phase.RUNNING)) if run is not None and run.pause else []
