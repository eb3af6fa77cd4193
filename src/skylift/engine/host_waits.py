"""What hosts that are empty wait for before they may be worked on, and since when."""

from __future__ import annotations

from collections.abc import Collection

from skylift.model.ids import Epoch, Seconds, StepId


class HostWaits:
    """By step under way: what was last seen to keep it; those that wait for long are told, in one sentence.

    The sentence is without figures that change from look to look: each change would be an event.
    """

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        self.left: dict[StepId, str] = {}
        """What is left of each, as last seen."""
        self._since: dict[StepId, Epoch] = {}
        """Of those that count."""

    def note(self, step: StepId, why: str, now: Epoch, *, counts: bool = True) -> None:
        """Something was seen of a step: what keeps it, or nothing; and whether such a wait is to be told."""
        if not why:
            self.left.pop(step, None)
            self._since.pop(step, None)
            return
        self.left[step] = why
        if counts:
            self._since.setdefault(step, now)

    def keep(self, running: Collection[StepId]) -> None:
        """Forget all others."""
        for step in [step for step in self.left if step not in running]:
            self.left.pop(step)
            self._since.pop(step, None)

    def told(self, now: Epoch, after: Seconds) -> dict[StepId, str]:
        """What those wait for that have for so long."""
        return dict.fromkeys((s for s, since in self._since.items() if now - since >= after), self._sentence)
