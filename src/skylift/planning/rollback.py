"""From what was seen, and what a run had begun, to a plan that takes it back while the APIs serve.

A way back is a plan like any other (ADR 0031): the same turns, those of the last component first. At each
moment of it the services that are new are those that were new at some moment of the upgrade, so that whatever
proved that both releases may live side by side proves it again. What ends a way back is in the catalog
(``planning.window``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from skylift.actions.backups import BackUpDatabase, RehearseRestore
from skylift.catalog.catalog import Catalog
from skylift.model.cloud import Cloud
from skylift.model.goal import Restore, Rollback, Upgrade, take_back
from skylift.model.ids import ComponentName, Digest, RunId, ServiceName, StepId
from skylift.model.problem import Fix, Remedy
from skylift.model.record import Artifact, Record
from skylift.model.release import Release
from skylift.model.schema import beyond
from skylift.planning.draft import draft
from skylift.planning.facts import facts_of, relied_on
from skylift.planning.notes import notes
from skylift.planning.order import edges
from skylift.planning.parking import cannot_park
from skylift.planning.plan import FORMAT, Plan
from skylift.planning.refusals import Closed, MovedOn, NothingToTakeBack, OthersFirst, WayBackClosed
from skylift.planning.restore import Saved, restore_goal, restore_notes, told_time
from skylift.planning.survey import Left, Survey, survey
from skylift.planning.upgrade import mark
from skylift.planning.window import Window, begun_events, changed, windows


@dataclass(frozen=True, slots=True)
class Undone:
    """A run that is to be taken back, as its plan and its journal tell of it."""

    run: RunId
    plan: Plan
    digest: Digest
    """Of its plan."""
    begun: frozenset[StepId]
    """The steps of which any attempt had begun."""
    ended_ms: Mapping[StepId, int]
    """When each step that is done was done."""
    elsewhere: frozenset[str] = frozenset()
    """The events that other runs to the same release had begun, in the words of the catalog's constraints."""
    saved: Mapping[str, Saved] = field(default_factory=dict)
    """By database, the backups that the run made and rehearsed, as far as anybody looked."""


def plan_rollback(
    cloud: Cloud,
    record: Record,
    undone: Undone,
    catalog: Catalog,
    *,
    record_digest: Digest,
    components: Collection[ComponentName] = (),
    restore: bool = False,
) -> Plan:
    """The steps that take a run back: ``components`` of it, or all that it changed.

    Each component goes back as a whole to the release that the run found it at, wherever it is new now, and
    those that were upgraded last go first. Schemas stay as they are, but for those of what has no
    other way back any more: with ``restore``, its databases are restored. The same input gives the same
    plan.

    Raises:
        NoBackup: something is to be restored, and its backup is missing or was not rehearsed.
        NothingToTakeBack: the run changed nothing of them, or was no upgrade.
        MovedOn: they are not what the run left behind, or the run found them at different releases.
        WayBackClosed: no step leads one of them back any more.
        OthersFirst: others that are still new go back before one of them.
        Refused: no plan would keep the APIs serving (``planning.refusals``).
    """
    goal = rollback_goal(record, undone, catalog, components)
    # What is to be restored need not serve: whether it could is asked only of what goes back by steps.
    left = survey(cloud, record, goal, catalog, cold=True)
    _refuse_newer(cloud, record, undone, goal)
    if closed := _closed_windows(cloud, undone, catalog, left):
        if not restore:
            raise _refusal(undone, catalog, closed, goal)
        names = [window.component for window in closed]
        goal = restore_goal(goal, undone.plan, undone.saved, record=record, components=names)
    found = survey(cloud, record, goal, catalog)
    _refuse_alone(cloud, record, undone, catalog, goal=goal)
    facts = relied_on(facts_of(cloud, record), found.target.name, back=True)
    restored = tuple(map(str, goal.restored)) if isinstance(goal, Restore) else ()
    known = mark(record_digest, dict(facts), (undone.run, *goal.components, *goal.begun, *restored))
    label = f"{goal.reached}-back-to-{goal.to}-{known}"
    parts = draft(found, record, catalog, label) if any(not c.whole for c in found.components) else None
    plan = Plan(
        format=FORMAT,
        cloud=record.name,
        goal=goal,
        source=found.source,
        record=record_digest,
        services={name: service.component for name, service in record.services.items()},
        facts=facts,
        notes=(),
        steps=parts.steps if parts else (),
        edges=edges(parts, catalog) if parts else (),
    )
    lost = restore_notes(goal, undone.saved) if isinstance(goal, Restore) else ()
    told = notes(found, parts, plan, catalog, cannot_park=cannot_park(record, catalog))
    return replace(plan, notes=(*lost, *told))


