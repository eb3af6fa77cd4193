"""Ports of which every call is announced first: to a lease that may be another's, or to a test's fuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skylift.ports import Ports


class _Watched:
    """A port whose calls are announced; binding it to a key is none."""

    def __init__(self, port: object, name: str, before: Callable[[str], None]) -> None:
        self._port = port
        self._name = name
        self._before = before

    def __getattr__(self, called: str) -> Callable[..., Any]:
        call = getattr(self._port, called)

        def announced(*args: Any, **kwargs: Any) -> Any:
            if called == "under":
                return _Watched(call(*args), self._name, self._before)
            self._before(f"{self._name}.{called}")
            return call(*args, **kwargs)

        return announced


def watched(ports: Ports, before: Callable[[str], None]) -> Ports:
    """The same ports; each call tells ``before`` its name, ``jobs.start``, and is made if that returns."""
    ends: dict[str, Any] = {
        name: _Watched(getattr(ports, name), name, before) for name in Ports.__dataclass_fields__
    }
    return Ports(**ends)
