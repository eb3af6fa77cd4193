"""Nova's and Cinder's schedulers, told by the agent on the vantage host, with the record's credentials."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

from skylift.model.closing import mark_of, reason_of
from skylift.model.goal import ANY_PLAN
from skylift.model.ids import Epoch
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.roster import Roster, RosterKind, ServiceReport

_KNOWN = {RosterKind.NOVA, RosterKind.CINDER}


class CannotClose(Refused):
    """A service was to be closed to new work for which no API does that."""

    code = "intake.cannot-close"

    def __init__(self, roster: Roster, row: ServiceReport) -> None:
        super().__init__(
            f"{row.service} on {row.host} could not be closed to new work: there is no API for services of "
            f"{roster.component}",
            Remedy(
                Fix.REPAIR, f"take 'close' from {row.service} in the catalog's file of {roster.component}"
            ),
            Remedy(Fix.RETRY, f"then plan again as before: {ANY_PLAN}"),
        )


class Line(Protocol):
    """The way to the agent."""

    def tell(self, *words: str, changes: bool = False) -> Any:
        """Run it, and return its answer."""
        ...


class ApiIntake:
    """``Intake`` through the APIs; ``clock`` dates what is written beside a closed service."""

    def __init__(self, line: Line, clock: Callable[[], Epoch]) -> None:
        self._line = line
        self._clock = clock

    def close(self, roster: Roster, row: ServiceReport, *, label: str) -> None:
        self._tell("close", roster, row, f"--reason={reason_of(label, self._clock())}")

    def open(self, roster: Roster, row: ServiceReport, *, labels: Collection[str]) -> None:
        self._tell("open", roster, row, *(f"--mark={mark_of(label)}" for label in labels))

    def _tell(self, verb: str, roster: Roster, row: ServiceReport, *how: str) -> None:
        if roster.kind not in _KNOWN:
            raise CannotClose(roster, row)
        binary = next(name.row for name in roster.names if name.service == row.service)
        which = (f"--kind={roster.kind.value}", f"--id={row.id}", f"--binary={binary}", f"--host={row.host}")
        self._line.tell("intake", verb, *which, *how, changes=True)
