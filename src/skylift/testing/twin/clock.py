"""Simulated time: what is to happen, in order, and a sum over what did."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple


class Happened(NamedTuple):
    """What happened, in milliseconds from the start."""

    moment: int
    what: str
    of: object


class Clock:
    """Milliseconds from the start. What happens at once happens in the order in which it was arranged."""

    def __init__(self, *, tells: bool = False) -> None:
        """``tells`` keeps what happens, to be told afterwards."""
        self.moment = 0
        self.events = 0
        self.counts: Counter[str] = Counter()
        """How often each kind of thing happened."""
        self.story: list[Happened] = []
        self._tells = tells
        self._sum = hashlib.sha256()
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._arranged = 0

    @property
    def digest(self) -> str:
        """The same for two runs only if the same happened in both, in the same order."""
        return self._sum.hexdigest()

    def later(self, ms: int, happens: Callable[[], None]) -> None:
        """Arrange for something to happen after so long."""
        self._arranged += 1
        heapq.heappush(self._queue, (self.moment + ms, self._arranged, happens))

    def advance(self, until: int) -> None:
        """Let all happen that happens until then."""
        while self._queue and self._queue[0][0] <= until:
            self.moment, _, happens = heapq.heappop(self._queue)
            happens()
        self.moment = until

    def note(self, what: str, of: object) -> None:
        """Something happens now."""
        self.events += 1
        self.counts[what] += 1
        if self._tells:
            self.story.append(Happened(self.moment, what, of))
        self._sum.update(f"{self.moment} {what} {of}\n".encode())
