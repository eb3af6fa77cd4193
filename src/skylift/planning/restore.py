"""What no step leads back any more: which backups do, and what the operator gives up by them (ADR 35)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from skylift.model.backup import Backup, Written
from skylift.model.goal import Restore, Restored, Rollback
from skylift.model.ids import ComponentName, Epoch, StepId
from skylift.model.record import Record
from skylift.planning.plan import Plan
from skylift.planning.refusals import NoBackup

_TABLES = 12
"""How many tables a note names: those with most first."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A backup that a run made and rehearsed, as it lies there now."""

    backup: Backup
    finished: Epoch
    rehearsed_by: StepId
    written: tuple[Written, ...]
    """What was written to its database since."""


def restore_goal(
    goal: Rollback,
    plan: Plan,
    saved: Mapping[str, Saved],
    *,
    record: Record,
    components: Collection[ComponentName],
) -> Restore:
    """The same goal, with the databases of these components restored; ``plan`` is the undone run's.

    Raises:
        NoBackup: one of them has none that was rehearsed.
    """
    wanted = [(name, database) for name in sorted(components) for database in _databases(record, name)]
    if lacking := [(name, database) for name, database in wanted if database not in saved]:
        host = record.hosts_in(record.database.role)[0].name
        raise NoBackup(goal.run, lacking, host=host, folder=record.database.backups)
    restored = tuple(_restored(plan, saved[database]) for _, database in wanted)
    known = {field.name: getattr(goal, field.name) for field in fields(goal)}
    return Restore(
        **known, restored=restored, rehearsed=tuple(sorted(s.rehearsed_by for s in saved.values()))
    )


def restore_notes(goal: Restore, saved: Mapping[str, Saved]) -> Iterator[str]:
    """What is lost, database by database: told before anything else of the plan."""
    for each in goal.restored:
        database, since = each.backup.database, told_time(each.finished)
        yield (
            f"database {database} is restored from {each.backup}: what was written to it since {since} "
            f"is lost to users, and kept only in a dump made just before. {_lost(saved[database].written)}"
        )
    databases = ", ".join(each.backup.database for each in goal.restored)
    yield (
        "what other components keep of things that are new since, such as the servers of a project, stays "
        f"in their databases, and refers to what {databases} no longer has"
    )


def told_time(seconds: float) -> str:
    """A moment, as notes and problems write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _lost(written: tuple[Written, ...]) -> str:
    most = sorted(written, key=lambda w: (-w.created, -w.removed, -w.changed, w.table))
    told = [f"{w.table} ({_counted(w)})" for w in most[:_TABLES]]
    if not told:
        return "So far that is nothing"
    more = f", and {len(most) - _TABLES} more tables" if len(most) > _TABLES else ""
    return f"So far that is, by table: {', '.join(told)}{more}"


def _counted(written: Written) -> str:
    kinds = ((written.created, "new"), (written.changed, "changed"), (written.removed, "removed"))
    return ", ".join(f"{count} {kind}" for count, kind in kinds if count)


def _databases(record: Record, component: ComponentName) -> tuple[str, ...]:
    return tuple(sorted(record.components[component].databases.values()))


def _restored(plan: Plan, saved: Saved) -> Restored:
    rows = plan.facts[f"schema {saved.backup.database}"].split(" ")
    return Restored(saved.backup, int(saved.finished), saved.rehearsed_by, tuple(sorted(rows)))
