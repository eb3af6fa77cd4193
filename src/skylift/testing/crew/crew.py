"""Workers on a fake cloud, and whoever starts them again: as a supervisor does, whatever their exit code."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from skylift.app.approvals import Approval
from skylift.app.conduct import apply
from skylift.app.propose import propose
from skylift.app.site import Site
from skylift.drivers.chain_journal import ChainJournal
from skylift.drivers.postgres_store import PostgresStore
from skylift.engine.fold import Run, fold
from skylift.engine.journal import Event
from skylift.engine.problems import Holder
from skylift.engine.store_problems import StoreUnreachable
from skylift.model.goal import Upgrade
from skylift.model.ids import RunId
from skylift.model.release import Release
from skylift.testing.crew.cloud_server import served
from skylift.testing.crew.worker import bench, record, site_of
from skylift.testing.fake_cloud import FakeCloud

GOAL = Upgrade(Release(2024, 1))
RUN = RunId("20260101-000000-run-0001")
SPEED = 60
"""Seconds of the cloud in one of ours."""
LASTS_S = 2.5
"""For how long a lease lasts, if nothing else is said."""
LIMIT_S = 240
_LOOK_EVERY_S = 0.05


def new_cloud() -> FakeCloud:
    """One at 2023.1, with 2024.1 staged on it."""
    cloud = FakeCloud(record())
    cloud.stage(GOAL.to)
    return cloud


@dataclass
class Crew:
    """So many workers of one cloud, an operator's desk, and the cloud itself."""

    cloud: FakeCloud
    alone: threading.Lock
    store: PostgresStore
    site: Site
    start: Callable[[int], subprocess.Popen[bytes]]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    """How workers ended that were started again."""
    _journal: ChainJournal | None = None

    def begin(self, workers: int) -> None:
        """Open a run of an upgrade, and leave it to ``workers``."""
        text = propose(self.site, GOAL).text
        apply(self.site, RUN, text, bench(), approval=Approval.ALL, detached=True)
        self.workers = [self.start(number) for number in range(workers)]

    def supervise(self) -> None:
        """Start again whoever has ended."""
        for number, worker in enumerate(self.workers):
            code = worker.poll()
            if code is not None:
                self.ended.append(code)
                self.workers[number] = self.start(number)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something, within a limit, and supervise meanwhile."""
        never, late = threading.Event(), time.monotonic() + LIMIT_S
        while time.monotonic() < late:
            if holds():
                return
            self.supervise()
            never.wait(_LOOK_EVERY_S)
        msg = f"{what} did not happen within {LIMIT_S} s: {len(self.events())} events"
        raise AssertionError(msg)

    def events(self) -> tuple[Event, ...]:
        """The run's, by now."""
        if self._journal is None:
            self._journal = self.store.journal(RUN, None)
        return self._journal.events()

    def run(self) -> Run:
        """How it stands."""
        return fold(self.events())

    def holder(self) -> Holder | None:
        """None also while the store is away."""
        try:
            return self.store.lease.holder()
        except StoreUnreachable:
            return None

    def driver(self) -> subprocess.Popen[bytes]:
        """Whoever drives the run, as soon as anybody does."""
        self.until(lambda: self.holder() is not None, "a drive")
        holder = self.holder()
        found = [w for w in self.workers if holder is not None and w.pid == holder.pid]
        return found[0] if found else self.driver()

    def taken_over_from(self, dead: subprocess.Popen[bytes]) -> bool:
        """Whether another drives it."""
        holder = self.holder()
        return holder is not None and holder.pid != dead.pid

    def reaches(self, events: int) -> None:
        """Wait until the run is so far."""
        self.until(lambda: len(self.events()) >= events, f"event {events}")

    def completes(self) -> None:
        """Wait until the run has ended."""
        self.until(lambda: self.run().closed is not None, "the end of the run")


@contextmanager
def crew_at(folder: Path, reference: str, name: str, *, lasts_s: float = LASTS_S) -> Iterator[Crew]:
    """A crew without workers yet; those that live at the end are killed, one by one."""
    cloud, socket = new_cloud(), folder / "cloud"
    # The desk holds the cloud while it looks, which takes long on a busy machine.
    store = PostgresStore(reference, name)
    store.make()
    with served(cloud, socket, speed=SPEED) as alone, (folder / "said").open("wb") as said:

        def start(number: int) -> subprocess.Popen[bytes]:
            return started(folder / f"machine{number}", reference, {name: socket}, said, lasts_s=lasts_s)

        site = site_of(folder / "desk", store, socket, "rey@console")
        crew = Crew(cloud, alone, store, site, start)
        try:
            yield crew
        finally:
            for worker in crew.workers:
                worker.kill()
                worker.wait()
            store.close()


def started(
    home: Path, reference: str, clouds: Mapping[str, Path], said: IO[bytes], *, lasts_s: float
) -> subprocess.Popen[bytes]:
    """A worker process that serves ``clouds``, each at its socket."""
    argv = [sys.executable, "-m", "skylift.testing.crew.worker", reference, str(home), str(lasts_s)]
    return subprocess.Popen([*argv, *(f"{c}={socket}" for c, socket in clouds.items())], stderr=said)
