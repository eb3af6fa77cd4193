"""``skylift rollback``: a plan that takes a run back."""

from __future__ import annotations

from pathlib import Path

import click

from skylift.app.propose import Proposal
from skylift.app.propose_rollback import propose_rollback
from skylift.app.site import Site
from skylift.cli.desk import Desk, json_option, pass_desk
from skylift.cli.exits import Exit
from skylift.cli.plan import tell_proposal
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
@click.option(
    "-o", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan file here."
)
@click.option(
    "--restore",
    is_flag=True,
    help="Where no step leads back any more, restore the backups of the run: what was written since is lost.",
)
@json_option
@pass_desk
def rollback(
    desk: Desk,
    run: str | None,
    *,
    components: tuple[str, ...],
    output: Path | None,
    restore: bool,
    as_json: bool,
) -> Exit:
    """Propose a plan that takes RUN (or the newest) back, or parts of it: run it with 'skylift apply'.

    What the run upgraded goes back host by host to what it found there, the last first, while every API
    serves; databases stay as they are. The run must be at rest: completed, given up, paused or halted.
    'skylift status' says how far each component can go back. What no step leads back any more is refused;
    with --restore it is stopped as a whole, and put back to the backup that the run made and rehearsed: the
    plan says what was written since and is lost, and 'skylift apply' asks for your consent to it.
    """
    folder = desk.find(run)
    wanted = tuple(map(ComponentName, components))

    def propose(site: Site) -> Proposal:
        return propose_rollback(site, folder, wanted, restore=restore)

    return tell_proposal(desk, propose, output, as_json=as_json)