def upgrade_of(run: RunId, plan: Plan) -> Upgrade:
    """What a run of ``plan`` was to reach, if there is anything of it that could be taken back.

    Raises:
        NothingToTakeBack: it went back itself, or only fetched artifacts.
    """
    if plan.stages_only:
        raise NothingToTakeBack(run, "it only fetched artifacts")
    if not isinstance(plan.goal, Upgrade):
        rest = f"what is left of the run that it took back: {take_back(plan.goal.run)}"
        raise NothingToTakeBack(
            run, f"it went back itself; to go forward again, plan an upgrade; to take back {rest}"
        )
    return plan.goal


def rollback_goal(
    record: Record, undone: Undone, catalog: Catalog, components: Collection[ComponentName]
) -> Rollback:
    """What is to go back, and to what, with what had begun of the run.

    Raises:
        NothingToTakeBack: the run changed nothing of ``components``, or was no upgrade; or one is misspelt.
        MovedOn: it found them at different releases.
    """
    goal = upgrade_of(undone.run, undone.plan)
    turned = changed(undone.plan, undone.begun)
    wanted = frozenset(components) or turned
    known = turned | record.components.keys()
    if unknown := sorted(wanted - known):
        raise NothingToTakeBack(
            undone.run,
            f"the record has no component {', '.join(unknown)}",
            *(Remedy(Fix.RETRY, _meant(name, known, undone.run)) for name in unknown),
        )
    if missing := sorted(wanted - turned):
        raise NothingToTakeBack(undone.run, f"no service of {', '.join(missing)} had begun to be upgraded")
    if not wanted:
        raise NothingToTakeBack(undone.run, "no service had begun to be upgraded")
    return Rollback(
        to=_found_at(record, undone, catalog, wanted),
        reached=goal.to,
        run=undone.run,
        plan=undone.digest,
        components=catalog.sequence(wanted),
        begun=tuple(sorted({*begun_events(undone.plan, undone.begun), *undone.elsewhere})),
    )


def _meant(name: ComponentName, known: Collection[ComponentName], run: RunId) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]}? {take_back(run, [ComponentName(near[0])])}"
    return f"name one of: {', '.join(sorted(known))}"


def _found_at(record: Record, undone: Undone, catalog: Catalog, wanted: frozenset[ComponentName]) -> Release:
    """The release that the run found components at: the oldest that ran of each, and the same of all.

    Its artifact is the record's, so that a component whose own one was another would not get that back.
    """
    starts: dict[ComponentName, Artifact | None] = {}
    for name in sorted(wanted):
        paths = sorted(_started(record, undone.plan, catalog, name))
        ran = [artifact for path in paths if (artifact := record.artifact_at(path))]
        starts[name] = min(ran, key=lambda artifact: artifact.release, default=None)
    first = next(iter(starts.values()))
    for name, artifact in starts.items():
        if artifact is None or artifact != record.artifact_for(artifact.release):
            why = f"the record does not declare what {name} ran before it as its artifact of a release"
            raise MovedOn(
                undone.run, why, f"declare that artifact in the record again, then: {take_back(undone.run)}"
            )
        if first is None or artifact.release != first.release:
            alone = f"take it back by itself: {take_back(undone.run, [name])}"
            raise MovedOn(undone.run, f"it found {name} at another release than the others", alone)
    return starts[min(starts)].release  # type: ignore[union-attr] # none of them is none by now


