"""Let a service's link point to another artifact: what its next start will run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal, Undo
from skylift.model.ids import HostName, ServiceName
from skylift.ports import Ports


@dataclass(frozen=True, slots=True)
class SwitchArtifact(Action):
    """Point ``link`` on ``host`` from the artifact at ``old`` to the one at ``new`` (row 57)."""

    kind: ClassVar[str] = "switch-artifact"

    host: HostName
    service: ServiceName
    link: PurePosixPath
    old: PurePosixPath | None
    """None if there is no link yet: the service begins here."""
    new: PurePosixPath

    @property
    def title(self) -> str:
        return f"switch {self.service} on {self.host} to {self.new.name}"

    def observe(self, ports: Ports) -> Progress:
        now = ports.services.linked(self.host, self.link)
        return Done() if now == self.new else Pending(f"{self.link} points to {now or 'nothing'}")

    def advance(self, ports: Ports) -> None:
        ports.services.point(self.host, self.link, self.new)

    def reversal(self) -> Reversal:
        if self.old is None:
            return NothingToUndo("a link means nothing to a service that is stopped and not started again")
        return Undo(SwitchArtifact(self.host, self.service, self.link, old=self.new, new=self.old))
