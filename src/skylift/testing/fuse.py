"""A fuse that blows at the n-th touch of disk or cloud: the death of the process, at a chosen place."""

from __future__ import annotations

from skylift.engine.journal import Event, Journal
from skylift.ports import Ports
from skylift.ports.watched import watched


class Killed(BaseException):
    """The process died here. No handler may catch it, so it is no ``Exception``."""


class Fuse:
    """Lets ``notches`` touches through and raises ``Killed`` before the next one."""

    def __init__(self, notches: int) -> None:
        self.left = notches
        self.touched: list[str] = []
        """Every touch let through, by name: where a death happened is just after the last."""

    def touch(self, what: str) -> None:
        """Count one touch.

        Raises:
            Killed: the fuse is burnt.
        """
        if self.left <= 0:
            raise Killed(f"before {what}, after {len(self.touched)} touches")
        self.left -= 1
        self.touched.append(what)


class FusedJournal:
    """A journal whose writes are touches."""

    def __init__(self, journal: Journal, fuse: Fuse) -> None:
        self._journal = journal
        self._fuse = fuse

    def append(self, event: Event, *, after: int) -> None:
        self._fuse.touch(f"journal {event.kind}")
        self._journal.append(event, after=after)

    def events(self, after: int = 0) -> tuple[Event, ...]:
        return self._journal.events(after)

    def close(self) -> None:
        self._journal.close()


def fused(ports: Ports, fuse: Fuse) -> Ports:
    """The same ports, with every call a touch."""
    return watched(ports, fuse.touch)
