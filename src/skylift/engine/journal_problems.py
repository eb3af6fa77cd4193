"""Problems of a journal itself: it is damaged, of another version, or cannot be written."""

from __future__ import annotations

from skylift.engine.journal import FORMAT
from skylift.model.goal import ANY_PLAN
from skylift.model.problem import Fix, Refused, Remedy

_ANEW = f"plan from what the cloud is now, for finished steps drop out of the plan: {ANY_PLAN}"


class JournalDamaged(Refused):
    """What a journal holds is not what was written to it."""

    code = "journal.damaged"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"the journal {where} cannot be trusted: {why}",
            Remedy(Fix.REPAIR, "bring back the file from a backup of this machine, if there is one"),
            Remedy(Fix.RETRY, _ANEW),
        )


class JournalFormat(Refused):
    """A journal was written by another version of Skylift."""

    code = "journal.format"

    def __init__(self, where: str, version: int) -> None:
        super().__init__(
            f"the journal {where} cannot be read by this version of Skylift: "
            f"its format is {version or 1}, and this one reads {FORMAT}",
            Remedy(Fix.REPAIR, "end the run with the version of Skylift that began it"),
            Remedy(Fix.RETRY, _ANEW),
        )


class JournalUnwritable(Refused):
    """A fact could not be written down, so nothing more may be done."""

    code = "journal.unwritable"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"the journal {where} could not be written: {why}",
            Remedy(Fix.REPAIR, f"see what fills its disk or bars it: df -h {where}; ls -l {where}"),
            Remedy(Fix.RETRY, "then let the run go on: skylift resume"),
        )
