"""``skylift checkpoint``: a name for the present state, to come back to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import click

from skylift.app.checkpoints import Checkpoint, checkpoints, name_state, present_goal
from skylift.app.wiring import open_site
from skylift.cli.desk import Desk, answer, json_option, optional_goal_option, pass_desk
from skylift.cli.exits import Exit
from skylift.cli.views.columns import columns
from skylift.model.goal import Upgrade

_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@click.command("checkpoint")
@click.argument("name", required=False)
@optional_goal_option
@json_option
@pass_desk
def checkpoint(desk: Desk, name: str | None, *, goal: Upgrade | None, as_json: bool) -> Exit:
    """Give the present state a NAME, or list all that have one; 'skylift rollback --to NAME' leads back.

    The state gets its name if no run is open, and the whole cloud is observed to be at the goal of the newest
    run, or at RELEASE, without any issue: as 'skylift validate' judges. It is kept in the audit trail.
    """
    if name is None:
        if goal is not None:
            raise click.UsageError("--to goes with a NAME")
        every = checkpoints(desk.runs)
        answer(_lines(every) if every else ["no state has a name yet"], every, as_json=as_json)
        return Exit.OK
    if not _FORM.fullmatch(name):
        raise click.UsageError(
            f"{name} is no name: write letters, digits, dots, dashes, and at most 64 of them"
        )
    with open_site(desk.record, desk.runs) as site:
        wanted = goal or present_goal(site)
        if wanted is None:
            raise click.UsageError(
                "no run says at which release the cloud should be: name it by --to RELEASE"
            )
        named = name_state(site, name, wanted)
    told = [
        f"the state at {named.release} is named {named.name}: the whole cloud is at it, without any issue",
        f"to come back to it: skylift rollback --to {named.name} -o back.plan",
    ]
    answer(told, named, as_json=as_json)
    return Exit.OK


def _lines(every: Iterable[Checkpoint]) -> list[str]:
    rows = (
        (one.name, f"{one.release}", _moment(one.at_ms), one.actor, one.after or "no run") for one in every
    )
    return columns(("name", "release", "when", "by", "after"), *rows)


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
