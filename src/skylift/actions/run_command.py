"""Run one command of the target artifact once, when every service of its component is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, NothingToUndo, Progress, Reversal
from skylift.actions.job import observe_job
from skylift.model.ids import ComponentName, HostName
from skylift.ports import Command, Ports


@dataclass(frozen=True, slots=True)
class RunCommand(Action):
    """A command that a component's upgrade asks for, such as ``nova-manage cell_v2 discover_hosts``."""

    kind: ClassVar[str] = "run-command"

    host: HostName
    component: ComponentName
    name: str
    command: Command
    because: str

    @property
    def title(self) -> str:
        return f"run {self.name} of {self.component} on {self.host}"

    @property
    def runs_on(self) -> HostName | None:
        return self.host

    def observe(self, ports: Ports) -> Progress:
        return observe_job(ports, self.host, self.title)

    def advance(self, ports: Ports) -> None:
        ports.jobs.start(self.host, self.command)

    def reversal(self) -> Reversal:
        return NothingToUndo("what it brings up to date is right for old code, too")
