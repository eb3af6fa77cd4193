"""What jobs of runs that ended long ago left on hosts is removed as a later run begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from skylift.app.runs import RunFolder
from skylift.app.site import Site
from skylift.app.wiring import open_journal
from skylift.engine.fold import fold
from skylift.model.ids import HostName
from skylift.model.problem import Problem

KEPT_S = 30 * 24 * 3600
"""For so long after its run ended a job's output can be read on its host: nobody knows sooner that it
was not needed, and a run a month leaves one run's jobs."""
_AT_ONCE = 8
"""Hosts asked at once, as many as when a cloud is looked at."""


def forget_old_jobs(site: Site, hosts: Iterable[HostName]) -> None:
    """Remove the jobs of every run that was closed more than ``KEPT_S`` ago from these hosts.

    A closed run takes no step any more, whatever is said to it, so none of its jobs is asked for. Jobs of
    runs that are open, damaged or not known here stay. What fails is left to the next run: nothing waits
    for it.
    """
    kept = {host: keys for host, keys in _on_each(site, tuple(hosts)) if keys}
    if not kept:
        return
    known = {str(folder.id): folder for folder in site.runs.known()}
    over: dict[str, bool] = {}

    def is_over(key: str) -> bool:
        # A run's name may have a dot in it, so a key may seem to be of two: then it must be of neither.
        of = [run for run in known if key.startswith(f"{run}.")]
        for run in of:
            if run not in over:
                over[run] = _ended_long_ago(site, known[run])
        return bool(of) and all(over[run] for run in of)

    for host, keys in kept.items():
        if gone := [key for key in keys if is_over(key)]:
            _forget(site, host, gone)


def _on_each(site: Site, hosts: tuple[HostName, ...]) -> Iterator[tuple[HostName, tuple[str, ...]]]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from zip(hosts, pool.map(lambda host: _kept(site, host), hosts), strict=True)


def _kept(site: Site, host: HostName) -> tuple[str, ...]:
    try:
        return site.ports.jobs.kept(host)
    except Problem:
        return ()


def _forget(site: Site, host: HostName, keys: Iterable[str]) -> None:
    try:
        site.ports.jobs.forget(host, keys)
    except Problem:
        return


def _ended_long_ago(site: Site, folder: RunFolder) -> bool:
    try:
        with open_journal(folder) as journal:
            run = fold(journal.events())
    except Problem:
        return False
    return run.closed is not None and site.clock() - run.last_ms / 1000 > KEPT_S
