"""What an operator allows while a fleet is worked on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skylift.model.ids import HostName, Seconds


@dataclass(frozen=True, slots=True)
class Window:
    """When hosts may be out, in seconds from the start of the run."""

    opens: Seconds
    closes: Seconds


@dataclass(frozen=True, slots=True)
class Network:
    """What is known of migrations before the first was seen; what is learnt takes its place."""

    mib_s: int = 1100
    """Between any two hosts, as it arrives at the target: a link of 10 Gb/s gives about 1,100."""
    setup_ms: int = 1000
    """What a migration takes beside its memory: ports are bound, the guest is stopped and started."""
    downtime_ms: int = 500
    """The longest stop that the hypervisor may choose by itself."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What may be done with instances whose owners said nothing themselves."""

    cold: bool = False
    """Whether an instance that cannot be moved live may be stopped, moved and started."""
    stop: bool = False
    """Whether an instance that cannot be moved at all may be stopped while its host is worked on."""
    post_copy: bool = False
    """Whether it may run on its target before all its memory is there: then it dies with the link."""
    notice_h: int = 0
    """Hours that owners are told beforehand, of anything they would notice."""


@dataclass(frozen=True, slots=True)
class FleetPolicy:
    """Limits are kept at every moment of the plan, not only between its waves."""

    host_s: Seconds = Seconds(1200)
    """How long an empty host is worked on, a second at least: a reboot, or a new hypervisor and a reboot."""
    batch_percent: int = 5
    """Of each pool's hosts, how many are emptied first, onto hosts that have yet to be emptied."""
    batch_hosts: int = 0
    """The same as a number of hosts for each pool, which then takes the place of the share."""
    twice_percent: int = 2
    """Of each pool's instances, how many more than need be may move twice to let the first wave be larger."""
    out_percent: int = 100
    """Of all hosts, how many may be out at once: closed, emptied or worked on."""
    zone_percent: int = 100
    """The same for the hosts of each zone."""
    aggregate_percent: int = 100
    """The same for the hosts of each aggregate."""
    headroom_percent: int = 0
    """Of each host, what is left free when instances are moved to it."""
    leaving: int = 1
    """Migrations that may leave a host at once."""
    arriving: int = 1
    """Migrations that may arrive at a host at once."""
    migrations: int = 0
    """Migrations under way at once in all; 0 for no limit."""
    first: tuple[HostName, ...] = ()
    """Hosts to begin with, one after another, before any other host: the canaries."""
    zones_in_turn: bool = False
    """Whether a zone begins only when the one before it, by name, has ended."""
    windows: tuple[Window, ...] = ()
    """A host begins only if it will be back before its window closes; none for no limit."""
    only: tuple[HostName, ...] = ()
    """The hosts to be worked on; all others then take instances from the start. None for the whole fleet."""
    in_place: bool = False
    """Whether hosts are patched under their instances, which then stay where they are."""
    consent: Consent = Consent()
    projects: Mapping[str, Consent] = field(default_factory=dict)
    """Projects with another consent than the others."""
    network: Network = Network()

    def share(self, percent: int, of: int) -> int:
        """A share of a number of hosts, and at least one."""
        return max(1, of * percent // 100)


_LARGE = 10**9
RANGES = (
    ("host_s", 1, _LARGE),
    ("batch_percent", 0, 100),
    ("batch_hosts", 0, _LARGE),
    ("twice_percent", 0, 100),
    ("out_percent", 1, 100),
    ("zone_percent", 1, 100),
    ("aggregate_percent", 1, 100),
    ("headroom_percent", 0, 99),
    ("leaving", 1, 1000),
    ("arriving", 1, 1000),
    ("migrations", 0, _LARGE),
)
"""The limits that are whole numbers, each with the least and the most that it may be."""
