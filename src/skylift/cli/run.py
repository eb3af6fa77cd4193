"""``skylift apply``, ``resume`` and ``retry``: the only verbs that change services."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from skylift.app.conduct import again, go_on
from skylift.app.conduct import apply as run_plan
from skylift.app.propose import verified
from skylift.app.wiring import open_site
from skylift.cli.bench import bench_of, run_id
from skylift.cli.desk import Desk, answer, json_option, pass_desk
from skylift.cli.exits import Exit
from skylift.cli.views import plan as plan_view
from skylift.cli.views import run as run_view
from skylift.engine.fold import Run, Standing
from skylift.model.ids import StepId
from skylift.planning.plan import Plan
from skylift.planning.text import read_plan

_EXITS = {
    Standing.COMPLETED: Exit.OK,
    Standing.HALTED: Exit.FAILED,
    Standing.PAUSED: Exit.PAUSED,
    Standing.RUNNING: Exit.PAUSED,
}


@click.command("apply")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--yes", "approved", is_flag=True, help="Approve every point of no return that the plan names.")
@json_option
@pass_desk
def apply(desk: Desk, file: Path, *, approved: bool, as_json: bool) -> Exit:
    """Run the plan in FILE, as it was approved, on the cloud it was made for.

    Ctrl-C lets running steps finish and pauses; after a crash or a kill, 'skylift resume' goes on.
    """
    text = file.read_bytes()
    with open_site(desk.record) as site:
        plan = verified(text, site.record.catalog)
        approved = approved or _approves(plan)
        with bench_of() as bench:
            run = run_plan(site, run_id(site, "run"), text, bench, approved=approved)
    return _told(plan, run, as_json=as_json)


@click.command("resume")
@click.argument("run", required=False)
@json_option
@pass_desk
def resume(desk: Desk, run: str | None, *, as_json: bool) -> Exit:
    """Let a run go on that was paused, or whose process died: RUN, or the newest."""
    folder = desk.runs.find(run)
    plan = read_plan(folder.plan.read_bytes())
    with open_site(desk.record) as site, bench_of() as bench:
        ended = go_on(site, folder, bench)
    return _told(plan, ended, as_json=as_json)


@click.command("retry")
@click.argument("step", required=False)
@click.option("--run", "run", help="The run; without it, the newest.")
@json_option
@pass_desk
def retry(desk: Desk, step: str | None, *, run: str | None, as_json: bool) -> Exit:
    """Try STEP again after a repair, or every failed step, and let the run go on."""
    folder = desk.runs.find(run)
    plan = read_plan(folder.plan.read_bytes())
    with open_site(desk.record) as site, bench_of() as bench:
        ended = again(site, folder, StepId(step) if step else None, bench)
    return _told(plan, ended, as_json=as_json)


def _approves(plan: Plan) -> bool:
    """Ask for the approval of what has no way back; without a terminal nobody can say yes."""
    if not plan.no_returns or not sys.stdin.isatty():
        return False
    for line in plan_view.lines(plan):
        click.echo(line, err=True)
    named = ", ".join(plan.no_returns)
    return bool(click.confirm(f"no step alone leads back from {named}: approve", err=True))


def _told(plan: Plan, run: Run, *, as_json: bool) -> Exit:
    answer(run_view.lines(plan, run, None), run_view.document(plan, run, None), as_json=as_json)
    return _EXITS[run.standing]
