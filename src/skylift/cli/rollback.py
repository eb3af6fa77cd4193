"""``skylift rollback``: a plan that takes a run back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from skylift.app.checkpoints import checkpoint, propose_way_to, run_since
from skylift.app.propose import Proposal
from skylift.app.propose_rollback import propose_rollback
from skylift.app.record_file import catalog_of
from skylift.app.site import Site
from skylift.cli.desk import Desk, json_option, pass_desk
from skylift.cli.exits import Exit
from skylift.cli.output_file import OutputFile, may_be_written
from skylift.cli.plan import tell_proposal
from skylift.cli.run import apply
from skylift.model.ids import ComponentName


@click.command("rollback")
@click.argument("run", required=False)
@click.option(
    "--component",
    "components",
    multiple=True,
    metavar="NAME",
    help="Take back only this component; may be given again.",
)
@click.option("--to", "name", metavar="NAME", help="Instead of RUN: to the state that bears this name.")
@click.option("-o", "output", type=OutputFile(), help="Write the plan file here.")
@click.option(
    "--restore",
    is_flag=True,
    help="Where no step leads back any more, restore the backups of the run: what was written since is lost.",
)
@click.option("--apply", "begins", is_flag=True, help="Then run it, once you have said yes to it.")
@click.option("--yes", is_flag=True, help="With --apply: ask nothing, and approve all that the plan names.")
@json_option
@pass_desk
@click.pass_context
def rollback(
    context: click.Context,
    desk: Desk,
    run: str | None,
    *,
    components: tuple[str, ...],
    name: str | None,
    output: Path | None,
    restore: bool,
    begins: bool,
    yes: bool,
    as_json: bool,
) -> Exit:
    """Propose a plan that takes RUN (or the newest) back, or parts of it: run it with 'skylift apply'.

    With --apply it is run at once, from the file that -o names, or back-of-RUN.plan.

    What the run upgraded goes back to what it found there, the last component first and each host by host,
    while every API serves; databases stay as they are. The run must be at rest: completed, given up, paused
    or halted. 'skylift status' says how far each component can go back. What no step leads back any more is
    refused; with --restore it is stopped as a whole, and put back to the backup that the run made and
    rehearsed: the plan says what was written since and is lost, and 'skylift apply' asks for your consent.

    With --to it is the run that lies between the cloud as it is and the state that 'skylift checkpoint' gave
    NAME to. If that is more than one, you are told which to take back, in which order.
    """
    if begins and as_json:
        raise click.UsageError("--json goes with -o, and then with 'skylift apply': say no --apply")
    if yes and not begins:
        raise click.UsageError("--yes goes with --apply")
    if begins and not (yes or sys.stdin.isatty()):
        raise click.UsageError("--apply asks before it begins; without a terminal say --yes, too")
    if name and (run or components):
        raise click.UsageError("--to NAME takes back a run as a whole: say neither RUN nor --component")
    wanted = checkpoint(desk.runs, name) if name else None
    folder = run_since(desk.runs, catalog_of(desk.record), wanted) if wanted else desk.find(run)
    file = output or (may_be_written(Path(f"back-of-{folder.id}.plan")) if begins else None)

    def propose(site: Site) -> Proposal:
        if wanted is not None:
            return propose_way_to(site, wanted, folder, restore=restore)
        return propose_rollback(site, folder, tuple(map(ComponentName, components)), restore=restore)

    code = tell_proposal(desk, propose, file, as_json=as_json)
    if not begins or file is None or code is not Exit.OK:
        return code
    if not yes and not click.confirm(f"take run {folder.id} back now", err=True):
        return Exit.OK
    # As typed: it is written into the audit trail, and asks for what has no way back.
    with apply.make_context("apply", [str(file), *(["--yes"] if yes else [])], parent=context) as typed:
        return Exit(apply.invoke(typed))
