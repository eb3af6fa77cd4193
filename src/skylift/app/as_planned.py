"""Is the cloud still what a plan was made for? Asked when its run is opened, and when that begins later."""

from __future__ import annotations

from skylift.app.approvals import asked_by
from skylift.app.inspect import observe_cloud
from skylift.app.old_jobs import JobGoesOn, jobs_on
from skylift.app.open_runs import RunOpen, none_open
from skylift.app.runs import RunUnknown
from skylift.app.schedule import has_begun
from skylift.app.site import Site
from skylift.app.taken_back import take_over, went_on
from skylift.app.used_plans import used
from skylift.engine.decide import Order, decide
from skylift.engine.journal import Journal, Reported, RunPaused, Why, milliseconds
from skylift.engine.ledger import Ledger
from skylift.engine.problems import RunRefuses, StepRefuses
from skylift.model.goal import Rollback
from skylift.model.ids import Digest, RunId
from skylift.model.problem import Fix, Refused, Remedy
from skylift.planning.facts import Drift, drift, facts_of
from skylift.planning.plan import Plan
from skylift.planning.text import digest_of


class CloudDrifted(Refused):
    """The cloud is not what the plan was made for."""

    code = "plan.drifted"

    def __init__(self, changes: tuple[Drift, ...], *, again: str, used: str = "") -> None:
        self.unread = any(change.unread for change in changes)
        """Whether some could not be looked at: then what else is not there may not have changed either."""
        before = f"this very plan was run before, {used}; " if used else ""
        what = "it cannot be told whether the cloud" if self.unread else "the cloud"
        super().__init__(
            f"{before}{what} has changed since this plan was made:"
            + "".join(f"\n  {change}" for change in changes),
            *([Remedy(Fix.REPAIR, "see what does not answer: skylift inspect")] if self.unread else ()),
            Remedy(Fix.RETRY, f"plan from what it is now: {again}"),
            Remedy(Fix.REPAIR, "or bring back what changed: skylift inspect"),
        )


class OtherRecord(Refused):
    """A plan was made from another record, or from another state of this one."""

    code = "plan.other-record"

    def __init__(self, plan: Digest, here: Digest, again: str) -> None:
        super().__init__(
            f"this plan was made from another record: from {plan[:19]}, and this one is {here[:19]}",
            Remedy(Fix.RETRY, f"plan again from this record: {again}"),
            Remedy(Fix.REPAIR, "or name the record it was made from: skylift --cloud PATH apply FILE"),
        )


def as_planned(site: Site, run: RunId, plan: Plan, *, opened: bool = False) -> None:
    """See that nothing has changed since the plan was made; if ``opened``, its ``run`` is there already.

    Raises:
        RunOpen, RunUnknown, RunRefuses, StepRefuses, CloudDrifted, JobGoesOn: as ``conduct.apply``.
    """
    goal = plan.goal
    back = goal if isinstance(goal, Rollback) else None
    none_open(site, digest_of(plan), of_fleet=False, but={run, *([back.run] if back else [])})
    jobs_on(site, site.record.hosts).require_ended()
    further = went_on(site, back) if back else ()
    now = observe_cloud(site.record, site.catalog, site.ports, now=site.clock(), goal=goal)
    if site.runs.store is not None:
        # What could not be asked for that is no change of the cloud.
        site.runs.store.lease.look()
    if changes := (*further, *drift(plan, facts_of(now, site.record))):
        before = "" if opened else used(site.runs, digest_of(plan))
        raise CloudDrifted(changes, again=plan.again, used=before)


def take_over_for(site: Site, run: RunId, plan: Plan) -> None:
    """Before the first step of a way back the run that is taken back is taken over."""
    if isinstance(plan.goal, Rollback):
        take_over(site, plan.goal, asked_by(site), run)


def sets_out(site: Site, plan: Plan, journal: Journal) -> None:
    """Look again before the first step of a run that was opened earlier; if it may not begin, it is paused.

    Whoever finds it paused reads why, as of any pause, and a resume looks once more. What cannot be looked at
    pauses nothing: whoever comes next looks again.

    Raises:
        CloudDrifted: the cloud could not be looked at.
    """
    ledger = Ledger(journal)
    run = ledger.run
    if has_begun(run) or plan.stages_only or not decide(Order.of(plan), run, at_once=1).start:
        return
    try:
        as_planned(site, run.id, plan, opened=True)
    except CloudDrifted as drifted:
        if drifted.unread:
            raise
        pause_for(ledger, drifted, site)
    except (JobGoesOn, RunOpen, RunUnknown, RunRefuses, StepRefuses) as problem:
        pause_for(ledger, problem, site)
    else:
        take_over_for(site, run.id, plan)
        jobs_on(site, site.record.hosts).forget()


def pause_for(ledger: Ledger, problem: Refused, site: Site) -> None:
    """Pause a run that may not begin as things are; no effect on one that somebody stopped meanwhile."""
    paused = RunPaused(Why.DRIFT, Reported.of(problem), milliseconds(site.clock()))
    while not (ledger.run.pause or ledger.run.abort or ledger.run.closed or ledger.write(paused)):
        pass
