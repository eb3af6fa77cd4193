"""Other automation that is paused for as long as hosts are worked on, and given back on every way out.

A run that rests (paused by an operator, between windows, halted) keeps nothing: it is given back, and taken
anew when the run goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from skylift.actions.action import Action, Done
from skylift.actions.automation import GiveAutomationBack, PauseAutomation, is_paused
from skylift.actions.job import observe_job
from skylift.engine.guards import Guards, pairs_of
from skylift.engine.ledger import Ledger
from skylift.model.automation import AutomationEntry
from skylift.model.ids import Epoch, HostName, Seconds, StepId
from skylift.ports import Ports


@dataclass(frozen=True, slots=True)
class AutomationGuard:
    """One thing that is paused by the operator's commands."""

    name: str
    entry: AutomationEntry

    @property
    def take(self) -> Action:
        """Pauses it."""
        return PauseAutomation(self.name, self.entry)

    @property
    def back(self) -> Action:
        """Lets it go on."""
        return GiveAutomationBack(self.name, self.entry)

    def is_taken(self, ports: Ports) -> bool:
        """What the operator's command says."""
        return is_paused(ports, self.name, self.entry)

    def was_taken(self, ports: Ports) -> bool:
        """Whether the command that pauses it has ended well."""
        return isinstance(observe_job(ports, self.entry.host, self.name), Done)


class PausedAutomation:
    """All that is to be paused before a host is begun."""

    def __init__(
        self, ledger: Ledger, ports: Ports, entries: Iterable[tuple[str, AutomationEntry]], limit: Seconds
    ) -> None:
        self._ledger, self._entries = ledger, dict(entries)
        own = tuple(AutomationGuard(name, entry) for name, entry in self._entries.items())
        self._guards = Guards(ledger, ports, own, limit)
        self.pending = False
        """Whether something is on its way to be paused, so that the run only waits for that."""

    @property
    def left(self) -> dict[StepId, str]:
        """What is left of each step under way, as last seen."""
        return self._guards.left

    def hold(self, now: Epoch, *, wanted: bool) -> bool:
        """Push each once, if a host is to be begun; whether none of them is in the way of that.

        Raises:
            GuardSilent: it cannot be told of one whether it is paused, and time is up; nothing is begun then.
        """
        self.pending = False
        if not wanted:
            return True
        if self._guards.is_stuck():
            return False  # an operator chooses, and meanwhile none of the others is paused either
        held = [self._guards.hold(name, now) for name in self._entries]
        self.pending = not all(held)
        return all(held)

    def give_back(self, now: Epoch) -> None:
        """Push the giving back of each once that the run has paused."""
        self._guards.give_back(now)

    def commands(self) -> Mapping[StepId, HostName]:
        """The steps that were ever begun here, each with the host of its command."""
        on = {name: entry.host for name, entry in self._entries.items()}
        pairs = [pair for pair in pairs_of(self._ledger.run) if pair.name in on]
        return {step: on[pair.name] for pair in pairs for step in (pair.pause, pair.back)}

    def owes(self) -> bool:
        """Whether anything is yet to be given back that needs no operator for it."""
        return self._guards.owes()
