"""The fleet: compute hosts and the instances on them, as one snapshot of what Nova and Placement say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NewType

from skylift.model.ids import HostName, Seconds

InstanceId = NewType("InstanceId", str)
FlavorName = NewType("FlavorName", str)
GroupName = NewType("GroupName", str)


class State(Enum):
    """What Nova says that an instance is; its word is ``vm_state``, and ``busy`` is any task under way."""

    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    RESCUED = "rescued"
    RESIZED = "resized"
    ERROR = "error"
    BUSY = "busy"


class Rule(Enum):
    """What a server group asks of its members' hosts."""

    APART = "anti-affinity"
    TOGETHER = "affinity"
    RATHER_APART = "soft-anti-affinity"
    RATHER_TOGETHER = "soft-affinity"


@dataclass(frozen=True, slots=True)
class Flavor:
    """What an instance takes of its host, and asks of it."""

    vcpus: int
    ram_mib: int
    disk_gib: int = 0
    """On the host's own disk; nothing for an instance that boots from a volume."""
    traits: frozenset[str] = frozenset()
    """What the host must have."""
    without: frozenset[str] = frozenset()
    """Traits that the host must not have."""
    aggregate: str = ""
    """The aggregate that the host must be in; empty if any will do."""
    devices: Mapping[str, int] = field(default_factory=dict)
    """PCI devices, by alias. An instance that has any cannot be moved while it runs."""
    cells: int = 0
    """NUMA cells, if its processors are pinned: each takes an equal part of one cell of the host."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One NUMA cell of a host, as far as pinned instances may use it."""

    vcpus: int
    ram_mib: int


@dataclass(frozen=True, slots=True)
class Host:
    """A compute host, with what instances may take of it: after ratios, without what is reserved."""

    vcpus: int
    ram_mib: int
    disk_gib: int = 0
    zone: str = "nova"
    aggregates: tuple[str, ...] = ()
    traits: frozenset[str] = frozenset()
    cpus: frozenset[str] = frozenset()
    """Models of CPU that it can run; empty if that is not known, and then it is taken to run any."""
    devices: Mapping[str, int] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()
    up: bool = True
    closed: bool = False
    """Closed by its operator: nothing is moved to it, and it is emptied and treated as any other."""
    done: bool = False
    """It is as it shall be; targets are such hosts alone, so that no instance moves twice."""
    begun: bool = False
    """It is being emptied by a plan under way: it goes on before any other begins, and takes nothing."""
    out_s: Seconds = Seconds(0)
    """It is being worked on by a plan under way, and will be back in so many seconds; 0 if it is not."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Hosts with something in common."""

    isolated: bool = False
    """Whether its hosts take only instances whose flavor asks for it."""


@dataclass(frozen=True, slots=True)
class Group:
    """A server group."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Instance:
    """A user's virtual machine, where it is now."""

    id: InstanceId
    host: HostName
    flavor: FlavorName
    project: str = ""
    state: State = State.ACTIVE
    group: GroupName = GroupName("")
    zone: str = ""
    """The zone that its owner asked for; empty if she left it open."""
    cpu: str = ""
    """The model of CPU it was started with, which a host must run to take it live; empty for any."""
    used_mib: int = 0
    """Memory it has touched, which is what a migration sends; nothing if that is not known."""
    dirty_mib_s: int = 0
    """How fast it writes to its memory."""
    disk_copied: bool = False
    """Whether a live migration must copy its disk, as it is on no storage that hosts share."""
    vtpm: bool = False
    wish: str = ""
    """What its owner agreed to, by a tag or metadata ``maintenance``: live, cold, stop, ask or never."""
    notice_h: int = 0
    """Hours that she wants to be told beforehand."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that a plan is made from, but for the policy."""

    hosts: Mapping[HostName, Host]
    flavors: Mapping[FlavorName, Flavor]
    instances: tuple[Instance, ...]
    groups: Mapping[GroupName, Group] = field(default_factory=dict)
    aggregates: Mapping[str, Aggregate] = field(default_factory=dict)
