"""Names for states of the cloud that were seen to be free of errors, and the ways back to them (row 156).

A name is kept as an entry of the audit trail, and nowhere else (ADR 50): that is sealed, it is where the runs
are, and it knows which of them there were by then. So what has to be taken back to come to a named state is
told by the journals of those that were opened since.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from skylift.app.account import judge
from skylift.app.audit import BEGUN, Deed, audited, deeds_of
from skylift.app.clean_up import in_its_place
from skylift.app.open_runs import nothing_left_open
from skylift.app.propose import Proposal
from skylift.app.propose_rollback import propose_rollback
from skylift.app.runs import RunFolder, Runs
from skylift.app.site import Site
from skylift.app.taken_back import undone_by, ways_back
from skylift.app.validate import Issue, Outcome
from skylift.app.wiring import open_journal, worker_on
from skylift.catalog.catalog import Catalog
from skylift.engine.fold import Run, Standing, fold
from skylift.engine.problems import RunHeld
from skylift.model.goal import Goal, Rollback, Upgrade, take_back
from skylift.model.ids import ComponentName, RunId
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.release import Release
from skylift.planning.plan import Plan
from skylift.planning.text import PlanFormat, read_plan
from skylift.planning.window import changed, windows

VERB = "checkpoint"
"""Of its entries in the trail."""
_DONE = "exit 0"
_NAMED = 3
"""How many issues a problem names."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state of the whole cloud that was seen to be free of errors."""

    name: str
    release: Release
    """What all of it ran."""
    after: RunId
    """The newest run by then that changed services, or was to; empty if there was none."""
    at_ms: int
    actor: str
    before: frozenset[RunId]
    """Every run that had been opened when it was looked at."""


class CheckpointUnknown(Refused):
    """No state bears this name."""

    code = "checkpoint.unknown"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        told = f"the names there are: {', '.join(known)}" if known else "there is no name yet"
        super().__init__(
            f"no state is named {name}: {told}",
            Remedy(Fix.REPAIR, "see them all: skylift checkpoint"),
            Remedy(Fix.RETRY, "or name the run to take back: skylift rollback RUN -o back.plan"),
        )


class CheckpointTaken(Refused):
    """Another state bears this name."""

    code = "checkpoint.taken"

    def __init__(self, of: Checkpoint) -> None:
        super().__init__(
            f"another state is named {of.name}, by {of.actor}: that of {of.release}",
            Remedy(Fix.REPAIR, "see all names there are: skylift checkpoint"),
            Remedy(Fix.RETRY, "take another one: skylift checkpoint NAME"),
        )


class NotErrorFree(Refused):
    """The present state is not free of errors, so it gets no name to come back to."""

    code = "checkpoint.not-error-free"

    def __init__(self, name: str, release: Release, issues: tuple[Issue, ...]) -> None:
        first = "; ".join(issue.sentence for issue in issues[:_NAMED])
        more = f"; and {len(issues) - _NAMED} more" if len(issues) > _NAMED else ""
        super().__init__(
            f"this state is not named {name}, for it is not free of errors at {release}: {first}{more}",
            *dict.fromkeys(remedy for issue in issues for remedy in issue.remedies),
            Remedy(Fix.RETRY, f"when it is: skylift checkpoint {name}"),
            Remedy(
                Fix.RETRY, f"or say which release it should be at: skylift checkpoint {name} --to RELEASE"
            ),
        )


class NoSingleWay(Refused):
    """To come to a named state is not to take one run back."""

    code = "checkpoint.no-single-way"


def checkpoints(runs: Runs) -> tuple[Checkpoint, ...]:
    """All named states, the oldest first.

    Raises:
        AuditDamaged: the trail is not what was written.
    """
    found: list[Checkpoint] = []
    known: set[RunId] = set()
    begun: dict[tuple[str, ...], frozenset[RunId]] = {}
    for deed in deeds_of(runs):
        known |= set(deed.heads)
        if deed.verb == VERB and deed.outcome == BEGUN:
            begun[_key(deed)] = frozenset(known)
        elif deed.verb == VERB and deed.outcome == _DONE:
            found.append(_checkpoint(deed, begun.get(_key(deed), frozenset(known))))
    return tuple(found)


def checkpoint(runs: Runs, name: str) -> Checkpoint:
    """The state with this name.

    Raises:
        CheckpointUnknown: there is none.
        AuditDamaged: the trail is not what was written.
    """
    every = checkpoints(runs)
    found = next((one for one in every if one.name == name), None)
    if found is None:
        raise CheckpointUnknown(name, tuple(one.name for one in every))
    return found


def present_goal(site: Site) -> Goal | None:
    """What the cloud should be at, by the newest run that was to change services; none if there is none.

    After a way back the whole of the cloud is meant, and not what went back alone.
    """
    folder = next(iter(_of_steps(site.runs)), None)
    if folder is None:
        return None
    goal = read_plan(in_its_place(site.runs, folder).plan.read_bytes()).goal
    every = site.catalog.sequence(frozenset(site.record.components))
    return replace(goal, components=every) if isinstance(goal, Rollback) else goal


