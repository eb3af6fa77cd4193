"""What earlier runs have paused and not given back: a run that begins would take it for somebody else's."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import suppress

from skylift.app.runs import RunFolder
from skylift.app.wiring import open_journal
from skylift.engine.automation import pairs_of
from skylift.engine.fold import fold
from skylift.model.ids import RunId
from skylift.model.problem import Fix, Refused, Remedy


class AutomationOwed(Refused):
    """An earlier run has paused some automation, and was neither gone on with nor given up."""

    code = "automation.owed"

    def __init__(self, run: RunId, names: Iterable[str]) -> None:
        super().__init__(
            f"run {run} is still open and has paused {', '.join(names)}: a run that begins now would take "
            "that for somebody else's doing, and leave it paused when it ends",
            Remedy(Fix.REPAIR, f"let that run give it back and go on: skylift resume {run}"),
            Remedy(Fix.ROLL_BACK, f"or give that run up: skylift abort --run {run} --reason WHY"),
        )


def none_owed(earlier: Iterable[RunFolder], names: Container[str]) -> None:
    """See that none of the automation in ``names`` is still to be given back by an open run.

    A journal that cannot be read says nothing, and is passed over.

    Raises:
        AutomationOwed: some is.
    """
    for folder in earlier:
        if owed := tuple(name for name in _owed(folder) if name in names):
            raise AutomationOwed(folder.id, owed)


def _owed(folder: RunFolder) -> Iterator[str]:
    with suppress(Refused), open_journal(folder) as journal:
        run = fold(journal.events())
        if run.closed is None:
            yield from (pair.name for pair in pairs_of(run) if pair.is_owed(run))
