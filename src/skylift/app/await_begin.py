"""Wait until a run begins, and tell those whom the record names of it meanwhile; nothing is held for it."""

from __future__ import annotations

from skylift.app.approvals import asked_by
from skylift.app.bench import Bench
from skylift.app.notify import Teller
from skylift.app.runs import RunFolder
from skylift.app.site import Site
from skylift.app.subject import Subject
from skylift.app.windows import Windows
from skylift.engine.fold import Run, fold
from skylift.engine.journal import Journal, milliseconds
from skylift.engine.operate import pause
from skylift.model.ids import Epoch


def await_begin(site: Site, subject: Subject, journal: Journal, *, folder: RunFolder, bench: Bench) -> None:
    """Until the run may begin, or somebody stops it; whoever is asked to stop meanwhile pauses it."""
    windows, teller, told = Windows(site.record.policy), Teller(site, subject, bench), Epoch(0)
    teller.follow(journal, folder)
    while until := subject.begins(windows, run := fold(journal.events()), site.clock()):
        if until != told:
            told = until
            bench.remark(f"waiting until {windows.told(until)}; nothing is held or changed before")
            if _for_window(run, until):
                teller.window(folder.id, until)
        if bench.asked_to_stop():
            pause(journal, asked_by(site))
            break
        teller.bench.pause()
    teller.finish()


def look_in(
    site: Site, subject: Subject, journal: Journal, *, folder: RunFolder, bench: Bench
) -> Epoch | None:
    """When the run begins, if it is not time; whoever is to be told of it so long before is told."""
    run = fold(journal.events())
    until = subject.begins(Windows(site.record.policy), run, site.clock())
    if until is not None:
        teller = Teller(site, subject, bench)
        teller.follow(journal, folder)
        if _for_window(run, until):
            teller.window(folder.id, until)
        teller.finish()
    return until


def _for_window(run: Run, until: Epoch) -> bool:
    """Whether a run that begins then waits for a window, and not for its own time."""
    return milliseconds(until) != run.not_before_ms
