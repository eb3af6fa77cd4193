"""Run one command on a service's host while the service is stopped, before its new release starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, NothingToUndo, Progress, Reversal
from skylift.actions.job import observe_job
from skylift.model.ids import HostName, ServiceName
from skylift.model.problem import Fix, Remedy
from skylift.ports import Command, Ports


@dataclass(frozen=True, slots=True)
class RunBeforeStart(Action):
    """Make ``host`` ready for a start of ``service`` that users would notice otherwise.

    Such as a flow without which the first flows of a new Open vSwitch agent drop guests' packets. It must
    be right beside the old release, too: the service may be started as it was.
    """

    kind: ClassVar[str] = "run-before-start"

    host: HostName
    service: ServiceName
    name: str
    command: Command
    because: str

    @property
    def title(self) -> str:
        return f"{self.name} on {self.host} before {self.service} starts"

    @property
    def runs_on(self) -> HostName | None:
        return self.host

    def observe(self, ports: Ports) -> Progress:
        accept = "or let users notice the start, and go on without it: skylift skip STEP --reason WHY"
        return observe_job(ports, self.host, self.title, Remedy(Fix.ACCEPT, accept))

    def advance(self, ports: Ports) -> None:
        ports.jobs.start(self.host, self.command)

    def reversal(self) -> Reversal:
        return NothingToUndo("what it makes ready does no harm to old code")
