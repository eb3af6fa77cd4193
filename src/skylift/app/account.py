"""What can be said of a run and of the cloud after it: status, validation, report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from skylift.app.inspect import observe_cloud
from skylift.app.report import Report, report
from skylift.app.runs import RunFolder, Runs
from skylift.app.samples import fetch_samples, fetched, witness_label
from skylift.app.site import Site
from skylift.app.taken_back import TakenBack, given_back, taken_back
from skylift.app.validate import Validation, left_to_the_run, of_run, validate
from skylift.app.wiring import open_journal, worker_on
from skylift.engine.decide import Order, decide
from skylift.engine.fold import Run, fold
from skylift.engine.journal import Event, StageApproved, StepPostponed, StepSkipped
from skylift.engine.problems import Holder
from skylift.model.goal import Goal
from skylift.model.problem import Problem
from skylift.model.sample import read_samples
from skylift.planning.plan import Plan
from skylift.planning.text import read_plan
from skylift.ports import WitnessSeen

_WORDS = (StageApproved, StepSkipped, StepPostponed)
"""What is said from any terminal; whoever says another word drives the run then."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run is, and who works on it."""

    plan: Plan
    run: Run
    holder: Holder | None
    events: tuple[Event, ...]
    back: TakenBack | None = None
    """The run that takes it back."""

    @property
    def rested(self) -> bool:
        """Whether it was at rest before the last words that were said to it, which start no process."""
        before = list(self.events)
        while isinstance(before[-1], _WORDS):
            before.pop()
        spoken = len(before) < len(self.events)
        return spoken and decide(Order.of(self.plan), fold(before), at_once=1).over


def standing(runs: Runs, folder: RunFolder) -> Standing:
    """Where a run is; told from this machine alone, so it works while the cloud cannot be reached."""
    plan = read_plan(folder.plan.read_bytes())
    with open_journal(folder) as journal:
        events = journal.events()
    holder = worker_on(runs)
    own = holder if holder is not None and holder.run == folder.id else None
    run, back = fold(events), taken_back(runs, folder.id)
    if back is not None:
        back = replace(back, given_back=given_back(runs, plan, run))
    return Standing(plan, run, own, events, back)


def judge(site: Site, goal: Goal) -> Validation:
    """Look at the cloud now, and say whether it is at ``goal`` (row 9)."""
    cloud = observe_cloud(site.record, site.catalog, site.ports, now=site.clock())
    return validate(cloud, site.record, goal, site.catalog)


def judge_run(site: Site, folder: RunFolder) -> tuple[Validation, Run]:
    """Look at the cloud now, and say whether it is at the goal of a run; of an open one, how far it is."""
    seen = standing(site.runs, folder)
    judged = _judged(site, seen.plan, seen.run)
    return of_run(judged, seen.plan.goal, seen.run), seen.run


def _judged(site: Site, plan: Plan, run: Run) -> Validation:
    return left_to_the_run(judge(site, plan.goal), plan, run, site.record)


def account(site: Site, folder: RunFolder, remark: Callable[[str], None]) -> Report:
    """Everything that is known of a run, the cloud as it is now included.

    What cannot be fetched is left out and told to ``remark``.
    """
    plan = read_plan(folder.plan.read_bytes())
    with open_journal(folder) as journal:
        events = journal.events()
    run = fold(events)
    try:
        fetch_samples(site, folder)
        until = _measured_until(site, run)
    except Problem as problem:
        until = None
        remark(f"newer samples could not be fetched: {problem}")
    return report(
        plan,
        events,
        read_samples(fetched(folder)),
        witnesses=witnesses(site, plan, remark),
        validation=None if plan.stages_only else _judged(site, plan, run),
        until=until,
    )


def _measured_until(site: Site, run: Run) -> float | None:
    """When the samples of a run should end: with it, or now if it is open and its probes have ended."""
    if run.closed is not None:
        return run.last_ms / 1000
    return None if site.ports.vantage.tally(str(run.id)).alive else site.clock()


def witnesses(site: Site, plan: Plan, remark: Callable[[str], None]) -> tuple[WitnessSeen, ...]:
    """The witnesses of a plan as they are now; none if it has none or they cannot be seen."""
    label = witness_label(plan)
    try:
        return site.ports.vantage.witnesses(label) if label else ()
    except Problem as problem:
        remark(f"the witnesses could not be seen: {problem}")
        return ()
