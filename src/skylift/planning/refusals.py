"""Why no plan can be made: each reason a problem of its own, with what the operator can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from skylift.model.cloud import Cloud
from skylift.model.goal import Goal, Upgrade, take_back
from skylift.model.ids import ArtifactName, ComponentName, HostName, RunId, ServiceName, StepId
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.release import Release


class NoPath(Refused):
    """The goal is not one supported hop from what runs. Source: governance, Release Cadence Adjustment."""

    code = "plan.path"

    def __init__(self, start: Release, goal: Release, first: Release | None) -> None:
        legal = (
            Remedy(Fix.REPAIR, f"go there in hops, the first is: skylift plan --to {first} -o FILE")
            if first
            else Remedy(Fix.ROLL_BACK, "restore the backup that was made before the upgrade")
        )
        super().__init__(f"cannot plan from {start} to {goal}: upstream supports no such hop", legal)


class NoArtifact(Refused):
    """The record has no artifact of the release that is wanted."""

    code = "plan.no-artifact"

    def __init__(self, goal: Goal) -> None:
        super().__init__(
            f"cannot plan to {goal.to}: the record declares no artifact of that release",
            Remedy(Fix.REPAIR, f"add an artifact with release {goal.to} under 'artifacts' of the record"),
            _again(goal),
        )


class UnknownArtifact(Refused):
    """A service runs something that the record does not declare."""

    code = "plan.unknown-artifact"

    def __init__(self, service: ServiceName, host: HostName, path: str | None, goal: Goal) -> None:
        super().__init__(
            f"cannot plan: {service} on {host} runs {path or 'nothing'}, which the record does not declare",
            Remedy(Fix.REPAIR, f"see what runs: skylift ssh {host} systemctl status '{service}*'"),
            Remedy(Fix.ACCEPT, "add that path under 'artifacts' of the record, with its release and digest"),
            _again(goal),
        )


class UnknownComponent(Refused):
    """The record has a component that the catalog does not know."""

    code = "plan.unknown-component"

    def __init__(self, component: ComponentName) -> None:
        super().__init__(
            f"cannot plan: nothing is known of component {component}",
            Remedy(Fix.REPAIR, f"take {component} out of the record and upgrade it by its own procedure"),
        )


class NotRead(Refused):
    """A plan needs something that the inspection could not read."""

    code = "plan.unread"

    def __init__(self, what: str, why: str, goal: Goal) -> None:
        staging = Remedy(
            Fix.REPAIR, f"stage the artifact, which touches no service: skylift stage --to {goal.to}"
        )
        look = f"check --to {goal.to}" if isinstance(goal, Upgrade) else "inspect"
        looking = Remedy(Fix.REPAIR, f"see all that could not be read: skylift {look}")
        super().__init__(
            f"cannot plan: {what} could not be read: {why}",
            staging if what.startswith("migrations ") else looking,
            _again(goal),
        )


class SchemaUnknown(Refused):
    """The database has a migration that the target artifact does not."""

    code = "plan.schema-unknown"

    def __init__(self, database: str, artifact: ArtifactName, rows: frozenset[str], goal: Goal) -> None:
        super().__init__(
            f"cannot plan: the schema of {database} is at {', '.join(sorted(rows)) or 'nothing'}, "
            f"which {artifact} does not know",
            Remedy(Fix.REPAIR, "find out what migrated this database"),
            _again(goal),
        )


class NotAdditive(Refused):
    """An expand would bring migrations with it that old code cannot bear."""

    code = "plan.not-additive"

    def __init__(self, component: ComponentName, phase: str, revisions: frozenset[str], goal: Goal) -> None:
        super().__init__(
            f"cannot plan: {phase} of {component} would run {', '.join(sorted(revisions))}, which remove "
            "what old code uses",
            Remedy(Fix.REPAIR, f"end the previous upgrade of {component} first, contract included"),
            _again(goal),
        )


class NotRolling(Refused):
    """Nothing proves that the API would go on serving. Mode 'rolling' refuses rather than hopes."""

    code = "plan.not-rolling"

    def __init__(self, component: ComponentName, why: str, goal: Goal, *how: str, accept: str = "") -> None:
        super().__init__(
            f"cannot plan {component} without an outage: {why}",
            *(Remedy(Fix.REPAIR, repair) for repair in how),
            *((Remedy(Fix.ACCEPT, accept),) if accept else ()),
            _again(goal),
        )


@dataclass(frozen=True, slots=True)
class Closed:
    """A component that no step leads back any more, and what is left instead."""

    component: ComponentName
    step: StepId | None
    """The step that ended its way back; none if something that is not of the run did."""
    because: str
    source: str
    backups: tuple[str, ...]
    """What the run saved of it: where each backup lies, and since when changes are not in it."""


class WayBackClosed(Refused):
    """Something that is to go back has passed the end of its way back."""

    code = "rollback.closed"

    def __init__(
        self,
        run: RunId,
        closed: Sequence[Closed],
        free: Sequence[ComponentName],
        components: Sequence[ComponentName] = (),
    ) -> None:
        why = "; ".join(
            f"{c.component}, since {c.step or 'what ends its way back'} has begun: {c.because} ({c.source})"
            for c in closed
        )
        saved = [backup for c in closed for backup in c.backups]
        restore = (
            Remedy(
                Fix.ROLL_BACK,
                f"or give up what was written since, and restore {', '.join(saved)}: "
                f"{take_back(run, components, restore=True)}",
            ),
        )
        part = Remedy(Fix.RETRY, f"take back what still can be: {take_back(run, free)}")
        super().__init__(
            f"cannot take back {why}",
            *((part,) if free else ()),
            *(restore if saved else ()),
            Remedy(Fix.REPAIR, "or repair what is wrong and go on: skylift status"),
        )


class NoBackup(Refused):
    """A database is to be restored, and there is no backup of it that is known to restore."""

    code = "rollback.no-backup"

    def __init__(
        self,
        run: RunId,
        lacking: Sequence[tuple[ComponentName, str]],
        *,
        host: HostName,
        folder: PurePosixPath,
    ) -> None:
        named = ", ".join(f"{database} of {component}" for component, database in lacking)
        super().__init__(
            f"cannot restore {named}: run {run} left no backup of it that was rehearsed and is still there",
            Remedy(
                Fix.REPAIR,
                f"see what lies there, and bring back what was moved: skylift ssh {host} ls -l {folder}",
            ),
            Remedy(Fix.REPAIR, "or repair what is wrong and go on: skylift status"),
        )


class NothingToTakeBack(Refused):
    """A run changed nothing of what is to go back."""

    code = "rollback.nothing"

    def __init__(self, run: RunId, why: str, *instead: Remedy) -> None:
        super().__init__(
            f"there is nothing of run {run} to take back: {why}",
            *instead,
            Remedy(Fix.REPAIR, f"see what it changed: skylift status {run}"),
            Remedy(Fix.RETRY, "for something new, make a new plan: skylift plan --to RELEASE -o FILE"),
        )


class OthersFirst(Refused):
    """Components that were upgraded after this one are still new, and go back before it."""

    code = "rollback.others-first"

    def __init__(
        self, run: RunId, pairs: Sequence[tuple[ComponentName, ComponentName]], *, restore: bool = False
    ) -> None:
        why = "; ".join(f"{first} goes back after {then}, which is still new" for first, then in pairs)
        every = dict.fromkeys(name for pair in pairs for name in pair)
        super().__init__(
            f"cannot take back only this: {why}",
            Remedy(Fix.RETRY, f"take them back together: {take_back(run, tuple(every), restore=restore)}"),
            Remedy(Fix.RETRY, f"or take back the whole run: {take_back(run, restore=restore)}"),
        )


class MovedOn(Refused):
    """The cloud is not what the run left behind, so that nobody knows where its way back leads."""

    code = "rollback.moved-on"

    def __init__(self, run: RunId, why: str, *how: str) -> None:
        super().__init__(
            f"cannot take back run {run}: {why}",
            *(Remedy(Fix.RETRY, each) for each in how),
            Remedy(Fix.REPAIR, "see what runs where: skylift inspect"),
        )


def _again(goal: Goal) -> Remedy:
    return Remedy(Fix.RETRY, f"then plan again: {goal.again}")


def not_read(cloud: Cloud, subject: str, goal: Goal) -> NotRead:
    """That a plan for ``goal`` needs ``subject``, with why the inspection has not read it."""
    return NotRead(subject, cloud.unread.get(subject, "the inspection did not look for it"), goal)
