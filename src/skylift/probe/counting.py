"""The running count that a run of the engine looks at, cheap enough to be written every second."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from skylift.model.sample import UNWATCHED_S, Sample


class Count:
    """Requests, what failed or was lost, and the longest gap per API since a label's probes first started."""

    __slots__ = ("_gap", "_good_at", "failed", "failed_guests", "last_at", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self.failed_guests = 0
        self.last_at: float | None = None
        self._good_at: dict[str, float] = {}
        self._gap: dict[str, float] = {}

    def add(self, sample: Sample) -> None:
        """Count one more request; of work that was accepted, only that it was lost."""
        ended = sample.ended
        self.failed += not sample.good
        self.failed_guests += sample.of_guest and not sample.good
        self.last_at = max(self.last_at or 0.0, ended)
        if sample.work:
            return
        self.requests += 1
        since = self._good_at.setdefault(sample.api, sample.scheduled)
        self._gap.setdefault(sample.api, 0.0)
        if sample.good:
            self._gap[sample.api] = max(self._gap[sample.api], ended - since)
            self._good_at[sample.api] = max(since, ended)

    def take_over(self, samples: Iterable[Sample]) -> None:
        """Count what earlier runs under the same label recorded; a pause between two runs is no gap."""
        for sample in samples:
            if self.last_at is not None and sample.scheduled - self.last_at > UNWATCHED_S:
                self._good_at.clear()
            self.add(sample)
        self._good_at.clear()

    def document(self, now: float) -> dict[str, Any]:
        """The count as of ``now``; a gap that is still open counts as far as it has come."""
        return {
            "requests": self.requests,
            "failed": self.failed,
            "failed_guests": self.failed_guests,
            "longest_gap_s": {
                api: round(max(gap, now - self._good_at[api] if api in self._good_at else 0.0), 3)
                for api, gap in sorted(self._gap.items())
            },
            "last_sample_at": None if self.last_at is None else round(self.last_at, 3),
        }
