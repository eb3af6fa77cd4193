"""The storage cluster under a cloud, as one of its monitors tells of it, and when a host of it may stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skylift.model.ids import HostName

_LACKS = frozenset(
    {
        *("degraded", "undersized", "peered", "peering", "stale", "down", "incomplete", "unknown"),
        *("inconsistent", "failed_repair", "recovery_unfound", "backfill_unfound"),
    }
)
"""States of a placement group that lacks a copy, or of which nobody knows. One that is only misplaced
(remapped, backfilling) has all of them. Source: Ceph, Placement Group States."""


@dataclass(frozen=True, slots=True)
class Osd:
    """One OSD: what keeps copies of data on a disk."""

    id: int
    host: str
    """As the host calls itself."""
    bucket: str
    """The node of the CRUSH tree that it is under: as a rule one for each host, and named like it."""
    up: bool = True
    within: bool = True
    """Whether data is placed on it: Ceph calls it in, and takes it out when it has been down for minutes."""
    since: int = 0
    """The epoch of the cluster's map in which it came up last."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """One monitor, of which a majority must run."""

    name: str
    host: str
    in_quorum: bool = True


@dataclass(frozen=True, slots=True)
class StorageSeen:
    """The whole cluster at one look; nothing at all where a cloud has none."""

    osds: tuple[Osd, ...] = ()
    monitors: tuple[Monitor, ...] = ()
    """All that belong to the cluster, running or not."""
    groups: Mapping[str, int] = field(default_factory=dict)
    """How many placement groups are in each state, such as ``active+clean``."""
    kept_in: frozenset[str] = frozenset()
    """Nodes of the CRUSH tree whose OSDs are not taken out when they are down (``noout``)."""
    epoch: int = 0
    """Of the map that tells which OSDs are up: it grows with each change."""
    elections: int = 0
    """Grows whenever monitors vote, as they do for each that joins them."""

    @property
    def lacking(self) -> Mapping[str, int]:
        """Placement groups that have not all of their copies, by state."""
        return {s: n for s, n in self.groups.items() if n and not _has_all(s)}


@dataclass(frozen=True, slots=True)
class Stopping:
    """What the cluster says of stopping some of its daemons now."""

    against: str = ""
    """Why they must not be stopped, in its own words; empty if they may."""
    lacking: int = 0
    """Of how many placement groups there would be a copy less."""


@dataclass(frozen=True, slots=True)
class StorageHost:
    """What runs on one host, and is waited for after its reboot."""

    host: HostName
    osds: tuple[int, ...] = ()
    monitors: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    """The nodes of the CRUSH tree that its OSDs are under."""


_RUN_MIN = 2
"""Monitors that run at all times, however few there are: with one there is no way to lose another."""


def against_quorum(of: StorageHost, seen: StorageSeen, *, at_best: bool = False) -> str:
    """Why the monitors of a host must not stop; empty if enough of the others stay. ``at_best``, all run."""
    if not of.monitors:
        return ""
    stay = [m for m in seen.monitors if (m.in_quorum or at_best) and m.name not in of.monitors]
    least = max(_RUN_MIN, len(seen.monitors) // 2 + 1)
    if len(stay) >= least:
        return ""
    return f"of {len(seen.monitors)} monitors {len(stay)} would run without it, and {least} must"


def against_stop(of: StorageHost, seen: StorageSeen) -> str:
    """What of the cluster's state speaks against stopping a host now; empty if nothing does."""
    return told_lacking(seen) or against_quorum(of, seen)


def told_lacking(seen: StorageSeen) -> str:
    """That placement groups lack copies; empty if none does."""
    if not seen.lacking:
        return ""
    state, _ = max(seen.lacking.items(), key=lambda of: of[1])
    many = sum(seen.lacking.values())
    return f"{many} placement groups have not all of their copies, most of them {state}"


def missing(of: StorageHost, seen: StorageSeen) -> str:
    """What of a host is not back yet; empty if all is. What was removed meanwhile is not waited for."""
    osds = {osd.id: osd for osd in seen.osds}
    left = [f"osd.{n} is down" for n in of.osds if n in osds and not osds[n].up]
    left += [f"osd.{n} is out" for n in of.osds if n in osds and osds[n].up and not osds[n].within]
    left += [
        f"monitor {m.name} is not in the quorum"
        for m in seen.monitors
        if m.name in of.monitors and not m.in_quorum
    ]
    return ", ".join(left)


def not_anew(of: StorageHost, seen: StorageSeen, *, epoch: int, elections: int) -> str:
    """What of a host has not joined the cluster since these; empty if all has.

    A host may be back before anybody has noticed that it was down: until its daemons join anew, the cluster
    tells of them, and of the groups, as they were before.
    """
    left = [f"osd.{o.id} has not joined anew" for o in seen.osds if o.id in of.osds and o.since <= epoch]
    left += ["its monitor has not joined anew"] * (bool(of.monitors) and seen.elections <= elections)
    return ", ".join(left)


def is_named(name: str, host: HostName) -> bool:
    """Whether a host that calls itself ``name`` is ``host``: with or without a domain."""
    return name == host or name.partition(".")[0] == host.partition(".")[0]


def _has_all(state: str) -> bool:
    words = set(state.split("+"))
    return "active" in words and not words & _LACKS
