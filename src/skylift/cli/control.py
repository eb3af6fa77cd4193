"""``skylift pause``, ``skip`` and ``postpone``: what is said to a run from any terminal."""

from __future__ import annotations

from collections.abc import Callable

import click

from skylift.app.account import standing
from skylift.app.control import tell
from skylift.app.wiring import asked
from skylift.cli.audited import Audited
from skylift.cli.desk import Desk, answer, json_option, pass_desk, reason_option, run_option
from skylift.cli.exits import Exit
from skylift.cli.views import run as run_view
from skylift.engine import operate
from skylift.engine.decide import Order
from skylift.engine.fold import Run
from skylift.engine.journal import Journal
from skylift.model.ids import StepId


@click.command("pause", cls=Audited)
@click.argument("run", required=False)
@json_option
@pass_desk
def pause(desk: Desk, run: str | None, *, as_json: bool) -> Exit:
    """Let no new step of RUN (or the newest) start; what runs goes on to its end."""
    return _tell(desk, run, lambda journal, _: operate.pause(journal, asked()), as_json=as_json)


@click.command("skip", cls=Audited)
@click.argument("step")
@reason_option
@run_option
@json_option
@pass_desk
def skip(desk: Desk, step: str, *, reason: str, run: str | None, as_json: bool) -> Exit:
    """Leave STEP undone and let what depends on it go on: you answer for it, with a reason.

    It may still run on its host if it failed by running out of time: see to that first.
    """
    which = StepId(step)

    def say(journal: Journal, order: Order) -> Run:
        return operate.skip(journal, order, asked(), which, reason=reason)

    return _tell(desk, run, say, which, as_json=as_json)


@click.command("postpone", cls=Audited)
@click.argument("step")
@reason_option
@run_option
@json_option
@pass_desk
def postpone(desk: Desk, step: str, *, reason: str, run: str | None, as_json: bool) -> Exit:
    """Put STEP aside with all that depends on it, so that the rest goes on; retry takes it back."""
    which = StepId(step)

    def say(journal: Journal, order: Order) -> Run:
        return operate.postpone(journal, order, asked(), which, reason=reason)

    return _tell(desk, run, say, which, as_json=as_json)


def _tell(
    desk: Desk,
    run: str | None,
    say: Callable[[Journal, Order], Run],
    step: StepId | None = None,
    *,
    as_json: bool,
) -> Exit:
    folder = desk.runs.find(run)
    tell(folder, say, step=step)
    seen = standing(desk.runs, folder)
    answer(
        run_view.lines(seen.plan, seen.run, seen.holder),
        run_view.document(seen.plan, seen.run, seen.holder),
        as_json=as_json,
    )
    return Exit.OK
