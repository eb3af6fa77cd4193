"""A step that does what a test tells it: for the engine, which must not care what steps do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, NoWayBack, Pending, Progress, Reversal, Undo
from skylift.model.ids import HostName, Seconds
from skylift.ports import Ports


@dataclass(slots=True)
class Script:
    """What becomes of each step, by name; shared by all steps of a test, as a cloud would be."""

    left: dict[str, int] = field(default_factory=dict)
    """How many pushes a step still needs; none if it is not named."""
    raises: dict[str, Callable[[], BaseException]] = field(default_factory=dict)
    """What looking at a step raises, until a test takes it out."""
    pushed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scripted(Action):
    """A step of a script; ``taken_back_by`` names the step that gives back what this one takes."""

    kind: ClassVar[str] = "scripted"

    name: str
    script: Script = field(compare=False, repr=False)
    taken_back_by: str = ""
    hold_s: Seconds | None = field(default=None, compare=False)
    looks_again: bool = False
    no_way_back: bool = False
    host: HostName | None = None
    """Where it starts a long command, if it starts one."""

    @property
    def title(self) -> str:
        return f"do {self.name}"

    @property
    def runs_on(self) -> HostName | None:
        return self.host

    def observe(self, ports: Ports) -> Progress:  # noqa: ARG002 - a script needs no cloud
        if self.name in self.script.raises:
            met = self.script.raises[self.name]()
            raise met
        left = self.script.left.get(self.name, 0)
        return Pending(f"{left} pushes left") if left else Done()

    def advance(self, ports: Ports) -> None:  # noqa: ARG002 - a script needs no cloud
        self.script.pushed.append(self.name)
        self.script.left[self.name] = max(self.script.left.get(self.name, 0) - 1, 0)

    def reversal(self) -> Reversal:
        if self.no_way_back:
            return NoWayBack("a test says so")
        if self.taken_back_by:
            return Undo(Scripted(self.taken_back_by, self.script))
        return NothingToUndo("a test undoes nothing")
