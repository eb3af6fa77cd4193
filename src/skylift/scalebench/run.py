"""``python -m skylift.scalebench.run``: run the bench, print its tables, write them into a page."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from skylift.drainbench.page import told_of
from skylift.drivers.postgres_store import PostgresStore
from skylift.drivers.sqlite_journal import SqliteJournal
from skylift.engine.problems import Holder
from skylift.gate.lab.host import LabProblem
from skylift.model.ids import RunId
from skylift.scalebench.crews import measured_spread, measured_take_overs
from skylift.scalebench.goals import HOSTS, Results, judged
from skylift.scalebench.long_run import Resumed, fill_file, fill_store, resumed
from skylift.scalebench.page import page
from skylift.scalebench.share import Share, measured_share
from skylift.sshbench.farm import farm
from skylift.testing.crew.postgres_server import Server, postgres_server

_WORKERS = (1, 2, 4)
_DONE_PERCENT = (0, 50, 90)
_SQLITE, _POSTGRESQL = "SQLite", "PostgreSQL"


def main(argv: Sequence[str]) -> int:
    """Returns 1 if a goal was missed, 2 if nothing could be measured."""
    words = argparse.ArgumentParser(prog="bench-scale", description=__doc__)
    words.add_argument("--page", type=Path, help="the page to write the tables into")
    words.add_argument("--hosts", type=int, default=HOSTS, help="of the long run")
    words.add_argument("--kills", type=int, default=3, help="of drivers in the middle of a step")
    words.add_argument("--share-hosts", type=int, default=20, help="on which a run is driven over SSH")
    words.add_argument("--share-steps", type=int, default=10, help="of that run, on each of its hosts")
    asked = words.parse_args(argv)
    try:
        results = measured(asked)
    except LabProblem as problem:
        print(problem, *problem.remedies, sep="\n", file=sys.stderr)  # noqa: T201 - a command's complaint
        return 2
    return told_of("bench-scale", page(results), asked.page, list(judged(results)))


def measured(asked: argparse.Namespace) -> Results:
    """Everything, with a PostgreSQL and an sshd of our own.

    Raises:
        LabProblem: sshd does not start.
    """
    load = os.getloadavg()[0]
    with postgres_server() as server, tempfile.TemporaryDirectory() as folder:
        os.environ["PGPASSFILE"] = str(server.passfile)
        shares = list(_shares(server, Path(folder), asked.share_hosts, asked.share_steps))
        long = list(_resumed(server, Path(folder), asked.hosts))
        spread = [measured_spread(server, workers) for workers in _WORKERS]
        taken_over = measured_take_overs(server, asked.kills)
    return Results(os.cpu_count() or 1, load, asked.hosts, spread, taken_over, shares, long)


def _shares(server: Server, folder: Path, hosts: int, steps: int) -> Iterator[Share]:
    """In this process, which does nothing else meanwhile."""
    run = RunId("share")
    store = PostgresStore(server.reference, "share")
    with farm(hosts) as there:
        journal = SqliteJournal(folder / "share")
        yield measured_share(_SQLITE, journal, there, hosts=hosts, steps=steps)
        journal.close()
        store.make()
        with store.lease.hold(Holder(os.getpid(), "bench", "bench", 0, run)):
            kept = store.journal(run, None)
            yield measured_share(_POSTGRESQL, kept, there, hosts=hosts, steps=steps)
        store.close()


def _resumed(server: Server, folder: Path, hosts: int) -> Iterator[Resumed]:
    """Each in a process of its own, as whoever resumes a run is."""
    for percent in _DONE_PERCENT:
        path = folder / f"long-{percent}"
        fill_file(path, hosts, percent)
        yield _apart(_SQLITE, str(path), hosts, percent)
        path.unlink()
    fill_store(server.reference, server.programs / "psql", hosts, _DONE_PERCENT[-1])
    yield _apart(_POSTGRESQL, server.reference, hosts, _DONE_PERCENT[-1])


def _apart(kept_in: str, where: str, hosts: int, percent: int) -> Resumed:
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        found = pool.submit(resumed, kept_in, where, hosts, percent).result()
    said = f"{kept_in}, {percent} % done: went on after {found.wall_s:.1f} s, {found.cpu_s:.1f} s of CPU"
    print(said, file=sys.stderr, flush=True)  # noqa: T201 - progress
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
