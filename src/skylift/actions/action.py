"""The contract of a step: ``observe``, ``advance``, ``reversal``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from skylift.model.ids import HostName, Seconds
from skylift.model.problem import Remedy
from skylift.model.record import Record
from skylift.ports import Ports


@dataclass(frozen=True, slots=True)
class Done:
    """The cloud is as the step wants it."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Not there yet; ``left`` says what is left, and is the step's only progress line."""

    left: str


Progress = Done | Pending


@dataclass(frozen=True, slots=True)
class Undo:
    """The step is taken back by another action."""

    action: Action


@dataclass(frozen=True, slots=True)
class NothingToUndo:
    """The step leaves nothing behind that a way back would have to remove."""

    why: str


@dataclass(frozen=True, slots=True)
class NoWayBack:
    """The step cannot be taken back; only a restored backup returns what it removed."""

    why: str


Reversal = Undo | NothingToUndo | NoWayBack


class Action(ABC):
    """A change to the cloud, as plain data. Subclasses are frozen dataclasses.

    An action never sleeps and never remembers: the engine calls ``observe``, then ``advance`` if it
    is not done, and comes back later. So a run that was killed goes on by the same calls as one that
    was not. All three verbs may raise any ``Problem`` of the ports; a ``Refused`` fails the step.
    """

    __slots__ = ()

    kind: ClassVar[str]

    @property
    @abstractmethod
    def title(self) -> str:
        """What the step does, in the operator's words: an imperative without a full stop."""

    @property
    def hold_s(self) -> Seconds | None:
        """For how long the engine goes on pushing this once it is done, until it is given back.

        None if what it does lasts by itself. What does not lapses when its process dies, and is done
        again after a resume, before what waits for it goes on.
        """
        return None

    @property
    def looks_again(self) -> bool:
        """Whether what was seen is worth something only while what came before is held.

        Then it is seen again after a resume, unless something that waits for it has begun.
        """
        return False

    @property
    def must_last(self) -> bool:
        """Whether what was seen must still be so when a stop comes that relies on it.

        Minutes may lie between the two: a pause, a death, a host out of reach. So the engine looks again
        just before each push of such a stop, and pushes this instead if it is so no longer.
        """
        return False

    @property
    def cuts(self) -> bool:
        """Whether what users have in hand where this is done is cut, so that nothing may be."""
        return False

    @property
    def runs_on(self) -> HostName | None:
        """Where it starts a long command, which may outlive the step; none if it starts none."""
        return None

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """What an operator may do, beside a retry, if this is not done in time."""
        return ()

    def by_hand(self, record: Record) -> tuple[str, ...]:
        """The commands that do this by hand on the cloud of ``record``, as far as there are any to paste.

        Whatever gives back what an earlier step took has some, unless that ends by itself: a recovery
        procedure is made of them (row 157).
        """
        del record
        return ()

    @abstractmethod
    def observe(self, ports: Ports) -> Progress:
        """How far the cloud is from the wanted state. Reads only."""

    @abstractmethod
    def advance(self, ports: Ports) -> None:
        """Push the cloud one bounded piece further (30 s at most). Safe to repeat at any point."""

    @abstractmethod
    def reversal(self) -> Reversal:
        """How to take this back, known before it is done: the plan shows it."""
