"""Samples: one line per request that the probes made, and per work that an API accepted and did later.

The vantage agent writes them with the Python of the vantage host (3.9 or later), so this module uses
only what that Python has; hence a ``NamedTuple`` and no dataclass with slots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

TIME_LIMIT_S = 10.0
"""How long users wait for an answer that nothing on its way holds back; a good one that took longer is slow.

Where the balancers may let requests wait, the probes wait so much longer before they give one up.
"""

OK = "ok"
"""The expected status and the right content, in time."""
CONNECTION = "connection"
"""No connection, or one that was cut before the answer was whole."""
TIMEOUT = "timeout"
"""No whole answer while users would wait for one, counted from when the request was due."""
STATUS = "status"
"""Another status than the expected one: any 5xx, and as much a 404 or 409 out of place."""
CONTENT = "content"
"""The expected status with a wrong answer, such as an image with another checksum."""
DONE = "done"
"""No request: what an API had accepted came about, such as a server that became active."""
LOST = "lost"
"""No request: what an API had accepted did not come about, or not within the time limit."""
RESTARTED = "restarted"
"""A guest counts lower than it did before: it was stopped meanwhile, whatever its API says."""

FAILURES = (CONNECTION, TIMEOUT, STATUS, CONTENT, LOST, RESTARTED)

BOOT_ASKED, BOOT = "server-create", "server-boot"
"""The streams of the request for a server, and of the work that came of it."""
GUEST_PING, GUEST_COUNTER = "guest-ping", "guest-counter"
"""The streams of what guests are asked, past every API."""

_FIELDS = 7
_DETAIL_CHARS = 160


UNWATCHED_S = 5.0
"""No request due for so long, of any stream, means that nobody asked: such a time is no gap."""


class Sample(NamedTuple):
    """One request through the VIP, or work that was accepted through it, and what became of it."""

    scheduled: float
    """When it was due, or the work accepted: an epoch in seconds of the vantage host's clock."""
    latency_ms: float
    """From then to the whole answer, so that a late request counts as slow; or to the end of the work."""
    stream: str
    """What the user did, such as ``image-upload``."""
    api: str
    """The component that was asked, such as ``glance``."""
    outcome: str
    status: int
    """The HTTP status; 0 if there was none."""
    detail: str = ""
    """Why it failed; empty for a good answer."""

    @property
    def good(self) -> bool:
        """Whether the user got what she asked for."""
        return self.outcome in {OK, DONE}

    @property
    def slow(self) -> bool:
        """Whether a request was answered well, but only after ``TIME_LIMIT_S``."""
        return self.outcome == OK and self.latency_ms > TIME_LIMIT_S * 1000

    @property
    def work(self) -> bool:
        """Whether it is no request, but what became of one that was accepted."""
        return self.outcome in {DONE, LOST}

    @property
    def of_guest(self) -> bool:
        """Whether a guest was asked, and no API."""
        return self.stream in {GUEST_PING, GUEST_COUNTER}

    @property
    def ended(self) -> float:
        """When the answer was there, or the request was given up."""
        return self.scheduled + self.latency_ms / 1000

    def line(self) -> str:
        """The sample as one line of tab-separated fields, with its newline."""
        detail = " ".join(self.detail.split())[:_DETAIL_CHARS]
        return (
            f"{self.scheduled:.3f}\t{self.latency_ms:.1f}\t{self.stream}\t{self.api}"
            f"\t{self.outcome}\t{self.status}\t{detail}\n"
        )


def read_samples(lines: Iterable[str]) -> Iterator[Sample]:
    """The samples that ``lines`` hold, in their order.

    A line that was not written whole, as a power cut leaves it, is passed over.
    """
    for line in lines:
        fields = line.rstrip("\n").split("\t")
        if len(fields) != _FIELDS or not line.endswith("\n"):
            continue
        scheduled, latency, stream, api, outcome, status, detail = fields
        try:
            yield Sample(float(scheduled), float(latency), stream, api, outcome, int(status), detail)
        except ValueError:
            continue