def name_state(site: Site, name: str, goal: Goal) -> Checkpoint:
    """Give the present state a name, if the whole cloud is seen to be at ``goal`` and free of errors.

    Raises:
        CheckpointTaken: another state has that name.
        RunHeld: somebody works on the cloud.
        RunOpen: a run is neither complete nor given up.
        NotErrorFree: it is not.
    """
    if taken := next((one for one in checkpoints(site.runs) if one.name == name), None):
        raise CheckpointTaken(taken)
    newest = next(iter(_of_steps(site.runs)), None)
    said = {"name": name, "release": str(goal.to), "after": newest.id if newest else ""}
    with audited(site.runs, VERB, said) as ended:
        if holder := worker_on(site.runs):
            raise RunHeld(holder)
        nothing_left_open(site)
        judged = judge(site, goal)
        if judged.outcome is not Outcome.COMPLETED:
            raise NotErrorFree(name, goal.to, judged.issues)
        ended(0)
    return checkpoint(site.runs, name)


def run_since(runs: Runs, catalog: Catalog, of: Checkpoint) -> RunFolder:
    """The one run that has to be taken back to come to a named state.

    Raises:
        NoSingleWay: it is none, or more than one, or the cloud has gone back beyond that state.
    """
    found = tuple(_since(runs, of))
    if len(found) == 1:
        return found[0][0]
    if found:
        raise NoSingleWay(
            f"{len(found)} runs lie between this state and {of.name}; each goes back by a plan of its own",
            *(Remedy(Fix.ROLL_BACK, how) for how in _one_by_one(found, catalog)),
        )
    if beyond := next(_back_beyond(runs, of), None):
        raise NoSingleWay(
            f"no way back leads to {of.name}: run {beyond} has gone back beyond it since",
            Remedy(Fix.RETRY, f"it lies ahead, so plan an upgrade: {Upgrade(of.release).again}"),
        )
    raise NoSingleWay(
        f"there is nothing to take back since {of.name}: what ran since changed no service, or went back",
        Remedy(Fix.REPAIR, f"see whether it is whole: skylift validate --to {of.release}"),
    )


def propose_way_to(site: Site, of: Checkpoint, folder: RunFolder, *, restore: bool) -> Proposal:
    """A plan that takes the run back which lies between this state and a named one; verified.

    Raises:
        NoSingleWay: it does not lead there.
        Problem: as for ``propose_rollback``.
    """
    proposal = propose_rollback(site, folder, (), restore=restore)
    if proposal.plan.goal.to != of.release:
        raise NoSingleWay(
            f"to take back run {folder.id} leads to {proposal.plan.goal.to}; {of.name} is at {of.release}",
            Remedy(Fix.REPAIR, "see what runs where: skylift inspect"),
            Remedy(Fix.ROLL_BACK, f"take it back for its own sake: {take_back(folder.id, restore=restore)}"),
        )
    return proposal


def _key(deed: Deed) -> tuple[str, ...]:
    return (deed.actor, *(f"{key}={word}" for key, word in sorted(deed.said.items())))


def _checkpoint(deed: Deed, before: frozenset[RunId]) -> Checkpoint:
    said = deed.said
    release, after = Release.parse(said["release"]), RunId(said["after"])
    return Checkpoint(said["name"], release, after, deed.at_ms, deed.actor, before)


def _of_steps(runs: Runs) -> Iterator[RunFolder]:
    """The runs that change services, or are to: the newest first."""
    for folder in reversed(runs.known()):
        with suppress(PlanFormat):  # of a Skylift that had no names for states
            if not folder.of_fleet and not _plan_of(folder).stages_only:
                yield folder


def _since(runs: Runs, of: Checkpoint) -> Iterator[tuple[RunFolder, Plan, Run]]:
    """The upgrades since that lead beyond that state and have changed services: the newest first.

    Not those that are taken back as a whole.
    """
    for folder, plan, run in _opened_since(runs, of):
        leads_on = isinstance(plan.goal, Upgrade) and plan.goal.to > of.release
        if leads_on and changed(plan, undone_by(plan, run).begun) - _gone_back(runs, folder.id):
            yield folder, plan, run


def _gone_back(runs: Runs, run: RunId) -> frozenset[ComponentName]:
    """What of a run is taken back, by however many plans."""
    gone: set[ComponentName] = set()
    for folder, _, goal in ways_back(runs, run):
        with open_journal(folder) as journal:
            events = journal.events()
        if events and fold(events).standing is Standing.COMPLETED:
            gone |= set(goal.components)
    return frozenset(gone)


def _back_beyond(runs: Runs, of: Checkpoint) -> Iterator[RunId]:
    """The ways back since that have changed services, of runs that had been opened before."""
    for folder, plan, run in _opened_since(runs, of):
        goal = plan.goal
        if isinstance(goal, Rollback) and goal.run in of.before and changed(plan, undone_by(plan, run).begun):
            yield folder.id


def _opened_since(runs: Runs, of: Checkpoint) -> Iterator[tuple[RunFolder, Plan, Run]]:
    for folder in _of_steps(runs):
        if folder.id not in of.before:
            with open_journal(folder) as journal:
                if events := journal.events():  # else it died before it began
                    yield folder, _plan_of(folder), fold(events)


def _one_by_one(found: tuple[tuple[RunFolder, Plan, Run], ...], catalog: Catalog) -> Iterator[str]:
    """What to say for each, the newest first; where steps do not lead all of it back, that restores."""
    for number, (folder, plan, run) in enumerate(found):
        begun = undone_by(plan, run).begun
        closed = any(window.changed and window.closed_by for window in windows(plan, catalog, begun))
        lost = (
            ", where no step leads back by its backups, so that what was written since is lost"
            if closed
            else ""
        )
        led = f"{'then' if number else 'first'} run {folder.id}, {plan.source} to {plan.goal.to}{lost}"
        yield f"{led}: {take_back(folder.id, restore=closed)}; then: skylift apply back.plan"


def _plan_of(folder: RunFolder) -> Plan:
    return read_plan(folder.plan.read_bytes())
