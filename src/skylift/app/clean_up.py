"""What runs leave behind for their witnesses' sake, removed when the cloud is judged whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from skylift.app.account import standing
from skylift.app.runs import RunFolder, Runs, RunUnknown
from skylift.app.samples import witness_label
from skylift.app.site import Site
from skylift.app.taken_back import ways_back
from skylift.engine.fold import Standing
from skylift.model.goal import Rollback
from skylift.model.problem import Problem, Transient
from skylift.planning.text import read_plan
from skylift.ports import Vantage

_MORE_TRIES = 4


def in_its_place(runs: Runs, folder: RunFolder) -> RunFolder:
    """The run by whose goal a run is judged: what took all of it back, if that is complete, else itself."""
    seen = standing(runs, folder)
    if seen.back is None or seen.back.standing is not Standing.COMPLETED:
        return folder
    return runs.find(seen.back.by) if seen.back.is_of_all(seen.plan, seen.run) else folder


def clean_up(site: Site, folder: RunFolder, remark: Callable[[str], None]) -> None:
    """Remove the witnesses of a run, of the run that it took back, and of other ways back of that one.

    Each is told to ``remark``; no effect on what is gone.

    Raises:
        Problem: an API did not remove something; what was told before is gone.
    """
    for each in _together(site.runs, folder):
        if label := witness_label(read_plan(each.plan.read_bytes())):
            # What of its probes could not be removed when they ended is swept up now.
            site.ports.vantage.stop_probes(str(each.id))
            seen = _seen(site.ports.vantage, label)
            _remove(site.ports.vantage, label)
            remark(f"run {each.id}: its witnesses {label} were removed{': ' if seen else ''}{seen}")


def _together(runs: Runs, folder: RunFolder) -> list[RunFolder]:
    goal = read_plan(folder.plan.read_bytes()).goal
    if not isinstance(goal, Rollback):
        return [folder]
    backs = [back for back, _, _ in ways_back(runs, goal.run)]
    with suppress(RunUnknown):  # it may be of another machine
        return [runs.find(goal.run), *backs]
    return backs


def _seen(vantage: Vantage, label: str) -> str:
    """Their names; empty if not all were ever made, if they are gone, or if nobody says."""
    with suppress(Problem):
        return ", ".join(witness.name for witness in vantage.witnesses(label))
    return ""


def _remove(vantage: Vantage, label: str) -> None:
    """Each try goes on after what the one before removed: a server takes its time to be gone."""
    for _ in range(_MORE_TRIES):
        with suppress(Transient):
            return vantage.destroy_witnesses(label)
    return vantage.destroy_witnesses(label)
