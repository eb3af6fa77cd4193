"""What jobs of earlier runs mean to one that is to begin: one that still runs must end first, old ones go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from skylift.app.runs import RunFolder
from skylift.app.site import Site
from skylift.app.wiring import open_journal
from skylift.engine.fold import Run, fold
from skylift.engine.verbs import what_runs
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Problem, Refused, Remedy
from skylift.planning.text import PlanFormat, read_plan

KEPT_S = 30 * 24 * 3600
"""For so long after its run ended a job's output can be read on its host: nobody knows sooner that it
was not needed, and a run a month leaves one run's jobs."""
_AT_ONCE = 8
"""Hosts asked at once, as many as when a cloud is looked at."""


class JobGoesOn(Refused):
    """A command of a run that nobody answers for any more still runs on a host."""

    code = "job.goes-on"

    def __init__(self, host: HostName, key: str) -> None:
        super().__init__(
            f"nothing new can begin on {host}: the command of {key}, of an earlier run, still runs there, "
            "and would be met by the same one again",
            what_runs(host),
            Remedy(Fix.RETRY, "wait until it has ended, and say it again"),
            Remedy(
                Fix.ACCEPT,
                f"or end it, and answer for what it leaves half done: skylift ssh {host} systemctl stop UNIT",
            ),
        )


@dataclass(frozen=True)
class OldJobs:
    """The jobs that hosts knew of before a run began: by host, each key with whether it runs."""

    site: Site
    known: Mapping[HostName, Mapping[str, bool]]
    _runs: dict[str, Run | None] = field(default_factory=dict)
    """What was read of runs: none if its journal tells nothing."""

    def require_ended(self) -> None:
        """See that no command goes on that a closed run has left, or a run that is not known here.

        Runs that are open have somebody who answers for them; and what fetches artifacts is in nobody's way.

        Raises:
            JobGoesOn: one does.
        """
        for host, jobs in self.known.items():
            for key in (key for key, runs in jobs.items() if runs):
                if not any(self._answered_for(folder) for folder in self._of(key)):
                    raise JobGoesOn(host, key)

    def forget(self) -> None:
        """Remove the jobs of every run that was closed more than ``KEPT_S`` ago.

        A closed run takes no step any more, whatever is said to it, so none of its jobs is asked for. Jobs of
        runs that are open, damaged or not known here stay. What fails is left to the next run: nothing waits
        for it.
        """
        for host, jobs in self.known.items():
            if gone := [key for key, runs in jobs.items() if not runs and self._is_over(key)]:
                _forget(self.site, host, gone)

    def _is_over(self, key: str) -> bool:
        # A run's name may have a dot in it, so a key may seem to be of two: then it must be of neither.
        of = self._of(key)
        return bool(of) and all(self._ended_long_ago(folder) for folder in of)

    def _of(self, key: str) -> list[RunFolder]:
        return [folder for folder in self.site.runs.known() if key.startswith(f"{folder.id}.")]

    def _answered_for(self, folder: RunFolder) -> bool:
        run = self._run(folder)
        return (run is not None and run.closed is None) or _only_stages(folder)

    def _ended_long_ago(self, folder: RunFolder) -> bool:
        run = self._run(folder)
        return run is not None and run.closed is not None and self.site.clock() - run.last_ms / 1000 > KEPT_S

    def _run(self, folder: RunFolder) -> Run | None:
        if folder.id not in self._runs:
            self._runs[folder.id] = _read(folder)
        return self._runs[folder.id]


def jobs_on(site: Site, hosts: Iterable[HostName]) -> OldJobs:
    """What these hosts know of jobs; one that gives no answer holds nothing up."""
    asked = tuple(hosts)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return OldJobs(site, dict(zip(asked, pool.map(lambda host: _known(site, host), asked), strict=True)))


def _known(site: Site, host: HostName) -> Mapping[str, bool]:
    try:
        return site.ports.jobs.known(host)
    except Problem:
        return {}


def _forget(site: Site, host: HostName, keys: Iterable[str]) -> None:
    try:
        site.ports.jobs.forget(host, keys)
    except Problem:
        return


def _only_stages(folder: RunFolder) -> bool:
    if folder.of_fleet:
        return False
    try:
        return read_plan(folder.plan.read_bytes()).stages_only
    except (PlanFormat, OSError):
        return False


def _read(folder: RunFolder) -> Run | None:
    try:
        with open_journal(folder) as journal:
            events = journal.events()
    except Problem:
        return None
    return fold(events) if events else None
