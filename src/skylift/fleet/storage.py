"""Which hosts of a storage cluster may be rebooted at all, and what that costs; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from skylift.model.ids import HostName
from skylift.model.storage import Stopping, StorageHost, StorageSeen, against_quorum, is_named, told_lacking


@dataclass(frozen=True, slots=True)
class StorageTurn:
    """What is planned for one host of the cluster."""

    of: StorageHost
    groups: int
    """How many placement groups there are."""
    lacking: int = 0
    """Of how many of them there is a copy less while the host is down."""
    idle: tuple[str, ...] = ()
    """Daemons of it that do not run, or hold nothing: they are not waited for."""
    waits: str = ""
    """What speaks against its stop as it was planned; empty if nothing did."""

    @property
    def host(self) -> HostName:
        return self.of.host


@dataclass(frozen=True, slots=True)
class StoragePlan:
    """The hosts in their order, one after another, and those that may not be stopped, with the proof."""

    turns: tuple[StorageTurn, ...] = ()
    held: Mapping[HostName, str] = field(default_factory=dict)


def storage_on(host: HostName, seen: StorageSeen) -> StorageHost:
    """What runs on a host, and should again after its reboot; nothing if it is none of the cluster's."""
    own = [osd for osd in seen.osds if is_named(osd.host, host)]
    return StorageHost(
        host,
        tuple(osd.id for osd in own if osd.up and osd.within),
        tuple(m.name for m in seen.monitors if is_named(m.host, host) and m.in_quorum),
        tuple(sorted({osd.bucket for osd in own if osd.bucket})),
    )


def is_of_storage(host: HostName, seen: StorageSeen) -> bool:
    """Whether any daemon of the cluster is on a host, running or not."""
    names = {osd.host for osd in seen.osds} | {monitor.host for monitor in seen.monitors}
    return any(is_named(name, host) for name in names)


def plan_storage(
    hosts: Iterable[HostName], seen: StorageSeen, stopping: Mapping[HostName, Stopping]
) -> StoragePlan:
    """Those of ``hosts`` that the cluster has; ``stopping`` is what it says of each of them.

    What it says against a stop while it lacks nothing holds for good; all else may pass.
    """
    turns, held = [], {}
    for host in (h for h in hosts if is_of_storage(h, seen)):
        of, said = storage_on(host, seen), stopping[host]
        lasting = against_quorum(of, seen, at_best=True)
        passing = told_lacking(seen) or against_quorum(of, seen)
        if not passing and not lasting:
            lasting = said.against
        if lasting:
            held[host] = lasting
            continue
        groups = sum(seen.groups.values())
        turns.append(StorageTurn(of, groups, said.lacking, _idle(of, seen), passing))
    return StoragePlan(tuple(turns), held)


def lost(turn: StorageTurn, seen: StorageSeen) -> str:
    """What of a planned host does not run any more, so that its reboot would wait for it in vain."""
    now = storage_on(turn.host, seen)
    gone = [f"osd.{n}" for n in turn.of.osds if n not in now.osds]
    gone += [f"monitor {name}" for name in turn.of.monitors if name not in now.monitors]
    return f"{', '.join(gone)} ran when it was planned, and does not now" if gone else ""


def _idle(of: StorageHost, seen: StorageSeen) -> tuple[str, ...]:
    own = [osd for osd in seen.osds if is_named(osd.host, of.host)]
    idle = [f"osd.{osd.id}" for osd in own if osd.id not in of.osds]
    return (
        *idle,
        *(f"monitor {m.name}" for m in seen.monitors if is_named(m.host, of.host) and not m.in_quorum),
    )
