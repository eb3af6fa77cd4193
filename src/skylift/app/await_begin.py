"""Wait until a run begins, and tell those whom the record names of it meanwhile; nothing is held for it."""

from __future__ import annotations

from skylift.app.approvals import asked_by
from skylift.app.bench import Bench
from skylift.app.notify import Teller
from skylift.app.runs import RunFolder
from skylift.app.schedule import has_begun
from skylift.app.site import Site
from skylift.app.subject import Subject
from skylift.app.windows import Windows
from skylift.app.wiring import worker_on
from skylift.engine.fold import Run, fold
from skylift.engine.journal import Journal, milliseconds
from skylift.engine.operate import pause
from skylift.model.ids import Epoch


def await_begin(site: Site, subject: Subject, journal: Journal, *, folder: RunFolder, bench: Bench) -> None:
    """Until the run may begin and no other is worked on, or until somebody stops it.

    Whoever is asked to stop meanwhile pauses it.
    """
    windows, teller, told = Windows(site.record.policy), Teller(site, subject, bench), ""
    teller.follow(journal, folder)
    while True:
        run = fold(journal.events())
        until = subject.begins(windows, run, site.clock())
        other = None if until or run.pause or run.abort or has_begun(run) else worker_on(site.runs)
        if until is None and (other is None or other.run == run.id or run.closed):
            break
        waits = f"until {windows.told(until)}; nothing is held or changed before" if until else f"for {other}"
        if waits != told:
            told = waits
            bench.remark(f"waiting {waits}")
            if until and _for_window(run, until):
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
