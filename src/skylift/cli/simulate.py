"""``skylift simulate``: a plan on a twin of its cloud, night after night."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from skylift.app.as_planned import OtherRecord
from skylift.app.fleet_as_planned import as_it_is
from skylift.app.maintain import pace_of
from skylift.app.mandates import read_approved
from skylift.app.propose_fleet import read_fleet_file
from skylift.app.record_file import load_record
from skylift.app.site import digest_of_record
from skylift.cli.desk import Desk, answer, json_option, pass_desk, remark
from skylift.cli.exits import Exit
from skylift.fleet.mandate import Mandate, is_mandate
from skylift.model.record import Record
from skylift.testing.simulation import rehearsal
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.twin.rehearsal import FleetRehearsal, FleetScene, document_of, nights, story

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
@click.option(
    "--fleet",
    "fleet_file",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Of a plan of compute hosts: the fleet, as 'skylift inspect --fleet -o FILE' writes it.",
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
    fleet_file: Path | None,
    jobs: int,
    as_json: bool,
) -> Exit:
    """Rehearse PLAN on a twin of its cloud, with faults: what would befall, and by what it would go on.

    The twin is made from the plan and the record; no cloud is asked or changed. Each seed is one night:
    the whole run by the engine that would run it, with some faults, and an operator who follows the
    remedies. The same seed gives the same night, to the same bytes. Ends with 1 if a run did what it must
    never do: that is a bug, and its seed shows it.

    The plan of compute hosts does not hold the fleet: name it with --fleet. Its faults are dealt as they
    come, and there is no operator.
    """
    text, record = plan_file.read_bytes(), load_record(desk.record)
    seeds_of = range(first, first + seeds) if seed is None else (seed,)
    if is_mandate(text):
        if fleet_file is None:
            raise rehearsal.NoTwin
        if faults:
            raise click.UsageError("--faults goes with the plan of an upgrade or of a way back")
        scene = _scene(read_approved(text), record, fleet_file)
        return _fleet(scene, seeds_of, alone=seed is not None, jobs=jobs, as_json=as_json)
    if fleet_file is not None:
        raise click.UsageError("--fleet goes with a plan of compute hosts that 'skylift apply' would run")
    kinds = tuple(_KINDS[name] for name in dict.fromkeys(faults)) or tuple(FaultKind)
    if seed is not None:
        (ran,) = rehearsal.nights(text, record, seeds_of, kinds=kinds, jobs=1)
        answer(rehearsal.story(ran), rehearsal.document_of(ran), as_json=as_json)
        return Exit.FAILED if ran.broken else Exit.OK
    found = rehearsal.Rehearsal(*rehearsal.twin_scene(text, record))
    for ran in rehearsal.nights(text, record, seeds_of, kinds=kinds, jobs=jobs):
        found.add(ran)
        if found.table.seeds % _TOLD_EVERY == 0:
            remark(f"{found.table.seeds} of {seeds} nights")
    answer(found.lines(), found.document(), as_json=as_json)
    return Exit.FAILED if found.table.broken else Exit.OK


def _scene(mandate: Mandate, record: Record, fleet_file: Path) -> FleetScene:
    """What ``skylift apply`` would begin with, if the fleet were as in the file."""
    if mandate.record != (here := digest_of_record(record)):
        raise OtherRecord(mandate.record, here, again=mandate.again)
    if mandate.network:
        remark("the twin has no network agents: what becomes of routers and networks is not rehearsed")
    if mandate.storage:
        remark("the twin has no storage cluster: what it says of its hosts' stops is not rehearsed")
    if mandate.volumes:
        remark("the twin has no volume services: that they are closed and idle is not rehearsed")
    fleet, changed = as_it_is(read_fleet_file(fleet_file)[0], mandate)
    if changed:
        remark(changed)
    return FleetScene(mandate, fleet, pace_of(record.maintenance), record.maintenance.look)


def _fleet(scene: FleetScene, seeds: Sequence[int], *, alone: bool, jobs: int, as_json: bool) -> Exit:
    if alone:
        ran = scene.night(seeds[0], tells=True)
        answer(story(scene, ran), document_of(scene, ran), as_json=as_json)
        return Exit.FAILED if ran.broken else Exit.OK
    found = FleetRehearsal(scene)
    for ran in nights(scene, seeds, jobs=jobs):
        found.ran.append(ran)
        if len(found.ran) % _TOLD_EVERY == 0:
            remark(f"{len(found.ran)} of {len(seeds)} nights")
    answer(found.lines(), found.document(), as_json=as_json)
    return Exit.FAILED if found.broken else Exit.OK
