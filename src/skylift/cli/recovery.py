"""``skylift recovery``: what to do when a night goes wrong, from a plan, and as the file beside one."""

from __future__ import annotations

from pathlib import Path

import click

from skylift.app.fleet_recovery import recovery_of_hosts
from skylift.app.mandates import read_approved
from skylift.app.record_file import load_record
from skylift.app.recovery import Recovery, recovery_of
from skylift.app.site import digest_of_record
from skylift.catalog.catalog import load
from skylift.cli.desk import Desk, answer, json_option, pass_desk, remark
from skylift.cli.exits import Exit
from skylift.cli.output_file import write_output
from skylift.cli.views import recovery as recovery_view
from skylift.fleet.mandate import is_mandate
from skylift.planning.text import read_plan


@click.command("recovery")
@click.argument("run", required=False)
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="A plan file, instead of the plan of a run.",
)
@json_option
@pass_desk
def recovery(desk: Desk, run: str | None, *, plan_file: Path | None, as_json: bool) -> Exit:
    """Print the recovery procedure of the plan of RUN (or the newest), as Markdown. Asks no host.

    It says stage by stage what is changed and until when that can go back by steps; how to go on from another
    machine; which backups exist, and what a restore loses; and by which commands what the run has taken is
    given back by hand. 'skylift plan -o FILE' writes the same into FILE.recovery.md.
    """
    if run and plan_file:
        raise click.UsageError("name a run or a plan file, and not both")
    text = (plan_file or desk.find(run).plan).read_bytes()
    record = load_record(desk.record)
    catalog = load(record.catalog)
    if is_mandate(text):
        mandate = read_approved(text)
        made_from, told = mandate.record, recovery_of_hosts(mandate, record, catalog)
    else:
        plan = read_plan(text)
        made_from, told = plan.record, recovery_of(plan, record, catalog)
    if made_from != digest_of_record(record):
        remark(f"{desk.record} is not as it was when the plan was made: hosts and addresses are those of now")
    answer(recovery_view.lines(told), told, as_json=as_json)
    return Exit.OK


def write_beside(output: Path, told: Recovery) -> None:
    """Write the procedure beside a plan file, for its owner alone: it says how every host is reached."""
    file = output.with_name(f"{output.name}.recovery.md")
    write_output(file, "\n".join([*recovery_view.lines(told), ""]).encode(), private=True)
    remark(f"wrote {file}: what to do if the night goes wrong; print it, or keep it on another machine")
