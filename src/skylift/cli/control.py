"""``skylift pause``, ``approve``, ``skip`` and ``postpone``: what is said to a run from any terminal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import click

from skylift.app.account import standing
from skylift.app.control import tell
from skylift.app.fleet_account import fleet_account
from skylift.app.fleet_words import steps_of
from skylift.app.plan_seal import trusted
from skylift.app.record_file import load_record
from skylift.app.runs import RunFolder
from skylift.app.wiring import asked, signer
from skylift.cli.audited import Audited
from skylift.cli.desk import (
    Desk,
    answer,
    host_option,
    json_option,
    no_return_option,
    pass_desk,
    reason_option,
    remark,
    run_option,
    zone_option,
)
from skylift.cli.exits import Exit
from skylift.cli.views import fleet_run as fleet_run_view
from skylift.cli.views import run as run_view
from skylift.engine import operate
from skylift.engine.decide import Order
from skylift.engine.fold import Run
from skylift.engine.journal import Journal
from skylift.engine.operate import Asked
from skylift.engine.problems import naming
from skylift.engine.verbs import Verb
from skylift.model.ids import HostName, StepId
from skylift.model.seal import name_of
from skylift.planning.plan import Stage


@click.command("pause", cls=Audited)
@click.argument("run", required=False)
@json_option
@pass_desk
def pause(desk: Desk, run: str | None, *, as_json: bool) -> Exit:
    """Let no new step of RUN (or the newest) start; what runs goes on to its end."""

    def say(journal: Journal, _: Order) -> Run:
        who = asked()
        said = operate.pause(journal, who)
        if said.pause is not None and said.pause.at_ms < who.at_ms:
            remark(f"run {said.id} was paused already: nothing was changed")
        return said

    return _tell(desk, run, say, as_json=as_json)


@click.command("approve", cls=Audited)
@click.argument("stage", type=click.Choice([stage.value for stage in Stage]))
@no_return_option
@run_option
@json_option
@pass_desk
def approve(desk: Desk, stage: str, *, no_returns: tuple[str, ...], run: str | None, as_json: bool) -> Exit:
    """Let STAGE begin, and pass those of its points of no return that you name.

    If it has any and you name none, nothing is approved, and you are told which there are.
    """
    signers, key = load_record(desk.record).signers, signer()
    trusted(key, signers)
    name = name_of(key.key, signers) if key and signers else None

    def say(journal: Journal, order: Order) -> Run:
        who = asked()
        said_by = Asked(who.actor, who.at, name or "", key.key if key else None)
        named = tuple(map(StepId, no_returns))
        said = operate.approve(journal, order, said_by, Stage(stage), no_returns=named)
        for line in desk.told(approval_lines(Stage(stage), named, order.unapproved(said))):
            remark(line)
        return said

    return _tell(desk, run, say, as_json=as_json)


def approval_lines(
    stage: Stage, named: Collection[StepId], unapproved: Mapping[Stage, Collection[StepId]]
) -> list[str]:
    """What was approved of a stage, and what of it waits for an approval yet."""
    passing = f", which may pass {', '.join(named)}" if named else ""
    waiting = unapproved.get(stage, ())
    if not waiting:
        return [f"approved {stage.value}{passing}"]
    command = f"skylift approve {stage.value}{naming(waiting)}"
    return [f"approved {stage.value}{passing}; {', '.join(waiting)} still waits for it: {command}"]


@click.command("skip", cls=Audited)
@click.argument("step", required=False)
@host_option
@zone_option
@reason_option
@run_option
@json_option
@pass_desk
def skip(
    desk: Desk,
    step: str | None,
    *,
    hosts: tuple[str, ...],
    zones: tuple[str, ...],
    reason: str,
    run: str | None,
    as_json: bool,
) -> Exit:
    """Leave STEP undone and let what depends on it go on: you answer for it, with a reason.

    It may still run on its host if it failed by running out of time: see to that first.
    """
    folder = desk.find(run)
    which = steps_meant(desk, folder, Verb.SKIP, step, hosts=hosts, zones=zones)

    def say(journal: Journal, order: Order) -> Run:
        return [operate.skip(journal, order, asked(), one, reason=reason) for one in which][-1]

    return _tell(desk, folder.id, say, which, as_json=as_json)


@click.command("postpone", cls=Audited)
@click.argument("step", required=False)
@host_option
@zone_option
@reason_option
@run_option
@json_option
@pass_desk
def postpone(
    desk: Desk,
    step: str | None,
    *,
    hosts: tuple[str, ...],
    zones: tuple[str, ...],
    reason: str,
    run: str | None,
    as_json: bool,
) -> Exit:
    """Put STEP aside with all that depends on it, so that the rest goes on; retry takes it back."""
    folder = desk.find(run)
    which = steps_meant(desk, folder, Verb.POSTPONE, step, hosts=hosts, zones=zones)

    def say(journal: Journal, order: Order) -> Run:
        return [operate.postpone(journal, order, asked(), one, reason=reason) for one in which][-1]

    return _tell(desk, folder.id, say, which, as_json=as_json)


def steps_meant(
    desk: Desk,
    folder: RunFolder,
    verb: Verb,
    step: str | None,
    *,
    hosts: tuple[str, ...],
    zones: tuple[str, ...],
) -> tuple[StepId, ...]:
    """The steps that a word is about: one that is named, or those of hosts and zones.

    Raises:
        HostNotPlanned, StepRefuses: as for ``fleet_words.steps_of``.
    """
    if step and not (hosts or zones):
        return (StepId(step),)
    if step or not (hosts or zones):
        raise click.UsageError("name a step, or hosts and zones with --host and --zone")
    if not folder.of_fleet:
        raise click.UsageError("--host and --zone are for runs over compute hosts: name a step")
    return steps_of(fleet_account(desk.runs, folder), verb, tuple(map(HostName, hosts)), zones)


def _tell(
    desk: Desk,
    run: str | None,
    say: Callable[[Journal, Order], Run],
    steps: tuple[StepId, ...] = (),
    *,
    as_json: bool,
) -> Exit:
    folder = desk.find(run)
    tell(folder, say, steps=steps)
    if folder.of_fleet:
        found = fleet_account(desk.runs, folder, desk.as_recorded)
        answer(desk.told(fleet_run_view.lines(found)), fleet_run_view.document(found), as_json=as_json)
        return Exit.OK
    seen = standing(desk.runs, folder)
    answer(
        desk.told(run_view.lines(seen.plan, seen.run, seen.holder, seen.back, rested=seen.rested)),
        run_view.document(seen.plan, seen.run, seen.holder, seen.back),
        as_json=as_json,
    )
    return Exit.OK
