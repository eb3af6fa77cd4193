"""What a step that is skipped costs beside itself, told to whoever answers for that."""

from __future__ import annotations

from skylift.actions.backups import BackUpDatabase, RehearseRestore
from skylift.actions.migrate_schema import MigrateSchema
from skylift.engine.decide import Order
from skylift.model.ids import StepId


def costs(order: Order, step: StepId) -> str:
    """The way back that goes with it, for a restore wants a backup that was tried; empty if none does."""
    database = next((_saved(each.action) for each in order.steps if each.id == step), "")
    if not database:
        return ""
    passing = [s for s in order.steps if s.no_return and _migrates(s.action, database)]
    owners = {s.action.component for s in passing if isinstance(s.action, MigrateSchema)}
    once = f", once {' or '.join(s.id for s in passing)} has begun" if passing else ""
    whose = ", ".join(sorted(owners)) or f"database {database}"
    return f"{whose} cannot be restored any more{once}: no backup of database {database} was made and tried"


def _saved(action: object) -> str:
    match action:
        case BackUpDatabase(database=database):
            return database
        case RehearseRestore(backup):
            return backup.database
        case _:
            return ""


def _migrates(action: object, database: str) -> bool:
    return isinstance(action, MigrateSchema) and any(head.database == database for head in action.heads)
