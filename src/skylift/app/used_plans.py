"""What became of a plan that was run before: its own run has changed the cloud that it was made for."""

from __future__ import annotations

from skylift.app.runs import RunFolder, Runs
from skylift.app.taken_back import taken_back
from skylift.app.wiring import open_journal
from skylift.engine.fold import Run, fold
from skylift.model.ids import Digest
from skylift.model.problem import Refused


def used(runs: Runs, plan: Digest) -> str:
    """What became of the newest run of this very plan, in words; empty if it was never run."""
    for folder in reversed(runs.known()):
        run = None if folder.of_fleet else _run(folder)
        if run is not None and run.plan == plan:
            back = taken_back(runs, run.id)
            then = f" and was taken back by run {back.by}, which is {back.standing.value}" if back else ""
            return f"by run {run.id}, which is {run.standing.value}{then}"
    return ""


def _run(folder: RunFolder) -> Run | None:
    try:
        with open_journal(folder) as journal:
            events = journal.events()
    except Refused:
        return None  # whoever asks is refused already, for another reason
    return fold(events) if events else None
