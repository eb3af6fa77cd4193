"""The clock, the wait between two looks, and Ctrl-C: the only time the product asks for."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from skylift.model.ids import Epoch

LOOK_EVERY_S = 0.5
"""Between two looks that changed nothing; short beside any step, long beside what a look costs."""


def now() -> Epoch:
    """Seconds since 1970-01-01 UTC."""
    return Epoch(time.time())


class Interrupts:
    """Whether the operator asked for an end. The first Ctrl-C asks; the second ends the process at once.

    ``last_words`` are said then, on standard error.
    """

    def __init__(self, last_words: str = "") -> None:
        self._last_words = last_words
        self._asked = threading.Event()
        self._wake = threading.Event()

    def asked(self) -> bool:
        """Whether the operator asked for an end."""
        return self._asked.is_set()

    def pause(self) -> None:
        """Let time pass until it is worth looking again; cut short by the operator's asking."""
        self._wake.wait(LOOK_EVERY_S)
        self._wake.clear()

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch SIGINT and SIGTERM for as long as the block runs; only from the main thread."""
        before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, old in before.items():
                signal.signal(number, old)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if self._asked.is_set():
            # A run that is cut short anywhere goes on with resume, so a second Ctrl-C may simply end it.
            # No stream of ours: this may have come in the middle of one's writing.
            with suppress(OSError):
                os.write(2, self._last_words.encode())
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._asked.set()
        self._wake.set()
