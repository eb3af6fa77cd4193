"""The turns of hosts, as a run's journal tells them: which is begun, how far it is, and who is out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from skylift.verifier.fleet.seen import Violation

EMPTY = "empty"
"""The first step of each turn; it is over when nothing is left on its host that would be missed."""
_OF_NETWORKS, _OF_COMPUTES = frozenset({"carry"}), frozenset({"open", "clean"})
"""The last steps of a host that only carries networks, and of one that has instances, too."""


class Stage(Enum):
    """How far a host's turn is."""

    EMPTYING = "being emptied"
    WORKED_ON = "worked on"
    GIVEN_BACK = "given back before it was worked on"
    HELD = "held, as the work on it failed"
    DONE = "through"


@dataclass
class Turns:
    """Fed with the events of steps, in their order."""

    hosts: Collection[str]
    """Those of the run that only carry networks: they go one after another."""
    drained: bool
    """Whether hosts are only to be empty, and closed."""
    stage: dict[str, Stage] = field(default_factory=dict)
    _steps: dict[str, dict[str, bool]] = field(default_factory=dict)
    """By host, the steps that began, each with whether it is over."""

    def started(self, event: Mapping[str, Any]) -> Iterator[Violation]:
        """A step begins."""
        what, _, host = event["step"].partition("@")
        if not host:
            return
        own = self._steps.setdefault(host, {})
        if what == EMPTY:
            others = [h for h in self.hosts if h != host and self.is_out(h, held=False)]
            if host in self.hosts and others:
                yield Violation("one", f"{host} is begun while {others[0]} is {self.stage[others[0]].value}")
            self.stage[host] = Stage.EMPTYING
        else:
            if not own.get(EMPTY):
                yield Violation("work", f"{what} begins on {host}, which was not said to be empty")
            for early in [name for name, over in own.items() if not over and name not in {what, EMPTY}]:
                yield Violation("work", f"{what} begins on {host} before {early} is over")
            self.stage[host] = Stage.WORKED_ON
        own[what] = False

    def done(self, event: Mapping[str, Any]) -> None:
        """A step came to its end."""
        what, _, host = event["step"].partition("@")
        if host:
            self._steps.setdefault(host, {})[what] = True
            last = _OF_NETWORKS if host in self.hosts else _OF_COMPUTES
            if what in ({EMPTY} if self.drained else last):
                self.stage[host] = Stage.DONE

    def left(self, event: Mapping[str, Any]) -> None:
        """A step will not get there, or is an operator's from here on."""
        what, _, host = event["step"].partition("@")
        if host in self.stage:
            self.stage[host] = Stage.GIVEN_BACK if what == EMPTY else Stage.HELD
            if event["kind"] == "step-skipped":
                self._steps[host][what] = True

    def is_out(self, host: str, *, held: bool) -> bool:
        """Whether a host is being emptied or worked on, or closed for good; ``held``: an operator's, too."""
        stage = self.stage.get(host)
        if stage is Stage.DONE:
            return self.drained and held
        # A compute host's agents are not touched before its instances are gone.
        emptying = stage is Stage.EMPTYING and host in self.hosts
        return emptying or stage is Stage.WORKED_ON or (held and stage is Stage.HELD)

    def may_be_closed(self, *, open_yet: bool) -> frozenset[str]:
        """Hosts that an operator has to look at, that are only to be empty, or, ``open_yet``, under way."""
        kept = {Stage.HELD, *({Stage.DONE} if self.drained else ())}
        if open_yet:
            kept |= {Stage.EMPTYING, Stage.WORKED_ON}
        return frozenset(host for host, stage in self.stage.items() if stage in kept)

    def forgotten(self) -> tuple[str, ...]:
        """Hosts that are neither through nor an operator's, though the run says that it is complete."""
        ends = {Stage.DONE, Stage.GIVEN_BACK, Stage.HELD}
        return tuple(host for host in self.hosts if self.stage.get(host) not in ends)
