"""A worker on the fake cloud: the product's own, but for how the cloud is reached and for shorter waits."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from skylift.app.bench import Bench
from skylift.app.runs import Runs, RunStore
from skylift.app.site import Site
from skylift.app.take_up import looks_in_again, take_up
from skylift.app.worker import Served, Worker
from skylift.catalog.catalog import load
from skylift.cli.exits import exit_for
from skylift.cli.views import plan as plan_view
from skylift.cli.views import problem as problem_view
from skylift.cli.worker import InHand
from skylift.drivers.postgres_store import PostgresStore
from skylift.drivers.procrastinate_queue import ProcrastinateQueue
from skylift.model.ids import RunId, Seconds
from skylift.model.problem import Problem
from skylift.model.record import Policy, Record, Timeouts
from skylift.ports.watched import watched
from skylift.testing.crew.cloud_server import Line, remote_clock, remote_ports, remote_record
from skylift.testing.samples import sample_record

LOOK_EVERY_S = 0.02
PATIENT_S = Seconds(4 * 3600)
"""Of the cloud's time, which is minutes here: a worker that waits for its turn is not a step that fails."""


def record() -> Record:
    """Of a cloud, if nothing else is said."""
    patient = Timeouts(*(PATIENT_S for _ in fields(Timeouts)))
    return sample_record(policy=Policy(baseline=Seconds(10), timeouts=patient))


def site_of(home: Path, store: RunStore, socket: Path, actor: str) -> Site:
    """The cloud that is served at ``socket``, its runs in ``store``."""
    line = Line(socket)
    ports = watched(remote_ports(line), lambda _call: store.lease.look())
    return Site(remote_record(line), load(), ports, Runs(home, store), lambda: remote_clock(line), actor)


def bench() -> Bench:
    """One that shows nothing and is never asked to stop."""
    never = threading.Event()

    def pause() -> None:
        never.wait(LOOK_EVERY_S)

    return Bench(pause, lambda: False, lambda _plan, _run: lambda _now, _left: None, told)


def told(line: str) -> None:
    """Say it with the process that says it."""
    sys.stderr.write(f"{os.getpid()}: {line}\n")
    sys.stderr.flush()


def ends(problem: Problem) -> None:
    """As the product's worker does."""
    could_not("this worker ends", problem)
    os._exit(exit_for(problem))


def could_not(what: str, problem: Problem) -> None:
    """Tell a problem."""
    for line in (what, *problem_view.lines(problem)):
        told(line)


def served(
    reference: str, home: Path, cloud: str, socket: Path, *, lasts_s: float, in_hand: InHand
) -> Served:
    """One cloud, as a worker is given it."""
    looked, alone = PostgresStore(reference, cloud, ends=ends), threading.Lock()

    @contextmanager
    def store() -> Iterator[RunStore]:
        with alone:
            yield looked

    @contextmanager
    def site() -> Iterator[Site]:
        kept = PostgresStore(reference, cloud, lasts_s=lasts_s, ends=ends)
        with in_hand.driven(kept):
            yield site_of(home / cloud, kept, socket, f"worker-{os.getpid()}@test")

    return Served(store, site)


def take(site: Site, run: RunId) -> int:
    """As ``skylift worker`` does."""
    take_up(site, run, bench(), show=plan_view.shown_by(told))
    return looks_in_again(site, run)


def main() -> None:
    """Serve: REFERENCE HOME LEASE-SECONDS CLOUD=SOCKET …."""
    reference, home, lasts_s, *named = sys.argv[1:]
    Path(home).mkdir(exist_ok=True)
    at = {cloud: Path(socket) for cloud, _, socket in (word.partition("=") for word in named)}
    in_hand = InHand()
    clouds = {
        c: served(reference, Path(home), c, socket, lasts_s=float(lasts_s), in_hand=in_hand)
        for c, socket in at.items()
    }
    with in_hand.left_in_order():
        Worker(
            clouds,
            ProcrastinateQueue(reference),
            take,
            could_not,
        ).serve()


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        ends(problem)
