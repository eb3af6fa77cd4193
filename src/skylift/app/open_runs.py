"""Runs of this cloud that are neither complete nor given up: no other of their kind begins beside one.

It would meet what the open one has taken (a host out of a pool, automation that is paused) and take it for
somebody else's doing; and whoever resumed the open one later would drive a plan of another day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress

from skylift.app.runs import RunFolder
from skylift.app.schedule import is_scheduled
from skylift.app.site import Site
from skylift.app.wiring import open_journal
from skylift.engine.fold import INTERRUPTED, Run, Standing, fold
from skylift.model.ids import Digest, RunId
from skylift.model.problem import Fix, Refused, Remedy
from skylift.planning.text import PlanFormat, read_plan


class RunOpen(Refused):
    """Another run of its kind is open: neither complete nor given up."""

    code = "run.open"

    def __init__(self, run: RunId, how: str, *, same: bool) -> None:
        what = "this plan has begun already" if same else "another run is open"
        super().__init__(
            f"{what}: run {run} is {how}, neither complete nor given up",
            Remedy(Fix.RETRY, f"let it go on: skylift resume {run}"),
            Remedy(Fix.REPAIR, f"or see what it waits for: skylift status {run}"),
            Remedy(Fix.ROLL_BACK, f"or give it up: skylift abort --run {run} --reason WHY"),
        )


def none_open(site: Site, plan: Digest, *, of_fleet: bool, but: Collection[RunId] = ()) -> None:
    """See that no run over hosts is open, or no upgrade, beside ``but``; ``plan`` is of the one to begin.

    What only stages artifacts is in nobody's way, nor what is to begin later, unless it is of the same plan.
    A run whose plan or journal cannot be read is passed over.

    Raises:
        RunOpen: one is.
    """
    others = (f for f in site.runs.known() if f.id not in but and f.of_fleet is of_fleet)
    for run in _open(others):
        same = run.plan == plan
        if same or not is_scheduled(run, site.clock()):
            # Whoever asks holds the cloud: nobody drives it.
            how = INTERRUPTED if run.standing is Standing.RUNNING else run.standing.value
            raise RunOpen(run.id, how, same=same)


def nothing_left_open(site: Site) -> None:
    """See that no run at all is open but for what only stages artifacts, be it to begin later.

    Raises:
        RunOpen: one is.
    """
    for run in _open(site.runs.known()):
        how = "scheduled" if is_scheduled(run, site.clock()) else run.standing.value
        raise RunOpen(run.id, how, same=False)


def _open(folders: Iterable[RunFolder]) -> Iterator[Run]:
    """The runs among these that are neither closed nor for staging alone."""
    for folder in folders:
        if folder.of_fleet or _changes_services(folder):
            yield from (run for run in _read(folder) if run.closed is None)


def _changes_services(folder: RunFolder) -> bool:
    try:
        return not read_plan(folder.plan.read_bytes()).stages_only
    except PlanFormat:
        return False


def _read(folder: RunFolder) -> Iterator[Run]:
    with suppress(Refused), open_journal(folder) as journal:
        if events := journal.events():  # else it died before it began
            yield fold(events)
