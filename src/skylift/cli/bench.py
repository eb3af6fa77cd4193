"""How the command line waits for a run, shows it live, and is asked to stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from skylift.app.bench import Bench
from skylift.cli.desk import remark
from skylift.cli.views import run as run_view
from skylift.cli.views.waiting import Waiting
from skylift.drivers.clock import Interrupts, now
from skylift.engine.drive import View
from skylift.engine.fold import Phase, Run
from skylift.engine.journal import milliseconds
from skylift.model.ids import StepId
from skylift.planning.plan import Plan

_AT_ONCE = "\nended at once; what runs on hosts goes on to its end, and the run with: skylift resume\n"
_CURSOR = "\x1b[?25h"
"""Shows it again: the panel had hidden it, and does not end any more. Source: ECMA-48, DECTCEM."""


@contextmanager
def bench_of() -> Iterator[Bench]:
    """A bench on standard error: a live panel on a terminal, plain lines elsewhere; Ctrl-C asks to stop."""
    console = Console(stderr=True, highlight=False)
    interrupts = Interrupts(_CURSOR + _AT_ONCE if console.is_terminal else _AT_ONCE)
    panel = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def view(plan: Plan, begun: Run) -> View:
        shown, waiting = begun, Waiting()

        def show(run: Run, left: Mapping[StepId, str]) -> None:
            nonlocal shown
            for line in run_view.changes(plan, shown, run):
                if panel is None:
                    remark(line)
                else:
                    console.print(Text(line), soft_wrap=True)
            shown = run
            for line in waiting.lines(left, milliseconds(now())) if panel is None else ():
                remark(line)
            if panel is not None:
                panel.update(_panel(plan, run, left, asked=interrupts.asked()), refresh=True)

        return show

    with interrupts.caught():
        if panel is None:
            yield Bench(interrupts.pause, interrupts.asked, view, remark)
        else:
            with panel:
                yield Bench(interrupts.pause, interrupts.asked, view, remark)


def _panel(plan: Plan, run: Run, left: Mapping[StepId, str], *, asked: bool) -> Table:
    done = len(run.within(Phase.DONE))
    panel = Table.grid(padding=(0, 1))
    panel.add_row(ProgressBar(total=len(plan.steps), completed=done, width=40), f"{done}/{len(plan.steps)}")
    if asked:
        panel.add_row(Text("pausing: running steps finish, nothing new starts"))
    for line in run_view.under_way(plan, run, left, milliseconds(now())):
        panel.add_row(Text(line, overflow="ellipsis", no_wrap=True))
    return panel
