"""A fuse that blows at the n-th touch of disk or cloud: the death of the process, at a chosen place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skylift.engine.journal import Event, Journal
from skylift.ports import Ports


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

    def events(self) -> tuple[Event, ...]:
        return self._journal.events()

    def close(self) -> None:
        self._journal.close()


class _Fused:
    """A port whose calls are touches; binding a key is none."""

    def __init__(self, port: object, name: str, fuse: Fuse) -> None:
        self._port = port
        self._name = name
        self._fuse = fuse

    def __getattr__(self, called: str) -> Callable[..., Any]:
        call = getattr(self._port, called)

        def touched(*args: Any, **kwargs: Any) -> Any:
            if called == "under":
                return _Fused(call(*args), self._name, self._fuse)
            self._fuse.touch(f"{self._name}.{called}")
            return call(*args, **kwargs)

        return touched


def fused(ports: Ports, fuse: Fuse) -> Ports:
    """The same ports, with every call a touch."""
    ends: dict[str, Any] = {
        name: _Fused(getattr(ports, name), name, fuse) for name in Ports.__dataclass_fields__
    }
    return Ports(**ends)
