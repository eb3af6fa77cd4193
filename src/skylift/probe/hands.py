"""The hands that do what is due: threads that are there when they are needed, up to a limit."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from skylift.probe.schedule import Firing


class Hands:
    """Who does the firings of some streams, each firing in a thread, and at most ``most`` at once."""

    def __init__(self, most: int, work: Callable[[Firing], None], *, queues: bool = True) -> None:
        """A firing that finds no hand free waits for one, or is left out if ``queues`` is false."""
        self._most = most
        self._work = work
        self._queues = queues
        self._lock = threading.Lock()
        self._given = 0
        """Firings that wait or are at work."""
        self._firings: queue.SimpleQueue[Firing | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def give(self, firing: Firing) -> None:
        """Do ``firing`` as soon as a hand is free."""
        with self._lock:
            if self._given >= self._most and not self._queues:
                return
            self._given += 1
            if len(self._threads) < min(self._given, self._most):
                thread = threading.Thread(target=self._go_on, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._firings.put(firing)

    def let_go(self) -> None:
        """Take nothing more after what was given."""
        for _ in self._threads:
            self._firings.put(None)

    def wait_until(self, end: float) -> None:
        """Wait until all is done, but no longer than to ``end``, a time of the monotonic clock."""
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))

    def _go_on(self) -> None:
        while (firing := self._firings.get()) is not None:
            self._work(firing)
            with self._lock:
                self._given -= 1
