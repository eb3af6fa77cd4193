"""Owners who start instances while a fleet is worked on, on whichever host the scheduler chooses."""

from __future__ import annotations

from dataclasses import replace

from skylift.drainbench.clouds import Chance
from skylift.fleet.fleet import Fleet, GroupName, Instance, InstanceId
from skylift.fleet.sight import HostSeen
from skylift.model.ids import HostName

_TRIES = 12
"""Hosts that are drawn before the scheduler finds none."""


def scheduled(
    fleet: Fleet,
    hosts: dict[HostName, HostSeen],
    booked: dict[HostName, list[Instance]],
    chance: Chance,
) -> Instance | None:
    """A new instance, like one that is there, on a host that is open, admits it and has room for it.

    None if there is none, or nobody whom it could be like.
    """
    if not fleet.instances:
        return None
    like = fleet.instances[chance.below(len(fleet.instances))]
    flavor, names = fleet.flavors[like.flavor], list(hosts)
    new = replace(like, id=InstanceId(f"new{chance.below(1 << 40):010x}"), group=GroupName(""))
    for _ in range(_TRIES):
        name = names[chance.below(len(names))]
        host, seen = fleet.hosts[name], hosts[name]
        used = [fleet.flavors[i.flavor] for i in booked[name]]
        if (
            seen.up
            and not (seen.ours or seen.closed)
            and host.zone == new.zone
            and bool(host.aggregates) == bool(flavor.aggregate)
            and sum(f.ram_mib for f in used) + flavor.ram_mib <= host.ram_mib
            and sum(f.vcpus for f in used) + flavor.vcpus <= host.vcpus
        ):
            return replace(new, host=name)
    return None
