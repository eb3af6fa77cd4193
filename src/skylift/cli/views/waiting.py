"""What steps wait for, as a log has it: it has no panel that shows each look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from skylift.model.ids import StepId

FIRST_MS = 30_000
"""After how long without a change a step is told; most have changed by then."""
_RARER = 4
"""How many times as long it is until it is told again."""


@dataclass(slots=True)
class _Same:
    """What a step shows, since when, and when that is told next."""

    left: str
    since_ms: int
    due_ms: int


class Waiting:
    """Remembers what each running step showed, and tells what has not changed for long."""

    def __init__(self) -> None:
        self._seen: dict[StepId, _Same] = {}

    def lines(self, left: Mapping[StepId, str], now_ms: int) -> Iterator[str]:
        """One line for each step that has shown the same for half a minute, then two, eight and so on.

        Args:
            left: what is left of each running step, as seen last.
            now_ms: epoch in milliseconds.
        """
        self._seen = {step: same for step, same in self._seen.items() if left.get(step) == same.left}
        for step, shown in left.items():
            same = self._seen.setdefault(step, _Same(shown, now_ms, now_ms + FIRST_MS))
            if now_ms >= same.due_ms:
                waited_ms = now_ms - same.since_ms
                same.due_ms = same.since_ms + _RARER * waited_ms
                yield f"still {step}, for {waited_ms // 1000} s: {shown}"
