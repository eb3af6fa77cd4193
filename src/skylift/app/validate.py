"""Is the cloud at the goal? Told from what was observed, never from what was asked for (rows 9 and 174)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from skylift.catalog.catalog import Catalog
from skylift.checks.backends import BACKENDS
from skylift.checks.check import Question, listed
from skylift.checks.endpoints import ENDPOINTS
from skylift.checks.finding import Level
from skylift.checks.galera import GALERA
from skylift.checks.hosts import CLOCKS, DISK, HOSTS
from skylift.checks.keys import KEYS
from skylift.checks.registry import check_all, could_not_read
from skylift.checks.units import UNITS
from skylift.engine.decide import Order
from skylift.engine.fold import Run
from skylift.model.cloud import BackendState, Cloud, UnitState, migrations_subject
from skylift.model.goal import Goal, Restore, Rollback
from skylift.model.ids import HostName, ServiceName, StepId
from skylift.model.problem import Fix, Remedy
from skylift.model.record import Record
from skylift.model.release import Release
from skylift.model.schema import pending, unknown
from skylift.planning.plan import Plan

_ESSENTIAL = (UNITS, ENDPOINTS)
_ALL = (UNITS, ENDPOINTS, HOSTS, BACKENDS, GALERA, KEYS, DISK, CLOCKS)


class Outcome(Enum):
    """The verdict on a cloud, or on one service of it."""

    COMPLETED = "completed"
    WITH_ISSUES = "completed with issues"
    FAILED = "failed"
    UNFINISHED = "not to be judged yet"
    """The run that is to reach the goal is not closed: it works, or rests before it is through."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Something that is not as it should be, with what to do about it (row 10)."""

    outcome: Outcome
    """``failed`` if the goal is not reached because of it."""
    sentence: str
    remedies: tuple[Remedy, ...]


@dataclass(frozen=True, slots=True)
class ServiceVerdict:
    """One service on one host: the release it was seen to run, none if that is not known."""

    service: ServiceName
    host: HostName
    release: Release | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Validation:
    """What became of an upgrade, for the cloud and for each service on each host."""

    goal: Release
    outcome: Outcome
    services: tuple[ServiceVerdict, ...]
    issues: tuple[Issue, ...]
    """The graver first."""


def validate(cloud: Cloud, record: Record, goal: Goal, catalog: Catalog) -> Validation:
    """Judge what was observed against ``goal``; what could not be read counts against it.

    Of a rollback only what went back is judged, and its schemas may stay ahead.
    """
    question = Question(cloud, _part(record, goal), goal, catalog)
    issues = (*_releases(question), *_schemas(question), *_served(question), *_rest(question))
    ordered = tuple(sorted(issues, key=lambda issue: issue.outcome is not Outcome.FAILED))
    return Validation(
        goal=goal.to,
        outcome=ordered[0].outcome if ordered else Outcome.COMPLETED,
        services=tuple(_services(question)),
        issues=ordered,
    )


def _part(record: Record, goal: Goal) -> Record:
    """The record with the components that are judged, and no others."""
    if not isinstance(goal, Rollback):
        return record
    return replace(record, components={name: record.components[name] for name in goal.components})


def _services(question: Question) -> Iterator[ServiceVerdict]:
    for component in question.record.components:
        for service, host in question.places_of(component):
            unit = question.cloud.units.get((service.name, host))
            artifact = question.record.artifact_at(unit.running) if unit else None
            release = artifact.release if artifact else None
            active = unit is not None and unit.state is UnitState.ACTIVE
            if not active and not question.is_due(service, question.goal.to):
                continue
            outcome = Outcome.COMPLETED if active and release == question.goal.to else Outcome.FAILED
            yield ServiceVerdict(service.name, host, release, outcome)


def _releases(question: Question) -> Iterator[Issue]:
    goal = question.goal.to
    for name in question.record.components:
        for release, hosts in question.running(name).items():
            if release != goal:
                yield _failed(question, f"{name} on {listed(hosts)} runs {release}, not {goal}")


def _restored(goal: Goal) -> Mapping[str, frozenset[str]]:
    """By database that was put back to a backup, the rows of its table of versions then.

    That may be ahead of the release: an earlier run had expanded it, and went back by steps.
    """
    every = goal.restored if isinstance(goal, Restore) else ()
    return {each.backup.database: frozenset(each.rows) for each in every}


def _schemas(question: Question) -> Iterator[Issue]:
    target = question.target
    if target is None:
        yield _failed(question, f"the record has no artifact of {question.goal.to}, so nothing can be at it")
        return
    restored = _restored(question.goal)
    for database, name in question.record.databases.items():
        databases = question.record.components[name].databases
        schema = question.catalog.components[name].schema_in(databases, database).name
        declared = question.cloud.migrations.get((name, schema, target.name))
        seen = question.cloud.schemas.get(database)
        if declared is None or seen is None:
            read = migrations_subject(name, schema, target.name)
            subject = read if declared is None else f"schema {database}"
            why = question.cloud.unread.get(subject, "nobody looked")
            yield _failed(question, f"the schema of {database} could not be judged: {why}")
            continue
        left, foreign = pending(declared, seen.rows), unknown(declared, seen.rows)
        if foreign and isinstance(question.goal, Rollback) and restored.get(database, seen.rows) == seen.rows:
            continue  # It is ahead, as planned: what it lacks, files of the release before cannot tell.
        if left or foreign:
            told = f"it lacks {listed(left)}" if left else f"it has {listed(foreign)}"
            yield _failed(
                question, f"the schema of {database} is not at the head of {target.release}: {told}"
            )


