"""What a call costs, in lines that were run and in bytes that were taken: the same on any machine."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass(frozen=True, slots=True)
class Cost:
    """Copying in C runs no lines, but takes bytes; looking through something takes none, but runs lines."""

    lines: float
    bytes: float
    """At most at once, beside what was taken before."""


def cost_of(does: Callable[[], object], times: int) -> Cost:
    """Of one call, on average over so many; one before them is not counted, which may fill caches."""
    lines = 0

    def seen(_frame: FrameType, event: str, _arg: Any) -> Callable[[FrameType, str, Any], Any]:
        nonlocal lines
        lines += event == "line"
        return seen

    taken = 0
    tracemalloc.start()
    before = sys.gettrace()
    try:
        for number in range(times + 1):
            tracemalloc.reset_peak()
            begun, _ = tracemalloc.get_traced_memory()
            sys.settrace(seen)
            does()
            sys.settrace(before)
            taken += tracemalloc.get_traced_memory()[1] - begun
            if number == 0:
                lines = taken = 0
    finally:
        sys.settrace(before)
        tracemalloc.stop()
    return Cost(lines / times, taken / times)
