"""What a fleet's run sees of a cloud and asks of it; the port that a real cloud and its twin both have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from skylift.fleet.fleet import Instance, InstanceId
from skylift.fleet.verdict import Way
from skylift.model.ids import HostName


class Stage(Enum):
    """How far the work on a host is."""

    DUE = "due"
    UNDER_WAY = "under way"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Close:
    """Let the host take nothing new, and mark it as the run's."""

    host: HostName


@dataclass(frozen=True, slots=True)
class Migrate:
    """Begin to move an instance."""

    instance: InstanceId
    source: HostName
    target: HostName
    way: Way


@dataclass(frozen=True, slots=True)
class Work:
    """Stop what stays on the empty host, work on it, reboot it, and start what was stopped."""

    host: HostName


@dataclass(frozen=True, slots=True)
class Open:
    """Take the run's mark off: the host takes instances again, unless its operator had closed it."""

    host: HostName


Action = Close | Migrate | Work | Open


@dataclass(frozen=True, slots=True)
class HostSeen:
    """A host as it is now."""

    up: bool = True
    ours: bool = False
    """Whether the run has closed it: its mark is on it, in the reason that Nova keeps."""
    closed: bool = False
    """Whether its operator has, which the run leaves as it is."""
    work: Stage = Stage.DUE


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at all of a cloud."""

    moment: int
    """In milliseconds from the start of the run."""
    hosts: Mapping[HostName, HostSeen]
    on: Mapping[HostName, Mapping[InstanceId, Instance]]
    """Per host what is on it; what is being moved is still on its source."""
    moving: Mapping[InstanceId, Migrate]
    """What is being moved, as it would be asked for."""


class FleetCloud(Protocol):
    """A cloud whose hosts are to be worked on."""

    def look(self) -> Sight | None:
        """What is now; none if it did not answer in time."""

    def ask(self, action: Action) -> None:
        """Ask for something to be begun.

        There is no answer, for none could be believed: an error may come from a call that was carried out,
        or that will be within ``Pace.settle_s``; a yes may come to nothing. Looking tells.
        """


def visible(action: Action, sight: Sight) -> bool:
    """Whether what was asked for has begun, so that nothing more will come of asking."""
    match action:
        case Close(host):
            return sight.hosts[host].ours
        case Open(host):
            return not sight.hosts[host].ours
        case Work(host):
            return sight.hosts[host].work is not Stage.DUE
        case Migrate(instance, source):
            return instance in sight.moving or instance not in sight.on[source]
