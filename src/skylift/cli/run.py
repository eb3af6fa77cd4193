"""``skylift apply``, ``resume``, ``retry`` and ``abort``: the verbs that drive a run until it rests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import click

from skylift.app.account import standing
from skylift.app.approvals import Approval, needs_approval
from skylift.app.automatic import is_due, take_back_by_itself
from skylift.app.bench import Bench
from skylift.app.conduct import apply as run_plan
from skylift.app.conduct import go_on
from skylift.app.control import known_steps
from skylift.app.fleet_account import fleet_account
from skylift.app.holders import await_holder
from skylift.app.maintain import apply_mandate
from skylift.app.maintain import go_on as go_on_with_fleet
from skylift.app.propose import verified
from skylift.app.site import Site, run_id
from skylift.app.windows import Windows
from skylift.app.wiring import open_site, worker_on
from skylift.cli.audited import Audited
from skylift.cli.bench import bench_of
from skylift.cli.control import steps_meant
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
from skylift.cli.exits import STANDS, Exit
from skylift.cli.plan import seal_of
from skylift.cli.views import fleet_run as fleet_run_view
from skylift.cli.views import plan as plan_view
from skylift.cli.views import run as run_view
from skylift.engine.fold import Run, Standing
from skylift.engine.journal import Journal
from skylift.engine.operate import Asked
from skylift.engine.operate import abort as say_abort
from skylift.engine.operate import resume as say_resume
from skylift.engine.operate import retry as say_retry
from skylift.engine.problems import Holder, RunHeld
from skylift.engine.verbs import Verb
from skylift.fleet.mandate import is_mandate
from skylift.model.ids import Epoch, StepId
from skylift.planning.plan import Plan
from skylift.planning.text import read_plan


@click.command("apply", cls=Audited)
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option(
    "--yes",
    "approval",
    flag_value=Approval.ALL.value,
    help="Approve every stage that needs it, and every point of no return, unless policy.second_person "
    "wants each named.",
)
@click.option(
    "--hold",
    "approval",
    flag_value=Approval.HOLD.value,
    help="Begin, and wait before what is not approved yet: 'skylift approve'.",
)
@no_return_option
@click.option("--detach", is_flag=True, help="Open the run and leave it to the workers of the store.")
@click.option(
    "--at",
    help="Let nothing start before this, such as 2026-12-05T01:00, by the clock of policy.time_zone.",
)
@json_option
@pass_desk
def apply(
    desk: Desk,
    file: Path,
    *,
    approval: str | None,
    no_returns: tuple[str, ...],
    at: str | None,
    detach: bool,
    as_json: bool,
) -> Exit:
    """Run the plan in FILE, as it was approved, on the cloud it was made for.

    To name a plan is to approve it: it begins at once, but for points of no return and the stages that
    policy.approvals names. Of these you are asked; without a terminal they need --yes or --hold. Points of
    no return may be named instead, and must be where policy.second_person wants another than the author.

    Steps start only while a window of the policy is open, and if they can end before it closes. What begins
    later is opened now and waits, with nothing held: here, in 'skylift resume', or in a worker.

    Ctrl-C lets running steps finish and pauses; after a crash or a kill, 'skylift resume' goes on.
    """
    text, beside, named = file.read_bytes(), seal_of(file), tuple(map(StepId, no_returns))
    seal = beside.read_bytes() if beside.exists() else None
    if detach and desk.runs.store is None:
        raise click.UsageError("--detach leaves a run to workers, which share a store: name it with --store")
    if is_mandate(text):
        said = Approval(approval) if approval else Approval.NONE
        return _apply_mandate(desk, text, seal, said, named=named, at=at, detach=detach, as_json=as_json)
    with open_site(desk.record, desk.runs) as site:
        plan = verified(text, site.record.catalog)
        said = Approval(approval) if approval else _approves(site, plan, named)
        begins = _moment(at, site)
        with bench_of() as bench:
            run = run_plan(
                site,
                run_id(site, "run"),
                text,
                bench,
                approval=said,
                named=named,
                seal=seal,
                at=begins,
                detached=detach,
            )
            taken_back = None if detach else _take_back_if_free(site, run, bench)
    if taken_back is not None:
        return _tell_of_way_back(desk, taken_back, as_json=as_json)
    _tell(desk, plan, run, None, as_json=as_json)
    return Exit.OK if detach else STANDS[run.standing]


def _take_back(site: Site, run: Run, bench: Bench) -> Run | None:
    """The run that takes this one back, as the policy wants it; none if it does not, or cannot be done.

    Raises:
        RunHeld: another process works on the cloud, perhaps to the same end.
    """
    folder = site.runs.find(run.id)
    if not is_due(site, folder):
        return None
    await_holder(site, folder.id, bench)
    return take_back_by_itself(site, folder, run_id(site, "run"), bench, show=plan_view.shown_by(remark))


def _take_back_if_free(site: Site, run: Run, bench: Bench) -> Run | None:
    """As ``_take_back``, for a run that this process has driven; none if a worker was quicker."""
    try:
        return _take_back(site, run, bench)
    except RunHeld as held:
        remark(f"run {run.id} is not taken back by this process: {held}")
        return None


def _tell_of_way_back(desk: Desk, run: Run, *, as_json: bool) -> Exit:
    """What was asked for, an upgrade, is not done, however well it was taken back."""
    _tell(desk, read_plan(desk.find(run.id).plan.read_bytes()), run, None, as_json=as_json)
    return Exit.FAILED if run.standing is Standing.COMPLETED else STANDS[run.standing]


def _apply_mandate(
    desk: Desk,
    text: bytes,
    seal: bytes | None,
    approval: Approval,
    *,
    named: tuple[StepId, ...],
    at: str | None,
    detach: bool,
    as_json: bool,
) -> Exit:
    with open_site(desk.record, desk.runs) as site, bench_of() as bench:
        name = run_id(site, "run")
        begins = _moment(at, site)
        run = apply_mandate(
            site, name, text, bench, approval=approval, named=named, seal=seal, at=begins, detached=detach
        )
    opened = {run.standing: Exit.OK} if detach else STANDS
    return _tell_of_fleet(desk, run, as_json=as_json, exits=opened)


def _tell_of_fleet(desk: Desk, run: Run, *, as_json: bool, exits: Mapping[Standing, Exit] = STANDS) -> Exit:
    found = fleet_account(desk.runs, desk.find(run.id), desk.as_recorded)
    answer(desk.told(fleet_run_view.lines(found)), fleet_run_view.document(found), as_json=as_json)
    return Exit.OK if found.holder else exits[found.run.standing]


@click.command("resume", cls=Audited)
@click.argument("run", required=False)
@click.option("--forward", is_flag=True, help="Go on although policy.rollback would take the run back.")
@json_option
@pass_desk
def resume(desk: Desk, run: str | None, *, forward: bool, as_json: bool) -> Exit:
    """Let a run go on that was paused, or whose process died: RUN, or the newest.

    One that policy.rollback wants taken back is taken back, if all of it still can be; else it goes on.
    """
    folder = desk.find(run)
    if not (forward or folder.of_fleet):
        with open_site(desk.record, desk.runs) as site, bench_of() as bench:
            taken_back = _take_back(site, standing(site.runs, folder).run, bench)
        if taken_back is not None:
            return _tell_of_way_back(desk, taken_back, as_json=as_json)
    return _go_on(desk, run, say_resume, as_json=as_json)


@click.command("retry", cls=Audited)
@click.argument("step", required=False)
@host_option
@zone_option
@run_option
@json_option
@pass_desk
def retry(
    desk: Desk,
    step: str | None,
    *,
    hosts: tuple[str, ...],
    zones: tuple[str, ...],
    run: str | None,
    as_json: bool,
) -> Exit:
    """Try STEP again after a repair, or every failed step, and let the run go on.

    A step that was postponed is taken back by its name.
    """
    folder = desk.find(run)
    which: tuple[StepId, ...] = ()
    if step or hosts or zones:
        which = steps_meant(desk, folder, Verb.RETRY, step, hosts=hosts, zones=zones)
    if folder.of_fleet:
        known_steps(fleet_account(desk.runs, folder).steps, which)
    else:
        known_steps((known.id for known in read_plan(folder.plan.read_bytes()).steps), which)

    def say(journal: Journal, asked: Asked) -> Run:
        return [say_retry(journal, asked, one) for one in which or (None,)][-1]

    return _go_on(desk, folder.id, say, as_json=as_json)


@click.command("abort", cls=Audited)
@reason_option
@click.option("--leave", is_flag=True, help="Close the run even if something it took is not given back.")
@run_option
@json_option
@pass_desk
def abort(desk: Desk, *, reason: str, leave: bool, run: str | None, as_json: bool) -> Exit:
    """Give a run up: let running steps end, give back what was taken, and say what is left."""

    def say(journal: Journal, asked: Asked) -> Run:
        return say_abort(journal, asked, reason=reason, leave=leave)

    # Given up and closed is what was asked for here; of apply and resume it is the end of a run that failed.
    return _go_on(desk, run, say, as_json=as_json, exits={**STANDS, Standing.ABORTED: Exit.OK})


def _go_on(
    desk: Desk,
    run: str | None,
    say: Callable[[Journal, Asked], Run],
    *,
    as_json: bool,
    exits: Mapping[Standing, Exit] = STANDS,
) -> Exit:
    folder = desk.find(run)
    if folder.of_fleet:
        with open_site(desk.record, desk.runs) as site, bench_of() as bench:
            ended = go_on_with_fleet(site, folder, bench, say)
        return _tell_of_fleet(desk, ended, as_json=as_json, exits=exits)
    plan = read_plan(folder.plan.read_bytes())
    with open_site(desk.record, desk.runs) as site, bench_of() as bench:
        ended = go_on(site, folder, bench, say)
        taken_back = _take_back_if_free(site, ended, bench)
    if taken_back is not None:
        return _tell_of_way_back(desk, taken_back, as_json=as_json)
    holder = worker_on(desk.runs)
    by = holder if holder is not None and holder.run == ended.id else None
    _tell(desk, plan, ended, by, as_json=as_json)
    return Exit.OK if by else exits[ended.standing]


def _moment(at: str | None, site: Site) -> Epoch | None:
    if at is None:
        return None
    try:
        told = datetime.fromisoformat(at)
    except ValueError:
        raise click.UsageError(f"--at {at} is no time; write it as 2026-12-05T01:00") from None
    zone = Windows(site.record.policy).zone
    return Epoch((told if told.tzinfo else told.replace(tzinfo=zone)).timestamp())


def _approves(site: Site, plan: Plan, named: tuple[StepId, ...]) -> Approval:
    """Ask for the approval of what needs one; without a terminal nobody can say yes, and it is refused.

    Nor is a yes enough where a second person has to type the name of what has no way back.
    """
    needed = tuple(what for what in needs_approval(site, plan) if what not in named)
    untyped = site.record.policy.second_person and any(step in needed for step in plan.no_returns)
    if not needed or untyped or not sys.stdin.isatty():
        return Approval.NONE
    for line in plan_view.lines(plan):
        remark(line)
    yes = click.confirm(f"approve {', '.join(needed)}", err=True)
    return Approval.ALL if yes else Approval.NONE


def _tell(desk: Desk, plan: Plan, run: Run, holder: Holder | None, *, as_json: bool) -> None:
    answer(
        desk.told(run_view.lines(plan, run, holder)), run_view.document(plan, run, holder), as_json=as_json
    )
