"""``skylift status``, ``validate`` and ``report``: what became of a run."""

from __future__ import annotations

from pathlib import Path

import click

from skylift.app.account import Standing as Stood
from skylift.app.account import account, judge, judge_run, standing
from skylift.app.cadence import NextUpdate, next_update
from skylift.app.clean_up import clean_up as remove_witnesses
from skylift.app.clean_up import in_its_place
from skylift.app.fleet_account import fleet_account
from skylift.app.fleet_report import fleet_report
from skylift.app.fleet_subject import Maintaining
from skylift.app.notify import Untold
from skylift.app.record_file import catalog_of
from skylift.app.runs import RunFolder
from skylift.app.schedule import clock_of, has_begun, measures_until
from skylift.app.subject import Subject, Upgrading
from skylift.app.taken_back import undone_by
from skylift.app.validate import Outcome
from skylift.app.windows import Windows
from skylift.app.wiring import asked, open_site
from skylift.cli.desk import Desk, answer, json_option, optional_goal_option, pass_desk, remark
from skylift.cli.exits import STANDS, Exit
from skylift.cli.notify import untold_of
from skylift.cli.output_file import OutputFile, write_output
from skylift.cli.views import fleet_page as fleet_page_view
from skylift.cli.views import fleet_report as fleet_report_view
from skylift.cli.views import fleet_run as fleet_run_view
from skylift.cli.views import report as report_view
from skylift.cli.views import run as run_view
from skylift.cli.views import validation as validation_view
from skylift.cli.views.columns import indented
from skylift.engine.decide import Order, decide
from skylift.engine.fold import Run, Standing
from skylift.engine.journal import milliseconds
from skylift.model.goal import Upgrade
from skylift.model.record import Policy
from skylift.planning.plan import Plan
from skylift.planning.text import read_plan
from skylift.planning.window import Window, windows

_WHOLE = (Outcome.COMPLETED, Outcome.WITH_ISSUES)
"""The goal is reached, and the run that led there is closed."""


@click.command("status")
@click.argument("run", required=False)
@json_option
@pass_desk
def status(desk: Desk, run: str | None, *, as_json: bool) -> Exit:
    """Say where RUN (or the newest) stands, what failed, and what to do next. Asks no host."""
    folder = desk.find(run)
    if folder.of_fleet:
        return _status_of_fleet(desk, folder, as_json=as_json)
    seen = standing(desk.runs, folder)
    told, ways_back, record = _untold(desk, seen), _windows(desk, seen.plan, seen.run), desk.as_recorded
    policy = record.policy if record else None
    due = _due(policy, Upgrading(seen.plan), seen.run)
    lines = [
        *run_view.lines(seen.plan, seen.run, seen.holder, seen.back, rested=seen.rested),
        *run_view.window_lines(ways_back, seen.back),
        *_waits(policy, seen.plan, seen.run),
        *(_measures(policy, seen.run) if seen.holder and not seen.plan.stages_only else []),
        *([f"  {due.line}"] if due else []),
    ]
    answer(
        desk.told([*lines, *indented(told.lines, 2)]),
        run_view.document(seen.plan, seen.run, seen.holder, seen.back)
        | {"untold": told, "ways_back": ways_back, "next_update": due},
        as_json=as_json,
    )
    return Exit.OK


def _status_of_fleet(desk: Desk, folder: RunFolder, *, as_json: bool) -> Exit:
    found = fleet_account(desk.runs, folder, desk.as_recorded)
    subject, policy = Maintaining(found.mandate), found.record.policy if found.record else None
    told = untold_of(desk, subject, found.events, works=found.holder is not None)
    due = _due(policy, subject, found.run)
    measures = _measures(policy, found.run) if found.holder else []
    more = [*_begins(policy, subject, found.run), *measures, *([f"  {due.line}"] if due else [])]
    lines = desk.told([*fleet_run_view.lines(found), *more, *indented(told.lines, 2)])
    document = fleet_run_view.document(found) | {"untold": told, "next_update": due}
    answer(lines, document, as_json=as_json)
    return Exit.OK


def _untold(desk: Desk, seen: Stood) -> Untold:
    return untold_of(desk, Upgrading(seen.plan), seen.events, works=seen.holder is not None)


def _windows(desk: Desk, plan: Plan, run: Run) -> tuple[Window, ...]:
    """How far each component can go back; components of the record's own only if that can be read."""
    return windows(plan, catalog_of(desk.record), undone_by(plan, run).begun)


def _waits(policy: Policy | None, plan: Plan, run: Run) -> list[str]:
    """Until when the run waits for a window, if the record can be read: only it has them."""
    if policy is None:
        return []
    if not has_begun(run):
        return _begins(policy, Upgrading(plan), run)
    windows, order = Windows(policy), Order.of(plan)
    until = windows.waits_until(order, run, decide(order, run, at_once=policy.at_once), asked().at)
    return [f"  waits for a window: until {windows.told(until)}"] if until else []


