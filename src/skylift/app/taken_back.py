"""The run that a plan takes back: what it had begun, and its end when it is taken over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from skylift.actions.backups import RehearseRestore, RestoreDatabase
from skylift.app.runs import RunFolder, Runs
from skylift.app.site import Site
from skylift.app.wiring import open_journal
from skylift.engine.decide import Order
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.left_running import going_on
from skylift.engine.operate import Asked, hand_over
from skylift.engine.verbs import Verb, require
from skylift.model.backup import Backup
from skylift.model.goal import Restore, Rollback
from skylift.model.ids import ComponentName, RunId, StepId
from skylift.planning.facts import Drift
from skylift.planning.plan import Plan
from skylift.planning.restore import Saved
from skylift.planning.rollback import Undone
from skylift.planning.text import PlanFormat, digest_of, read_plan
from skylift.planning.window import begun_events, changed, owner_of


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A run that takes another one back, or parts of it."""

    by: RunId
    standing: Standing
    components: tuple[ComponentName, ...]
    """What goes back."""
    given_back: frozenset[StepId] = frozenset()
    """What the run had taken and one of its ways back has given back, by the steps that took it."""

    @property
    def holds(self) -> bool:
        """Whether it is what becomes of these: a way back that was given up leaves them as they are."""
        return self.standing is not Standing.ABORTED

    def is_of_all(self, plan: Plan, run: Run) -> bool:
        """Whether everything that the run had changed goes back."""
        begun = [step for step, at in run.steps.items() if at.begun]
        return changed(plan, begun) <= frozenset(self.components)


def taken_back(runs: Runs, undone: RunId) -> TakenBack | None:
    """The newest run that takes this one back; none if no such run was ever opened."""
    begun = _begun_ways_back(runs, undone)
    return TakenBack(begun[-1].run.id, begun[-1].run.standing, begun[-1].goal.components) if begun else None


def given_back(runs: Runs, plan: Plan, run: Run) -> frozenset[StepId]:
    """What a run has taken and its ways back have given back, by the steps that took it.

    What one of these took anew is its own. That a step of another plan does the same is told by its title:
    labels are each plan's own.
    """
    done = {
        step.action.title
        for way in _begun_ways_back(runs, run.id)
        for step in way.plan.steps
        if step.id in way.run.within(Phase.DONE)
    }
    kept = Order.of(plan).kept(run)
    return frozenset(loan.taken_by for loan in kept if plan.step(loan.given_back_by).action.title in done)


@dataclass(frozen=True, slots=True)
class _WayBack:
    plan: Plan
    goal: Rollback
    run: Run


def _begun_ways_back(runs: Runs, undone: RunId) -> list[_WayBack]:
    """Those that did not die before they began, oldest first."""
    found: list[_WayBack] = []
    for folder, plan, goal in ways_back(runs, undone):
        with open_journal(folder) as journal:
            if events := journal.events():
                found.append(_WayBack(plan, goal, fold(events)))
    return found


def ways_back(runs: Runs, undone: RunId) -> Iterator[tuple[RunFolder, Plan, Rollback]]:
    """The runs that were made to take this one back, oldest first, each with its plan and its goal."""
    for folder in runs.known():
        if folder.of_fleet:
            continue
        try:
            plan = read_plan(folder.plan.read_bytes())
        except PlanFormat:
            continue  # of a Skylift that took no run back
        if isinstance(plan.goal, Rollback) and plan.goal.run == undone:
            yield folder, plan, plan.goal


def undone_by(plan: Plan, run: Run) -> Undone:
    """What there is to take back of a run."""
    begun = frozenset(step for step, at in run.steps.items() if at.begun)
    done = {step: at.ended_ms for step, at in run.steps.items() if at.phase is Phase.DONE and at.ended_ms}
    return Undone(run.id, plan, run.plan, begun, done)


