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
    """A fact could not be written down or read, for the disk is full, read-only or errs, so all stops.

    ``where`` is what should have been written: a journal, the audit trail, or the folder that has them.
    """

    code = "journal.unwritable"

    def __init__(self, where: str, why: str, *, reading: bool = False) -> None:
        super().__init__(
            f"could not {'read' if reading else 'write'} {where}: {why}",
            Remedy(
                Fix.REPAIR,
                "see whether its disk is full or mounted read-only, and whether the file is yours: "
                f"df -h {where}; findmnt -T {where}; ls -ld {where}",
            ),
            Remedy(
                Fix.REPAIR,
                "free some space there, or mount it writable again (mount -o remount,rw MOUNTPOINT), and "
                "leave the file as it is: what was written is whole",
            ),
            Remedy(Fix.RETRY, "then say the same again; a run that stopped goes on with: skylift resume"),
        )
