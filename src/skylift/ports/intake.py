"""Whether services are given new work: by Nova's and Cinder's schedulers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from skylift.model.roster import Roster, ServiceReport


class Intake(Protocol):
    """The APIs that close a service on a host to new work, and open it again.

    What they changed is seen in the rows of the roster (``Database.reports``).
    """

    def close(self, roster: Roster, row: ServiceReport, *, label: str) -> None:
        """Let the service that wrote ``row`` get no new work, with a reason that names ``label``.

        No effect on one that is closed already, by whomever: its reason stays.

        Raises:
            Refused: services of this roster cannot be closed, or this one is not known any more.
            Transient: the API does not answer; it may be closed all the same, so look and repeat.
        """
        ...

    def open(self, roster: Roster, row: ServiceReport, *, labels: Collection[str]) -> None:
        """Let it get new work again if it was closed for one of ``labels``; no effect otherwise.

        Raises:
            Refused, Transient: as for ``close``.
        """
        ...
