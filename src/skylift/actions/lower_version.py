"""Let a service of the release before start again where every row of its kind tells of a newer one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal
from skylift.model.cloud import UnitState
from skylift.model.ids import HostName, ServiceName, UnitName
from skylift.model.roster import Roster, ServiceReport
from skylift.ports import Ports

_DEAD = {UnitState.INACTIVE, UnitState.FAILED}


@dataclass(frozen=True, slots=True)
class LowerVersion(Action):
    """Let the row of ``service`` on ``host``, which is stopped, tell of ``version`` and of nothing newer.

    It is what the service itself writes as it starts, but for a check: it refuses to be older than all rows
    of its kind. One row that is as old lets it pass, and no service that runs looks at that row again.
    Source: nova/objects/service.py, ``_check_minimum_version``, 2024.2 and 2025.1; upstream has no command.
    """

    kind: ClassVar[str] = "lower-version"

    host: HostName
    service: ServiceName
    unit: UnitName
    link: PurePosixPath
    rosters: tuple[Roster, ...]
    """Where its row may be."""
    version: int
    """The lowest that its release writes."""

    @property
    def title(self) -> str:
        return f"let the row of {self.service} on {self.host} tell of version {self.version}"

    def observe(self, ports: Ports) -> Progress:
        """Done if no row of it is newer; one that it never wrote bars nobody."""
        newer = [str(row.version) for _, row in self._newer(ports)]
        return Pending(f"its row tells of version {', '.join(newer)}") if newer else Done()

    def advance(self, ports: Ports) -> None:
        """Not while it runs: it would write its own version again."""
        if ports.services.unit(self.host, self.unit, self.link).state in _DEAD:
            for roster, row in self._newer(ports):
                ports.database.lower_version(roster, row, self.version)

    def reversal(self) -> Reversal:
        return NothingToUndo("what starts next writes its own version")

    def _newer(self, ports: Ports) -> Iterator[tuple[Roster, ServiceReport]]:
        for roster in self.rosters:
            for row in ports.database.reports(roster):
                own = row.service == self.service and row.is_from(self.host)
                if own and (row.version or 0) > self.version:
                    yield roster, row
