"""The plan of a fleet: when each host is out, and where each instance goes, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from skylift.fleet.fleet import InstanceId
from skylift.fleet.verdict import Verdict, Way
from skylift.model.ids import HostName, Seconds

FORMAT = 1


class Resource(Enum):
    """What instances take of hosts; the unit is in the name."""

    VCPUS = "vCPUs"
    RAM = "MiB of memory"
    DISK = "GiB of disk"


@dataclass(frozen=True, slots=True)
class Move:
    """One instance goes from one host to another, once. Times are milliseconds from the start of the run."""

    instance: InstanceId
    source: HostName
    target: HostName
    way: Way
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One host is closed and emptied, worked on, and back; in milliseconds from the start of the run."""

    host: HostName
    wave: int
    """How many hosts, itself among them, must be worked on one after another before it is back."""
    closed: int
    empty: int
    back: int

    @property
    def lasts_s(self) -> Seconds:
        """From its closing until it is back."""
        return Seconds(-(-(self.back - self.closed) // 1000))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What no plan can do better, by arithmetic alone; each is the worst, or the sum, of all pools."""

    moves: int
    """B1: every instance that must move does so once; without an empty host in its pool, the fewest that any
    host has do so twice, for when the first host is emptied nothing there is done."""
    waves_at_all: int
    """B2: waves if all hosts that could be empty together were."""
    waves: int
    """B3: waves after the first wave of this plan, as each can only take what the ones before left free."""
    area_s: Seconds
    """B4: each host is wholly empty for its time, and a migrating instance is booked twice: both must fit
    into what is free."""
    slots_s: Seconds
    """B5: all turns, end to end, over the hosts that may be out at once."""
    network_s: Seconds
    """B6: what the busiest host must send."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why the hosts of a pool cannot all be emptied, whoever plans, and what would change that."""

    hosts: int
    """Hosts in the pool."""
    named: HostName
    """One of them; the host that cannot be emptied is the largest."""
    sentence: str
    spare: int
    """What is missing, in the unit of ``resource``."""
    resource: Resource | None
    """None if rules of groups are in the way, and not room."""
    instead: tuple[InstanceId, ...]
    """The fewest instances that would do if they were stopped, or moved out of the pool."""


@dataclass(frozen=True, slots=True)
class Held:
    """A host that is left alone, for an instance on it waits for somebody."""

    host: HostName
    because: tuple[Verdict, ...]


class Kind(Enum):
    """Where instances shall be when every host is through."""

    BRING_BACK = "bring-back"
    """On the host that they were moved off first."""
    BALANCE = "balance"
    """So that the use of each host is near the mean, by few moves."""


@dataclass(frozen=True, slots=True)
class Stay:
    """An instance that was moved and is not brought back."""

    instance: InstanceId
    reason: str


@dataclass(frozen=True, slots=True)
class Spread:
    """How full hosts are, in per cent of what they offer, by the scarcer of memory and processors."""

    least: int
    mean: int
    most: int


@dataclass(frozen=True, slots=True)
class Afterwards:
    """The last part of a plan: nobody is closed, each instance moves once at most, and live only."""

    kind: Kind
    band: int
    """Of ``balance``: by how many points of per cent a host's use may be off the mean of its pool."""
    moves: tuple[Move, ...]
    stays: tuple[Stay, ...]
    beyond: tuple[HostName, ...]
    """Of ``balance``: hosts that stay off the mean by more than that, as nothing that may be moved helps."""
    fewest: int
    """No plan can do with fewer moves than this, by arithmetic alone."""
    before: Spread
    after: Spread

    @property
    def ends(self) -> int:
        """When the last of them has arrived."""
        return max((move.end for move in self.moves), default=0)


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What is done with every host and every instance. Moves and turns are in the order of their start."""

    turns: tuple[Turn, ...]
    moves: tuple[Move, ...]
    verdicts: tuple[Verdict, ...]
    """Of every instance that is not simply moved live."""
    held: tuple[Held, ...]
    refused: tuple[Certificate, ...]
    """Pools that nothing was planned for, each with the proof that nothing can be."""
    stranded: tuple[HostName, ...]
    """Hosts that no way was found to empty, and no proof that there is none."""
    bounds: Bounds
    pools: int
    instances: int
    """All instances that must move."""
    afterwards: Afterwards | None = None
    """What is done once every host is through; none if instances stay where the turns have moved them."""

    @property
    def waves(self) -> int:
        """The longest chain of hosts that wait for each other."""
        return max((turn.wave for turn in self.turns), default=0)

    @property
    def makespan(self) -> Seconds:
        """From the start until the last host is back."""
        return Seconds(-(-max((turn.back for turn in self.turns), default=0) // 1000))
