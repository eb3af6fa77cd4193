"""``skylift notify``: tell those whom the record names what of a run they were not told."""

from __future__ import annotations

from collections.abc import Sequence

import click

from skylift.app.conduct import approved_plan
from skylift.app.fleet_subject import Maintaining
from skylift.app.mandates import approved_mandate
from skylift.app.notify import Untold, tell_what_is_left, untold
from skylift.app.subject import Subject, Upgrading
from skylift.app.wiring import asked, hold, open_journal, open_site
from skylift.cli.bench import bench_of
from skylift.cli.desk import Desk, answer, json_option, pass_desk
from skylift.cli.exits import Exit
from skylift.engine.journal import Event


@click.command("notify")
@click.argument("run", required=False)
@json_option
@pass_desk
def notify(desk: Desk, run: str | None, *, as_json: bool) -> Exit:
    """Tell what of RUN (or the newest) was not told: its process died, or nobody took it.

    Also that the next update is due by now, each week once, if RUN is the newest.
    """
    folder = desk.find(run)
    with open_site(desk.record, desk.runs) as site, hold(site, folder.id), open_journal(folder) as journal:
        if folder.of_fleet:
            subject: Subject = Maintaining(approved_mandate(folder, journal))
        else:
            subject = Upgrading(approved_plan(folder, journal))
        events = journal.events()
        with bench_of() as bench:
            tell_what_is_left(site, folder, subject, journal, bench=bench)
    left = untold_of(desk, subject, events, works=False)
    answer(left.lines or ["everybody was told"], left, as_json=as_json)
    return Exit.FAILED if left.failed or left.left else Exit.OK


def untold_of(desk: Desk, subject: Subject, events: Sequence[Event], *, works: bool) -> Untold:
    """What of a run somebody was not told; while a process ``works`` on it, only what it gave up."""
    record = None if works else desk.as_recorded
    return untold(desk.runs, record, subject, events, now=asked().at)
