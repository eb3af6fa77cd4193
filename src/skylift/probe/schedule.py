"""When each stream fires: fixed in advance, whatever became of earlier requests (an open loop)."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import NamedTuple


class Firing(NamedTuple):
    """A stream is due."""

    at: float
    stream: str


class Schedule:
    """The firings of all streams, in their order.

    Stream ``s`` fires at ``start + phase(s) + k / rate(s)`` for k = 0, 1, …; the phases spread the
    streams over their own intervals so that they do not fire in step. Times are computed from k, never
    by adding, so they do not drift. A stream with rate 0 never fires.
    """

    __slots__ = ("_fired", "_first", "_heap", "_rates")

    def __init__(self, rates: Mapping[str, float], start: float) -> None:
        self._rates = {stream: rate for stream, rate in rates.items() if rate > 0}
        self._first = {
            stream: start + place / (len(self._rates) * rate)
            for place, (stream, rate) in enumerate(sorted(self._rates.items()))
        }
        self._fired = dict.fromkeys(self._rates, 0)
        self._heap = [Firing(at, stream) for stream, at in self._first.items()]
        heapq.heapify(self._heap)

    def next_at(self) -> float:
        """When the next firing is due; infinity if none ever is."""
        return self._heap[0].at if self._heap else float("inf")

    def due(self, now: float) -> list[Firing]:
        """The firings up to ``now`` that were not given out before, each with the time it was due.

        After a pause of this program, all that it missed is given out at once: a user would have asked.
        """
        given: list[Firing] = []
        while self._heap and self._heap[0].at <= now:
            firing = self._heap[0]
            given.append(firing)
            self._fired[firing.stream] += 1
            at = self._first[firing.stream] + self._fired[firing.stream] / self._rates[firing.stream]
            heapq.heapreplace(self._heap, Firing(at, firing.stream))
        return given
