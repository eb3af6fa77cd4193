"""A worker on the fake cloud: the product's own, but for how the cloud is reached and for shorter waits."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skylift.app.bench import Bench
from skylift.app.runs import Runs
from skylift.app.site import Site
from skylift.app.take_up import take_up
from skylift.app.worker import Served, Worker
from skylift.catalog.catalog import load
from skylift.cli.exits import exit_for
from skylift.cli.views import problem as problem_view
from skylift.drivers.postgres_store import PostgresStore
from skylift.drivers.procrastinate_queue import ProcrastinateQueue
from skylift.model.ids import Seconds
from skylift.model.problem import Problem
from skylift.model.record import Policy, Record
from skylift.ports.watched import watched
from skylift.testing.cloud_server import remote_clock, remote_ports
from skylift.testing.samples import sample_record

LASTS_S = 2.5
"""For how long a lease lasts here."""
LOOK_EVERY_S = 0.02


def record() -> Record:
    return sample_record(policy=Policy(baseline=Seconds(10)))


def site_of(runs: Runs, socket: Path, actor: str) -> Site:
    kept = record()
    store = runs.store
    assert store is not None
    ports = watched(remote_ports(socket), lambda _call: store.look())
    return Site(kept, load(), ports, runs, lambda: remote_clock(socket), actor)


def bench() -> Bench:
    never = threading.Event()

    def pause() -> None:
        never.wait(LOOK_EVERY_S)

    return Bench(pause, lambda: False, lambda _plan, _run: lambda _now, _left: None, told)


def told(line: str) -> None:
    sys.stderr.write(f"{os.getpid()}: {line}\n")
    sys.stderr.flush()


def ends(problem: Problem) -> None:
    could_not("this worker ends", problem)
    os._exit(exit_for(problem))


def could_not(what: str, problem: Problem) -> None:
    for line in (what, *problem_view.lines(problem)):
        told(line)


def main() -> None:
    socket, reference, cloud, home = sys.argv[1:]
    looked = PostgresStore(reference, cloud, ends=ends)

    @contextmanager
    def store() -> Iterator[PostgresStore]:
        yield looked

    @contextmanager
    def site() -> Iterator[Site]:
        kept = PostgresStore(reference, cloud, lasts_s=LASTS_S, ends=ends)
        yield site_of(Runs(Path(home), kept), Path(socket), f"worker-{os.getpid()}@test")
        kept.close()

    served = {cloud: Served(store, site)}
    Worker(
        served, ProcrastinateQueue(reference), lambda at, run: take_up(at, run, bench()), could_not
    ).serve()


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        ends(problem)
