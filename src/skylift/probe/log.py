"""The samples' file of one label and their count, as one run of the request streams writes them."""

from __future__ import annotations

import json
import threading
import time
from typing import TextIO

from skylift.model.sample import Sample, read_samples
from skylift.probe.counting import Count
from skylift.probe.folder import Folder, write_whole
from skylift.probe.session import Call, Named, Work


class Log:
    """The samples' file and their count, written by many threads."""

    def __init__(self, folder: Folder, offset: float) -> None:
        self._folder = folder
        self._offset = offset
        """Added to the monotonic clock, gives the time of day as it was when the run started."""
        self._lock = threading.Lock()
        self._count = Count()
        self._file = _open_after(folder, self._count)

    @property
    def requests(self) -> int:
        """How many were recorded under this label."""
        return self._count.requests

    def add(self, of: Call | Work | Named, due: float, outcome: str, *, status: int, detail: str) -> None:
        """Record one request, or work that was accepted, that ended now."""
        latency_ms = (time.monotonic() - due) * 1000
        sample = Sample(due + self._offset, latency_ms, of.stream, of.api, outcome, status, detail)
        with self._lock:
            if not self._file.closed:
                self._file.write(sample.line())
                self._count.add(sample)

    def publish(self, asked_until: float | None = None) -> None:
        """Let readers see all samples so far, and their count.

        ``asked_until`` is when the last request was due, if no more are: the time since is no gap.
        """
        until = time.monotonic() if asked_until is None else asked_until
        with self._lock:
            self._file.flush()
            count = self._count.document(until + self._offset)
        write_whole(self._folder.tally, json.dumps(count) + "\n")

    def close(self, asked_until: float) -> None:
        """Publish for the last time; what is still in flight is not recorded any more."""
        self.publish(asked_until)
        with self._lock:
            self._file.close()


def _open_after(folder: Folder, count: Count) -> TextIO:
    """The samples' file at its end; a line that was cut short there is ended, so that the next is whole."""
    file = folder.samples.open("a+")
    file.seek(0)
    lines = file.readlines()
    count.take_over(read_samples(lines))
    if lines and not lines[-1].endswith("\n"):
        file.write("\n")
    return file
