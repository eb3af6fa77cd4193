"""Is every schema whole, at the head of the release that runs?

Read from the artifact's migration files and the database's own rows, for ``keystone-manage db_sync
--check`` of 2024.1 reports success while expand or contract is pending (measured).
"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.catalog.catalog import filled
from skylift.checks.check import Check, Complaint, Question, blocks, listed, warns
from skylift.model.cloud import migrations_subject
from skylift.model.ids import ComponentName
from skylift.model.record import Artifact
from skylift.model.schema import applied, unknown


def _ask(question: Question) -> Iterator[Complaint]:
    for name in question.record.components:
        running = question.running(name)
        artifact = question.record.artifact_for(next(iter(running))) if running else None
        if artifact is None:
            yield blocks(
                f"the release of {name} is not known, so neither is the schema it needs",
                "see the check named release-path",
            )
        else:
            for database in question.record.components[name].databases.values():
                yield from _one(question, (name, database), artifact)


def _one(question: Question, of: tuple[ComponentName, str], source: Artifact) -> Iterator[Complaint]:
    name, database = of
    databases = question.record.components[name].databases
    schema = question.catalog.components[name].schema_in(databases, database).name
    subject = migrations_subject(name, schema, source.name)
    declared = question.cloud.migrations.get((name, schema, source.name))
    seen = question.cloud.schemas.get(database)
    if declared is None or seen is None:
        why = question.cloud.unread.get(
            subject if declared is None else f"schema {database}", "nobody looked"
        )
        yield blocks(f"the schema of {database} could not be judged: {why}", "look again: skylift inspect")
        return
    target = question.target
    ahead = question.cloud.migrations.get((name, schema, target.name), ()) if target else ()
    lacking = {r.id for r in declared} - applied((*declared, *ahead), seen.rows)
    foreign = unknown((*declared, *ahead), seen.rows)
    if lacking and source.release == question.goal.to:
        yield warns(
            f"the schema of {database} is on its way to {source.release}, which runs everywhere: "
            f"it lacks {listed(lacking)}, and a plan brings it there"
        )
    elif lacking:
        yield blocks(
            f"the schema of {database} is not at the head of {source.release}: it lacks {listed(lacking)} "
            f"and is at {listed(seen.rows) or 'nothing'}",
            *(f"bring it there: {command}" for command in _commands(question, name, source)),
        )
    elif foreign:
        yield blocks(
            f"the schema of {database} has {listed(foreign)}, which no artifact at hand declares",
            "find out who migrated it; if a newer release did: skylift inspect",
        )
    elif unknown(declared, seen.rows):
        yield warns(
            f"the schema of {database} is already on its way to {question.goal.to}: at {listed(seen.rows)}",
        )


def _commands(question: Question, name: ComponentName, source: Artifact) -> Iterator[str]:
    entry, host = question.record.components[name], question.hosts_of(name)[0]
    for phase in question.catalog.components[name].phases:
        yield f"skylift ssh {host} runuser -u {entry.user} -- {' '.join(filled(phase.argv, source.path))}"


SCHEMA = Check(
    "schema",
    "every schema is at the head of the release that runs",
    _ask,
    needs=(),
    rows=(93, 94),
)
