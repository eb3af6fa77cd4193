"""``skylift simulate``: a plan on a twin of its cloud, night after night."""

from __future__ import annotations

import os
from pathlib import Path

import click

from skylift.app.record_file import load_record
from skylift.cli.desk import Desk, answer, json_option, pass_desk, remark
from skylift.cli.exits import Exit
from skylift.fleet.mandate import is_mandate
from skylift.testing.simulation import rehearsal
from skylift.testing.simulation.kinds import FaultKind

_KINDS = {kind.word: kind for kind in FaultKind}
_TOLD_EVERY = 50


@click.command("simulate")
@click.argument("plan_file", metavar="PLAN", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--seeds", type=click.IntRange(1), default=200, show_default=True, help="How many nights.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The seed of the first.")
@click.option("--seed", type=click.IntRange(0), help="This night alone, with all that happens in it.")
@click.option(
    "--faults",
    "faults",
    multiple=True,
    metavar="KIND",
    type=click.Choice(tuple(_KINDS)),
    help="Only faults of this kind, such as host-reboots; may be given again.",
)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Processes that play them.")
@json_option
@pass_desk
def simulate(
    desk: Desk,
    *,
    plan_file: Path,
    seeds: int,
    first: int,
    seed: int | None,
    faults: tuple[str, ...],
    jobs: int,
    as_json: bool,
) -> Exit:
    """Rehearse PLAN on a twin of its cloud, with faults: what would befall, and by what it would go on.

    The twin is made from the plan and the record; no cloud is asked or changed. Each seed is one night:
    the whole run by the engine that would run it, with some faults, and an operator who follows the
    remedies. The same seed gives the same night, to the same bytes. Ends with 1 if a run did what it must
    never do: that is a bug, and its seed shows it.
    """
    text, record = plan_file.read_bytes(), load_record(desk.record)
    if is_mandate(text):
        raise rehearsal.NoTwin(rehearsal.NO_FLEET)
    kinds = tuple(_KINDS[name] for name in dict.fromkeys(faults)) or tuple(FaultKind)
    if seed is not None:
        (ran,) = rehearsal.nights(text, record, (seed,), kinds=kinds, jobs=1)
        answer(rehearsal.story(ran), rehearsal.document_of(ran), as_json=as_json)
        return Exit.FAILED if ran.broken else Exit.OK
    found = rehearsal.Rehearsal(*rehearsal.twin_scene(text, record))
    for ran in rehearsal.nights(text, record, range(first, first + seeds), kinds=kinds, jobs=jobs):
        found.add(ran)
        if found.table.seeds % _TOLD_EVERY == 0:
            remark(f"{found.table.seeds} of {seeds} nights")
    answer(found.lines(), found.document(), as_json=as_json)
    return Exit.FAILED if found.table.broken else Exit.OK