def _measures(policy: Policy | None, run: Run) -> list[str]:
    """That nothing has begun because users' requests are measured first, if the record can be read."""
    until = measures_until(run, policy.baseline) if policy else None
    told = "measures what users get before anything changes: its first step begins"
    return [f"  {told} at {clock_of(until)} at the earliest"] if until else []


def _begins(policy: Policy | None, subject: Subject, run: Run) -> list[str]:
    """When a window opens for a run that has not begun; its own time is told without the record."""
    windows = Windows(policy or Policy())
    until = subject.begins(windows, run, asked().at)
    for_window = until is not None and milliseconds(until) != run.not_before_ms
    return [f"  waits for a window: until {windows.told(until)}"] if until and for_window else []


def _due(policy: Policy | None, subject: Subject, run: Run) -> NextUpdate | None:
    """When the next update is due, if the record can be read and says so."""
    return next_update(policy, subject, run, asked().at) if policy else None


@click.command("validate")
@click.argument("run", required=False)
@optional_goal_option
@click.option(
    "--clean-up",
    is_flag=True,
    help="Remove the witnesses of the run, and of the run that it took back, once the cloud is whole.",
)
@json_option
@pass_desk
def validate(desk: Desk, run: str | None, *, goal: Upgrade | None, clean_up: bool, as_json: bool) -> Exit:
    """Judge from what is observed whether the cloud is at the goal of RUN (or the newest), or at RELEASE.

    A run that was taken back is judged by what took it back. One that is not through is not judged yet:
    how far it is stands first then.
    """
    folder = desk.find(run) if run or goal is None or clean_up else None
    if folder is not None and folder.of_fleet:
        raise click.UsageError(
            f"run {folder.id} is over a fleet, and its hosts are judged by 'skylift report'"
        )
    plan = read_plan(folder.plan.read_bytes()) if folder else None
    if folder and plan and plan.stages_only and goal is None:
        raise click.UsageError(
            f"there is nothing to validate: run {folder.id} only fetched artifacts of "
            f"{plan.goal.to}; go on with 'skylift check --to {plan.goal.to}', or name the release that the "
            "cloud should be at: --to RELEASE"
        )
    with open_site(desk.record, desk.runs) as site:
        folder = in_its_place(site.runs, folder) if folder else None
        wanted = goal or (read_plan(folder.plan.read_bytes()).goal if folder else None)
        if wanted is None:
            raise click.UsageError("name the goal: --to RELEASE")
        judged, of = judge_run(site, folder) if folder and not goal else (judge(site, wanted), None)
        if clean_up and folder and judged.outcome in _WHOLE:
            remove_witnesses(site, folder, remark)
    answer(desk.told(validation_view.lines(judged)), validation_view.document(judged), as_json=as_json)
    return exit_of(judged.outcome, of.standing if of else None)


@click.command("report")
@click.argument("run", required=False)
@click.option("--html", type=OutputFile(), help="Also write one HTML file.")
@json_option
@pass_desk
def report(desk: Desk, run: str | None, *, html: Path | None, as_json: bool) -> Exit:
    """Tell what RUN (or the newest) did, what users got meanwhile, and what to do about problems."""
    folder = desk.find(run)
    if folder.of_fleet:
        return _report_of_fleet(desk, folder, html, as_json=as_json)
    with open_site(desk.record, desk.runs) as site:
        told = account(site, folder, remark)
        due = next_update(site.record.policy, Upgrading(told.plan), told.run, site.clock())
    left = _untold(desk, standing(desk.runs, folder))
    for line in left.lines:
        remark(line)
    if due is not None:
        remark(due.line)
    document = report_view.document(told) | {"untold": left, "next_update": due}
    answer(desk.told(report_view.lines(told)), document, as_json=as_json)
    if html is not None:
        write_output(html, report_view.html(told).encode())
        remark(f"wrote {html}")
    if told.run.closed is None:
        return exit_of(Outcome.UNFINISHED, told.run.standing)
    return Exit.OK if told.verdict == Outcome.COMPLETED.value else Exit.FAILED


def exit_of(outcome: Outcome, stands: Standing | None) -> Exit:
    """What a verdict means; of a run that is not through, what it means where that stands."""
    if outcome is Outcome.UNFINISHED and stands is not None:
        return STANDS[stands]
    return Exit.OK if outcome in _WHOLE else Exit.FAILED


def _report_of_fleet(desk: Desk, folder: RunFolder, html: Path | None, *, as_json: bool) -> Exit:
    with open_site(desk.record, desk.runs) as site:
        found = fleet_report(site, folder, remark)
        of, subject = found.account, Maintaining(found.account.mandate)
        due = next_update(site.record.policy, subject, of.run, site.clock())
    left = untold_of(desk, subject, of.events, works=of.holder is not None)
    for line in (*left.lines, *([due.line] if due else [])):
        remark(line)
    document = fleet_report_view.document(found) | {"untold": left, "next_update": due}
    answer(desk.told(fleet_report_view.lines(found)), document, as_json=as_json)
    if html is not None:
        write_output(html, fleet_page_view.html(found).encode())
        remark(f"wrote {html}")
    return Exit.OK if found.whole else Exit.FAILED
