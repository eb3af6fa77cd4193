"""A journal with the run it tells of, kept up event by event: the one way in which facts are added."""

from __future__ import annotations

from skylift.engine.fold import Run, after, fold
from skylift.engine.in_bulk import in_bulk
from skylift.engine.journal import Event, Journal, Overtaken, StepDone, StepFailed


class Ledger:
    """``run`` is the journal folded, as far as it was last looked at.

    Raises:
        ValueError: the journal is empty, so there is no run yet.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        with in_bulk():
            self.run: Run = fold(journal.events())

    def catch_up(self) -> Run:
        """Fold what others have appended meanwhile: an operator's word comes from another process."""
        for event in self._journal.events(after=self.run.length):
            self.run = after(self.run, event)
        return self.run

    def write(self, event: Event) -> bool:
        """Append ``event``, unless others appended since the run was folded: then fold that, and say no."""
        # Judged before it is written: an event that cannot follow must not become a fact.
        run = after(self.run, event)
        try:
            self._journal.append(event, after=self.run.length)
        except Overtaken:
            self.catch_up()
            return False
        self.run = run
        return True

    def record(self, event: StepDone | StepFailed) -> None:
        """Append what was seen of a step under way: it stays true, for no word moves such a step."""
        while not self.write(event):
            pass
