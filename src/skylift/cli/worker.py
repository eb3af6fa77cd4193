"""``skylift worker``: a process that drives the runs of a store, beside others that do."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import click

from skylift.app.bench import Bench
from skylift.app.bugs import told_as_problem
from skylift.app.record_file import load_record
from skylift.app.runs import Runs, RunStore
from skylift.app.site import Site
from skylift.app.take_up import looks_in_again, take_up
from skylift.app.wiring import open_site, queue_at, store_at
from skylift.app.worker import Served, Worker
from skylift.cli.desk import Desk, pass_desk, remark
from skylift.cli.exits import Exit, exit_for
from skylift.cli.views import plan as plan_view
from skylift.cli.views import problem as problem_view
from skylift.cli.views import run as run_view
from skylift.drivers.clock import LOOK_EVERY_S
from skylift.engine.drive import View
from skylift.engine.fold import Run
from skylift.model.ids import RunId, StepId
from skylift.model.problem import Problem
from skylift.planning.plan import Plan


@click.command("worker")
@click.argument("records", nargs=-1, type=click.Path(dir_okay=False, exists=True, path_type=Path))
@pass_desk
def worker(desk: Desk, records: tuple[Path, ...]) -> Exit:
    """Drive the runs of these RECORDS (or of --cloud) that nobody drives, until this process is ended.

    Any number of workers, on any machines, share the runs of a store; what a dead one drove is taken over.
    It ends itself when it has lost the store (1) or its work to another (75): let a supervisor start it
    again, whatever its exit code. SIGTERM ends it at once, and hands over what it drove.
    """
    paths = records or (desk.record,)
    named = {path: load_record(path) for path in paths}
    stores = {desk.store or record.store for record in named.values()}
    if len(stores) != 1 or "" in stores:
        raise click.UsageError("name one store, with --store or as 'store' in each record")
    if len({record.name for record in named.values()}) != len(named):
        raise click.UsageError("two of these records are of the same cloud: name each cloud once")
    (reference,) = stores
    queue, in_hand = queue_at(reference), InHand()
    clouds = {record.name: _served(reference, path, record.name, in_hand) for path, record in named.items()}
    for served in clouds.values():
        with served.store():
            pass  # a store that is not ours, or that we may not make, is told before anything is served
    with in_hand.left_in_order():
        remark(f"serves {', '.join(sorted(clouds))}")
        Worker(clouds, queue, _take_up, _tell).serve()
    return Exit.OK


def _take_up(site: Site, run: RunId) -> int:
    bench = _bench(site)
    with told_as_problem(site.runs.home):
        take_up(site, run, bench, show=plan_view.shown_by(bench.remark))
    return looks_in_again(site, run)


def _served(reference: str, record: Path, cloud: str, in_hand: InHand) -> Served:
    """How the cloud of ``record`` is reached, and its runs."""
    looked, alone = store_at(reference, cloud, _end), threading.Lock()

    @contextmanager
    def store() -> Iterator[RunStore]:
        # One connection for all looks, one look at a time: a new one each time would cost more than it.
        with alone:
            looked.make()
            yield looked

    @contextmanager
    def site() -> Iterator[Site]:
        kept = store_at(reference, cloud, _end)
        with in_hand.driven(kept), open_site(record, Runs(Runs.beside(record).home, kept)) as found:
            yield found

    return Served(store, site)


class InHand:
    """What a worker has in hand, so that it can be handed over when it is told to end."""

    def __init__(self) -> None:
        self._stores: set[RunStore] = set()

    @contextmanager
    def driven(self, store: RunStore) -> Iterator[None]:
        """Hand over what is held in ``store`` as long as the block runs; it is closed at its end."""
        self._stores.add(store)
        try:
            yield
        finally:
            self._stores.discard(store)
            store.close()

    @contextmanager
    def left_in_order(self) -> Iterator[None]:
        """SIGTERM and SIGINT hand over what is driven, and end the process; only from the main thread."""

        def leave(_number: int, _frame: FrameType | None) -> None:
            # What is under way on hosts goes on, and the probes go on measuring: as after a kill.
            for store in tuple(self._stores):
                with suppress(Problem):
                    store.lease.leave()
            os._exit(Exit.OK)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
        yield


def _end(problem: Problem) -> None:
    """Nothing may be done any more, not even in order: another drives what this process drove."""
    _tell("this worker ends", problem)
    os._exit(exit_for(problem))


def _tell(what: str, problem: Problem) -> None:
    for line in (f"{what}:", *problem_view.lines(problem)):
        remark(line)


def _bench(site: Site) -> Bench:
    """Lines on standard error; a worker is never asked to stop, for what it drives is taken over."""
    cloud, never = site.record.name, threading.Event()

    def view(plan: Plan, begun: Run) -> View:
        shown = begun

        def show(now: Run, _left: Mapping[StepId, str]) -> None:
            nonlocal shown
            for line in run_view.changes(plan, shown, now):
                remark(f"{cloud} {begun.id}: {line}")
            shown = now

        return show

    def pause() -> None:
        never.wait(LOOK_EVERY_S)

    return Bench(pause, lambda: False, view, lambda line: remark(f"{cloud}: {line}"))