def saved_by(site: Site, undone: Undone, components: Collection[ComponentName]) -> Mapping[str, Saved]:
    """By database, the backups that the run rehearsed, as they lie there now, and what was written since.

    Of these ``components`` alone, if any are named: to count what was written reads their tables.
    """
    wanted = {d for name in components for d in site.record.components[name].databases.values()}
    found: dict[str, Saved] = {}
    for step, backup in _rehearsed(undone).items():
        if wanted and backup.database not in wanted:
            continue
        finished = site.ports.backups.rehearsed(backup)
        if finished is not None:
            written = site.ports.backups.written_since(backup, finished)
            found[backup.database] = Saved(backup, finished, step, written)
    return found


def _rehearsed(undone: Undone) -> Mapping[StepId, Backup]:
    """The backups of which a rehearsal is done, by its step."""
    return {
        step.id: step.action.backup
        for step in undone.plan.steps
        if isinstance(step.action, RehearseRestore) and step.id in undone.ended_ms
    }


def begun_by_others(runs: Runs, undone: Undone) -> frozenset[str]:
    """The events of other upgrades to the same release: what one of them began ends a way back as well.

    Not what a restore has made undone since; that of a backup that was restored by hand is among them.
    """
    others = {folder.id: told for folder in runs.known() if (told := _told(folder))}
    restored: dict[ComponentName, int] = {}
    for plan, run in others.values():
        for name, at_ms in _restored(plan, run):
            restored[name] = max(at_ms, restored.get(name, 0))
    found: set[str] = set()
    for other, (plan, run) in others.items():
        goal = plan.goal
        if other != undone.run and goal == undone.plan.goal and plan.source != goal.to:
            for event in begun_events(plan, undone_by(plan, run).begun):
                owner = owner_of(plan, event)
                if owner is None or restored.get(owner, 0) < run.last_ms:
                    found.add(event)
    return frozenset(found)


def _told(folder: RunFolder) -> tuple[Plan, Run] | None:
    """A run as its plan and journal tell of it; none if it is over a fleet, or older than ways back."""
    if folder.of_fleet:
        return None
    try:
        plan = read_plan(folder.plan.read_bytes())
    except PlanFormat:
        return None  # of a Skylift so old that it was another release's upgrade
    with open_journal(folder) as journal:
        return plan, fold(journal.events())


def _restored(plan: Plan, run: Run) -> Iterator[tuple[ComponentName, int]]:
    """The components whose databases a run has restored, each with when."""
    for step in plan.steps:
        at = run.steps.get(step.id)
        if isinstance(step.action, RestoreDatabase) and at and at.phase is Phase.DONE and at.ended_ms:
            yield ComponentName(step.id.partition(":")[0]), at.ended_ms


def went_on(site: Site, goal: Rollback) -> tuple[Drift, ...]:
    """What the run has begun since a plan was made to take it back.

    Raises:
        RunUnknown: it is not here.
        RunRefuses, StepRefuses: it is not at rest.
    """
    folder = site.runs.find(goal.run)
    with open_journal(folder) as journal:
        run = fold(journal.events())
    plan = read_plan(folder.plan.read_bytes())
    require(run, Verb.ROLLBACK, going_on=going_on(Order.of(plan), run, site.ports))
    undone = undone_by(plan, run)
    now = tuple(sorted({*begun_events(plan, undone.begun), *begun_by_others(site.runs, undone)}))
    relied_on = frozenset(goal.rehearsed) if isinstance(goal, Restore) else frozenset()
    if lacking := sorted(relied_on - _rehearsed(undone).keys()):
        return tuple(Drift(f"rehearsal {step} of run {goal.run}", "done", "not done") for step in lacking)
    if (run.plan, digest_of(plan), now) == (goal.plan, goal.plan, goal.begun):
        return ()
    return (Drift(f"run {goal.run}", f"at {len(goal.begun)} events", f"at {len(now)}"),)


def take_over(site: Site, goal: Rollback, asked: Asked, by: RunId) -> None:
    """Close the run, if it is open; what it had taken is now given back by whoever takes it back.

    Raises:
        RunRefuses, StepRefuses: it is not at rest.
    """
    folder = site.runs.find(goal.run)
    order = Order.of(read_plan(folder.plan.read_bytes()))
    with open_journal(folder) as journal:
        left = going_on(order, fold(journal.events()), site.ports)
        hand_over(journal, asked, by, going_on=left)
