"""A journal that a test can look into; it outlives the ``Execution`` that wrote it, as a file would."""

from __future__ import annotations

import json

from skylift.engine.journal import Event, Overtaken, decode_event, encode_event


class MemoryJournal:
    """Keeps events in the form they would have on disk, so that what has no form cannot be kept."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []

    def append(self, event: Event, *, after: int) -> None:
        if after != len(self.rows):
            raise Overtaken
        self.rows.append(encode_event(event))

    def events(self) -> tuple[Event, ...]:
        return tuple(decode_event(json.loads(row)) for row in self.rows)

    def close(self) -> None:
        """Nothing to let go of."""
