"""Which phases a component's databases still have to go through, and the rows after each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from skylift.catalog.component import KnownComponent, Phase
from skylift.model.cloud import Cloud, Revision, migrations_subject
from skylift.model.goal import Goal
from skylift.model.ids import ArtifactName
from skylift.model.record import Artifact, ComponentEntry
from skylift.model.schema import SchemaHead, applied, branch_of, rows_after, unknown
from skylift.planning.refusals import NotAdditive, SchemaUnknown, not_read


@dataclass(frozen=True, slots=True)
class Databases:
    """A component's databases as they were found, and what the target artifact has for them."""

    known: KnownComponent
    artifact: ArtifactName
    named: Mapping[str, str]
    """As the record names them."""
    rows: Mapping[str, frozenset[str]]
    """By database: its rows of versions."""
    revisions: Mapping[str, tuple[Revision, ...]]
    """By schema: the migrations that the target artifact declares."""
    goal: Goal
    """What they are to serve."""

    def with_schema(self, schema: str) -> tuple[str, ...]:
        """The databases that have ``schema``."""
        return self.known.databases_of(self.named, schema) if self.named else ()

    def declared(self, database: str) -> tuple[Revision, ...]:
        """The migrations of the target artifact for ``database``."""
        return self.revisions[self.known.schema_in(self.named, database).name]

    def heads(self, rows: Mapping[str, frozenset[str]]) -> tuple[SchemaHead, ...]:
        """``rows`` of some of the databases, as a step is to find them."""
        return tuple(
            SchemaHead(database, self.known.schema_in(self.named, database).table, found)
            for database, found in rows.items()
        )


def databases_of(
    cloud: Cloud, entry: ComponentEntry, known: KnownComponent, target: Artifact, *, goal: Goal
) -> Databases:
    """A component's databases as they were seen on the way to ``goal``.

    Raises:
        NotRead: one of them was not, or what ``target`` declares for it.
    """
    rows: dict[str, frozenset[str]] = {}
    for database in entry.databases.values():
        seen = cloud.schemas.get(database)
        if seen is None:
            raise not_read(cloud, f"schema {database}", goal)
        rows[database] = seen.rows
    revisions: dict[str, tuple[Revision, ...]] = {}
    for schema in known.schemas:
        declared = cloud.migrations.get((known.name, schema.name, target.name))
        if declared is None:
            raise not_read(cloud, migrations_subject(known.name, schema.name, target.name), goal)
        revisions[schema.name] = declared
    return Databases(known, target.name, entry.databases, rows, revisions, goal)


@dataclass(frozen=True, slots=True)
class PhaseLeft:
    """A phase that has to run, and its databases' rows of versions once it has."""

    phase: Phase
    heads: tuple[SchemaHead, ...]


def phases_left(databases: Databases, *, old_code: bool, new_code: bool) -> tuple[PhaseLeft, ...]:
    """The phases that the databases still lack of the target artifact's migrations, in their order.

    A phase with a branch is left if migrations are pending. One that only moves rows leaves no trace
    in the table of versions, so the code that runs decides: before new code it is left while none runs,
    after it while some old code does.

    Raises:
        SchemaUnknown: a database has a revision that the artifact does not declare.
        NotAdditive: a phase for old code's time would run a revision of the contract branch.
    """
    for database, rows in databases.rows.items():
        if not rows or unknown(databases.declared(database), rows):
            raise SchemaUnknown(database, databases.artifact, rows, databases.goal)
    return tuple(_left(databases, old_code=old_code, new_code=new_code))


def _left(databases: Databases, *, old_code: bool, new_code: bool) -> Iterator[PhaseLeft]:
    here, expanded = dict(databases.rows), False
    for phase in databases.known.phases:
        own = {database: here[database] for database in databases.with_schema(phase.schema)}
        after = {
            database: _after(phase, databases.declared(database), rows) for database, rows in own.items()
        }
        if phase.branch:
            wanted = after != own
            expanded |= wanted and phase.stage != "converge"
        else:
            wanted = old_code and (phase.stage == "converge" or expanded or not new_code)
        if not wanted:
            continue
        if phase.stage == "expand" and phase.branch == "expand":
            for database, rows in own.items():
                _refuse_removal(databases, phase, database, (rows, after[database]))
        here |= after
        yield PhaseLeft(phase, databases.heads(after))


def _after(phase: Phase, revisions: tuple[Revision, ...], rows: frozenset[str]) -> frozenset[str]:
    if not phase.branch:
        return rows
    return rows_after(revisions, rows, "" if phase.branch == "all" else phase.branch)


def _refuse_removal(
    databases: Databases, phase: Phase, database: str, rows: tuple[frozenset[str], frozenset[str]]
) -> None:
    here, after = rows
    revisions = databases.declared(database)
    run = applied(revisions, after) - applied(revisions, here)
    removing = frozenset(r for r in run if branch_of(revisions, r) == "contract")
    if removing:
        raise NotAdditive(databases.known.name, phase.name, removing, databases.goal)
