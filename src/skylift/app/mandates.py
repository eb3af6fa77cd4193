"""The mandate of a run over a fleet, as it was approved."""

from __future__ import annotations

from skylift.app.runs import RunFolder
from skylift.engine.fold import fold
from skylift.engine.journal import Journal
from skylift.fleet.mandate import Mandate, digest_of_mandate, read_mandate
from skylift.model.codec import Malformed
from skylift.planning.text import PlanChanged

_ANEW = "skylift plan --reboot -o FILE (or with --hypervisor, or --drain HOST, as it was made)"


def read_approved(text: bytes) -> Mandate:
    """The mandate in the bytes of a plan file.

    Raises:
        PlanChanged: it is none, or one byte at least is not as it was written.
    """
    try:
        return read_mandate(text)
    except Malformed as error:
        raise PlanChanged(str(error), again=_ANEW) from None


def approved_mandate(folder: RunFolder, journal: Journal) -> Mandate:
    """The mandate that this run was opened with.

    Raises:
        PlanChanged: the run's folder holds another.
    """
    mandate = read_approved(folder.plan.read_bytes())
    if digest_of_mandate(mandate) != fold(journal.events()).plan:
        raise PlanChanged(f"run {folder.id} was opened with another", again=mandate.again)
    return mandate
