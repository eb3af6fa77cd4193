"""Pause other automation before hosts are worked on, and let it go on again, by the operator's commands."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal, Undo
from skylift.actions.job import observe_job
from skylift.model.automation import AutomationEntry
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Remedy, Transient
from skylift.model.record import Record
from skylift.ports import Command, Ended, Ports

_PAUSED, _GOES_ON = 0, 1


class AutomationUnknown(Transient):
    """The operator's command does not say whether some automation is paused."""

    code = "automation.unknown"

    def __init__(self, name: str, entry: AutomationEntry, why: str) -> None:
        asked = shlex.join(entry.paused)
        super().__init__(
            f"it could not be told whether {name} is paused: {why}",
            Remedy(
                Fix.REPAIR, f"it must end with 0 if it is, with 1 if not: skylift ssh {entry.host} {asked}"
            ),
            Remedy(Fix.RETRY, "after the repair: skylift resume"),
        )


@dataclass(frozen=True, slots=True)
class PauseAutomation(Action):
    """Keep it from working while hosts are; whether it was paused before is seen before this begins."""

    kind: ClassVar[str] = "pause-automation"

    name: str
    entry: AutomationEntry

    @property
    def title(self) -> str:
        return f"pause {self.name}"

    @property
    def runs_on(self) -> HostName | None:
        return self.entry.host

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Pause it by hand, or do without."""
        return (
            Remedy(
                Fix.REPAIR, f"pause it by hand: skylift ssh {self.entry.host} {shlex.join(self.entry.pause)}"
            ),
            Remedy(Fix.ACCEPT, "or let the run go on beside it: skylift skip STEP --reason WHY"),
        )

    def observe(self, ports: Ports) -> Progress:
        """Done if it is paused.

        Raises:
            AutomationUnknown: nothing can be said.
            JobFailed: the command that pauses it failed, and it goes on.
        """
        if is_paused(ports, self.name, self.entry):
            return Done()
        return _after(ports, self.entry, self.title, f"{self.name} goes on")

    def advance(self, ports: Ports) -> None:
        ports.jobs.start(self.entry.host, Command(self.entry.pause))

    def reversal(self) -> Reversal:
        return Undo(GiveAutomationBack(self.name, self.entry))


@dataclass(frozen=True, slots=True)
class GiveAutomationBack(Action):
    """Let what the run has paused go on."""

    kind: ClassVar[str] = "give-automation-back"

    name: str
    entry: AutomationEntry

    @property
    def title(self) -> str:
        return f"let {self.name} go on"

    @property
    def runs_on(self) -> HostName | None:
        return self.entry.host

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Do it by hand: a retry then sees it."""
        by_hand = f"do it by hand: {self._command}"
        return (Remedy(Fix.REPAIR, by_hand), Remedy(Fix.RETRY, "after that: skylift retry"))

    def by_hand(self, record: Record) -> tuple[str, ...]:
        """The operator's own command, as the record has it."""
        del record
        return (self._command,)

    @property
    def _command(self) -> str:
        return f"skylift ssh {self.entry.host} {shlex.join(self.entry.give_back)}"

    def observe(self, ports: Ports) -> Progress:
        """Done if it goes on.

        Raises:
            AutomationUnknown: nothing can be said.
            JobFailed: the command that lets it go on failed, and it is still paused.
        """
        if not is_paused(ports, self.name, self.entry):
            return Done()
        return _after(ports, self.entry, self.title, f"{self.name} is still paused")

    def advance(self, ports: Ports) -> None:
        ports.jobs.start(self.entry.host, Command(self.entry.give_back))

    def reversal(self) -> Reversal:
        return NothingToUndo("it goes on, as it did before the run")


def is_paused(ports: Ports, name: str, entry: AutomationEntry) -> bool:
    """What the operator's command says.

    Raises:
        AutomationUnknown: it ended with another code than these two.
    """
    answer = ports.hosts.ask(entry.host, entry.paused)
    if answer.code not in {_PAUSED, _GOES_ON}:
        said = answer.text.strip().splitlines()
        raise AutomationUnknown(name, entry, f"code {answer.code}" + (f", {said[-1][:200]}" if said else ""))
    return answer.code == _PAUSED


def _after(ports: Ports, entry: AutomationEntry, title: str, left: str) -> Progress:
    """What is left while the command runs, or has ended well and shows nothing yet."""
    job = ports.jobs.state(entry.host)
    if isinstance(job, Ended):
        observe_job(ports, entry.host, title)
    return Pending(left)
