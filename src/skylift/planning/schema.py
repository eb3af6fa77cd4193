"""Which phases a component's database still has to go through, and the rows after each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from skylift.catalog.component import KnownComponent, Phase
from skylift.model.cloud import Revision
from skylift.model.ids import ArtifactName
from skylift.model.schema import applied, branch_of, rows_after, unknown
from skylift.planning.refusals import NotAdditive, SchemaUnknown


@dataclass(frozen=True, slots=True)
class PhaseLeft:
    """A phase that has to run, and the rows of ``alembic_version`` once it has."""

    phase: Phase
    rows: frozenset[str]


def phases_left(
    component: KnownComponent,
    target: tuple[ArtifactName, tuple[Revision, ...]],
    rows: frozenset[str],
    *,
    old_code: bool,
    new_code: bool,
) -> tuple[PhaseLeft, ...]:
    """The phases that ``rows`` still lack of the target artifact's migrations, in their order.

    A phase with a branch is left if migrations are pending. One that only moves rows leaves no trace
    in ``alembic_version``, so the code that runs decides: before new code it is left while none runs,
    after it while some old code does.

    Raises:
        SchemaUnknown: the database has a revision that the artifact does not declare.
        NotAdditive: a phase for old code's time would run a revision of the contract branch.
    """
    artifact, revisions = target
    if not rows or unknown(revisions, rows):
        raise SchemaUnknown(component.name, artifact, rows)
    return tuple(_left(component, revisions, rows, old_code=old_code, new_code=new_code))


def _left(
    component: KnownComponent,
    revisions: tuple[Revision, ...],
    rows: frozenset[str],
    *,
    old_code: bool,
    new_code: bool,
) -> Iterator[PhaseLeft]:
    here, expanded = rows, False
    for phase in component.phases:
        after = _after(phase, revisions, here)
        if phase.branch:
            wanted = after != here
            expanded |= wanted and phase.stage == "expand"
        else:
            wanted = old_code and (phase.stage == "converge" or expanded or not new_code)
        if not wanted:
            continue
        if phase.stage == "expand" and phase.branch == "expand":
            _refuse_removal(component, phase, revisions, (here, after))
        here = after
        yield PhaseLeft(phase, here)


def _after(phase: Phase, revisions: tuple[Revision, ...], rows: frozenset[str]) -> frozenset[str]:
    if not phase.branch:
        return rows
    return rows_after(revisions, rows, "" if phase.branch == "all" else phase.branch)


def _refuse_removal(
    component: KnownComponent,
    phase: Phase,
    revisions: tuple[Revision, ...],
    rows: tuple[frozenset[str], frozenset[str]],
) -> None:
    here, after = rows
    run = applied(revisions, after) - applied(revisions, here)
    removing = frozenset(r for r in run if branch_of(revisions, r) == "contract")
    if removing:
        raise NotAdditive(component.name, phase.name, removing)