def _started(record: Record, plan: Plan, catalog: Catalog, component: ComponentName) -> frozenset[str]:
    """What a run found of a component: what its services ran, or would have run if they were started.

    A service that the run's release does not have is not started, and its link is left from when it was.
    """
    known, found = catalog.components[component], set[str]()
    for fact, path in plan.facts.items():
        kind, name, *_ = (*fact.split(" "), "")
        service = ServiceName(name)
        if kind in {"artifact", "link"} and plan.services.get(service) == component:
            entry = record.services.get(service)
            stays = known.service(service).is_in(plan.goal.to) and (not entry or entry.is_in(plan.goal.to))
            found |= {path} if kind == "artifact" or stays else set()
    return frozenset(found - {"nothing"})


def _refuse_newer(cloud: Cloud, record: Record, undone: Undone, goal: Rollback) -> None:
    for component, release in _releases(cloud, record):
        if component in goal.components and release not in {goal.to, goal.reached}:
            why = f"{component} runs {release} by now, and it led from {goal.to} to {goal.reached}"
            raise MovedOn(undone.run, why, "take back the run that came after it first: skylift rollback")


def _closed_windows(cloud: Cloud, undone: Undone, catalog: Catalog, found: Survey) -> list[Window]:
    """The windows of what is to go back and has no steps that lead there any more."""
    passed = {
        left.name
        for left in found.components
        if not left.whole and (_is_past(cloud, left) or undone.elsewhere & set(left.known.way_back.ends))
    }
    going = {left.name for left in found.components if not left.whole}
    own = [w for w in windows(undone.plan, catalog, undone.begun) if w.component in going]
    return [w for w in own if w.component in passed or (w.closed_by and w.ended_by == w.component)]


def _refusal(undone: Undone, catalog: Catalog, closed: Sequence[Window], goal: Rollback) -> WayBackClosed:
    shut = {window.component for window in closed}
    open_ = (
        w.component for w in windows(undone.plan, catalog, undone.begun) if w.changed and not w.closed_by
    )
    free = [name for name in open_ if name not in shut and not catalog.after(name) & shut]
    return WayBackClosed(undone.run, [_closed(undone, window) for window in closed], free, goal.components)


def _is_past(cloud: Cloud, left: Left) -> bool:
    """Whether a database shows what ends the way back, whoever brought it there."""
    known = left.known
    for phase in known.phases if left.entry.databases else ():
        if not phase.branch or f"run {known.name}:{phase.name}" not in known.way_back.ends:
            continue
        own = cloud.migrations[known.name, phase.schema, left.target.name]
        others = [
            r
            for (c, s, _), found in cloud.migrations.items()
            for r in found
            if (c, s) == (known.name, phase.schema)
        ]
        for database in known.databases_of(left.entry.databases, phase.schema):
            seen = beyond(own, others, cloud.schemas[database].rows)
            if seen if phase.branch == "all" else phase.branch in seen:
                return True
    return False


def _closed(undone: Undone, window: Window) -> Closed:
    own = {
        fact.removeprefix("database ")
        for fact, of in undone.plan.facts.items()
        if fact.startswith("database ") and of.partition(":")[0] == window.component
    }
    rehearsed = {
        step.action.backup
        for step in undone.plan.steps
        if isinstance(step.action, RehearseRestore) and step.id in undone.ended_ms
    }
    saved = (
        f"{action.backup} of {told_time(undone.ended_ms[step.id] / 1000)}"
        for step in undone.plan.steps
        if isinstance(action := step.action, BackUpDatabase)
        if action.database in own and action.backup in rehearsed and step.id in undone.ended_ms
    )
    return Closed(window.component, window.closed_by, window.because, window.source, tuple(saved))


def _refuse_alone(cloud: Cloud, record: Record, undone: Undone, catalog: Catalog, *, goal: Rollback) -> None:
    new = {component for component, release in _releases(cloud, record) if release > goal.to}
    own = frozenset(goal.components)
    pairs = [
        (name, other)
        for name in goal.components
        if name in new
        for other in sorted((catalog.after(name) & new) - own)
    ]
    if pairs:
        raise OthersFirst(undone.run, pairs, restore=isinstance(goal, Restore))


def _releases(cloud: Cloud, record: Record) -> Iterator[tuple[ComponentName, Release]]:
    """Every release that any service of each component was seen to run."""
    for (service, _), unit in cloud.units.items():
        if (artifact := record.artifact_at(unit.running)) and service in record.services:
            yield record.services[service].component, artifact.release
