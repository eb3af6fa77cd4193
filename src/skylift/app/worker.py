"""A worker: it drives the runs that nobody drives, of every cloud whose record it has.

What is to be driven is told by the journals alone: a run whose journal has grown since somebody last saw it
at rest, while nobody holds its cloud. So a dead process is taken over, and an operator's word obeyed, by
one look that is repeated. The queue between the looks and the workers holds hints: one that is lost, told
twice or told late does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from skylift.app.runs import RunStore
from skylift.app.site import Site
from skylift.engine.problems import RunHeld
from skylift.model.ids import RunId
from skylift.model.problem import Problem, Transient

SOON_S = 5
"""A run that could not be driven for now is tried again after so long, or once somebody says a word to it."""
AGAIN_S = 60
"""Likewise, if the cause needs somebody."""

Drive = Callable[[str, RunId], None]
"""Given a cloud and a run of it, drives that to rest."""


class RunQueue(Protocol):
    """What spreads the driving of runs over the workers that serve a store."""

    def wake(self, cloud: str, run: RunId) -> None:
        """Let a worker of ``cloud`` drive ``run``; said twice, it is said once."""
        ...

    def serve(self, clouds: tuple[str, ...], look: Callable[[str], None], drive: Drive) -> None:
        """Drive what is waked, and ``look`` at each cloud every few seconds, until the store is gone.

        Raises:
            StoreUnreachable: it is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """One cloud that a worker serves."""

    store: Callable[[], AbstractContextManager[RunStore]]
    """Its runs."""
    site: Callable[[], AbstractContextManager[Site]]
    """The cloud, within reach."""
    tried: Lock = field(default_factory=Lock, compare=False)
    """Held while this process tries one of its runs: more than one at a time nobody can drive."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Serves clouds, by name, until it is ended; any number of them may serve the same ones."""

    clouds: Mapping[str, Served]
    queue: RunQueue
    take_up: Callable[[Site, RunId], int]
    """Drives one run to rest, if it is not; says in how many seconds to look again, 0 if nobody need."""
    told: Callable[[str, Problem], None]
    """Told of which run could not be driven, and why."""

    def serve(self) -> None:
        """Serve until the store is gone.

        Raises:
            StoreUnreachable: it is gone.
        """
        self.queue.serve(tuple(self.clouds), self.look, self.drive)

    def look(self, cloud: str) -> None:
        """Wake whoever drives each run of ``cloud`` that is to be driven, and that nobody drives."""
        with self.clouds[cloud].store() as store:
            waiting = store.shelf.due()
            if waiting and store.lease.holder() is None:
                for run in waiting:
                    self.queue.wake(cloud, run)

    def drive(self, cloud: str, run: RunId) -> None:
        """Drive ``run`` to rest; whatever keeps that from being done is told, and it is tried again later.

        A hint may be older than the last try: one look finds a run due while it is being tried, and what is
        heard of it meanwhile, or only afterwards, asks for nothing. If there is more to do, a look finds it.
        """
        tried = self.clouds[cloud].tried
        if not tried.acquire(blocking=False):
            return
        try:
            with self.clouds[cloud].store() as store:
                due = run in store.shelf.due()
            if due:
                self._try(cloud, run)
        finally:
            tried.release()

    def _try(self, cloud: str, run: RunId) -> None:
        again: int | None = AGAIN_S
        try:
            with self.clouds[cloud].site() as site:
                again = self.take_up(site, run) or None
        except RunHeld:
            again = None  # it is driven, or will be looked at again
        except Problem as problem:
            again = SOON_S if isinstance(problem, Transient) else AGAIN_S
            self.told(f"{run} of {cloud}", problem)
        finally:
            # After a bug, too, which is not caught here: it must not come again at every look.
            if again is not None:
                with self.clouds[cloud].store() as store:
                    store.shelf.put_off(run, again)
