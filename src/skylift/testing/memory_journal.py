"""A journal that a test can look into; it outlives the ``Execution`` that wrote it, as a file would."""

from __future__ import annotations

import json

from skylift.engine.journal import Event, Overtaken, decode_event, encode_event


class MemoryJournal:
    """Keeps events in the form they would have on disk, so that what has no form cannot be kept."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self._read: list[Event] = []
        """The rows that were read so far, so that none is read twice; never what was to be written."""

    def append(self, event: Event, *, after: int) -> None:
        if after != len(self.rows):
            raise Overtaken
        self.rows.append(encode_event(event))

    def events(self, after: int = 0) -> tuple[Event, ...]:
        if len(self._read) != len(self.rows):
            new = self.rows[len(self._read) :]
            self._read += [decode_event(json.loads(row)) for row in new]
        return tuple(self._read[after:])

    def close(self) -> None:
        """Nothing to let go of."""

    def __getstate__(self) -> dict[str, list[bytes]]:
        return {"rows": self.rows}

    def __setstate__(self, state: dict[str, list[bytes]]) -> None:
        self.rows, self._read = state["rows"], []