def _served(question: Question) -> Iterator[Issue]:
    """Whether every balancer sends requests to each API; one that could not be asked is not one with none."""
    for finding in could_not_read(BACKENDS, question):
        yield Issue(Outcome.FAILED, finding.sentence, finding.remedies)
    asked = {host.name for host in question.record.hosts_in(question.record.balancer.role)}
    asked -= set(question.cloud.silent_balancers)
    for name, service in question.record.services.items():
        if not service.balanced or not question.is_due(service, question.goal.to):
            continue
        views = question.cloud.backends_of(service.pool)
        up = {b.balancer for b in views if b.state is BackendState.UP}
        if without := asked - up:
            yield _failed(question, f"the balancers on {listed(without)} have no backend of {name} up")


def _rest(question: Question) -> Iterator[Issue]:
    """What the checks say of the cloud as it is; those on a target yet to be reached are not asked."""
    essential = {check.name for check in _ESSENTIAL}
    told = set(could_not_read(BACKENDS, question))
    found = check_all(question.cloud, question.record, question.goal, question.catalog, checks=_ALL)
    for finding in found:
        if finding.level is not Level.PASSED and finding not in told:
            grave = finding.blocks and finding.check in essential
            outcome = Outcome.FAILED if grave else Outcome.WITH_ISSUES
            yield Issue(outcome, finding.sentence, finding.remedies)


def _failed(question: Question, sentence: str) -> Issue:
    return Issue(Outcome.FAILED, sentence, unfinished(question.goal))


def of_run(seen: Validation, goal: Goal, run: Run) -> Validation:
    """The same with what the run towards ``goal`` makes of it: of an open one there is no verdict yet."""
    return not_yet(seen, goal, run.standing.value) if run.closed is None else after_the_run(seen, goal)


def left_to_the_run(seen: Validation, plan: Plan, run: Run, record: Record) -> Validation:
    """The same without what would do by hand what an open run is to do when its time comes.

    Started too early, a service would live on a database that is being restored.
    """
    if run.closed is not None:
        return seen
    givers = [plan.step(loan.given_back_by) for loan in Order.of(plan).taken(run)]
    own = {command: step.id for step in givers for command in step.action.by_hand(record)}
    return replace(seen, issues=tuple(_left_to_the_run(issue, own) for issue in seen.issues))


def _left_to_the_run(issue: Issue, own: Mapping[str, StepId]) -> Issue:
    by = {remedy: step for remedy in issue.remedies for c, step in own.items() if remedy.how.endswith(c)}
    if not by:
        return issue
    steps = ", ".join(dict.fromkeys(by.values()))
    leave = Remedy(Fix.RETRY, f"leave that to the run, which does it by {steps}: skylift status")
    return replace(issue, remedies=(*(r for r in issue.remedies if r not in by), leave))


def not_yet(seen: Validation, goal: Goal, standing: str) -> Validation:
    """What was seen in the middle of a run: no verdict, and what it has not come to yet is no failure.

    All of that is one issue, the first; the others may be of the run's own doing, such as a backend that is
    out just now. ``standing`` is where the run stands.
    """
    left = [issue.sentence for issue in seen.issues if issue.remedies == unfinished(goal)]
    so_far = f"; so far {left[0]}" if left else ""
    more = f", and {len(left) - 1} more like it" if len(left) > 1 else ""
    look = Remedy(Fix.REPAIR, "see where it stands, and what to do next: skylift status")
    told = f"the run is not through ({standing}), so the cloud is not to be judged yet{so_far}{more}"
    others = (issue for issue in seen.issues if issue.remedies != unfinished(goal))
    return replace(
        seen,
        outcome=Outcome.UNFINISHED,
        services=tuple(
            replace(at, outcome=Outcome.UNFINISHED) if at.outcome is Outcome.FAILED else at
            for at in seen.services
        ),
        issues=(
            Issue(Outcome.UNFINISHED, told, (look,)),
            *(replace(issue, outcome=Outcome.WITH_ISSUES) for issue in others),
        ),
    )


def after_the_run(seen: Validation, goal: Goal) -> Validation:
    """What was seen when a run is closed: nothing lets that go on any more."""
    left, onward = unfinished(goal), Remedy(Fix.RETRY, f"plan what is left: {goal.again}")
    ways = (Remedy(Fix.REPAIR, "see how the run ended, and why: skylift status"), onward)
    issues = (replace(issue, remedies=ways) if issue.remedies == left else issue for issue in seen.issues)
    return replace(seen, issues=tuple(issues))


def unfinished(goal: Goal) -> tuple[Remedy, ...]:
    """What to do about whatever is not at ``goal``, if a run that leads there may still be open."""
    return (
        Remedy(Fix.REPAIR, "see where the run stands, and why: skylift status"),
        Remedy(Fix.RETRY, "let it go on: skylift resume; after a failed step: skylift retry"),
        Remedy(Fix.RETRY, f"or plan what is left: {goal.again}"),
    )
