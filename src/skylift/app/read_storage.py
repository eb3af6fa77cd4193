"""The storage cluster as it is now, and the hosts of it that a plan must not take down beside each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from skylift.app.read_fleet import entry_of
from skylift.app.site import Site
from skylift.fleet.mandate import Purpose
from skylift.fleet.storage import StoragePlan, StorageTurn, is_of_storage, lost, plan_storage, storage_on
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Refused, Remedy


class StorageStuck(Refused):
    """The storage cluster bears the stop of none of the hosts that are to be worked on."""

    code = "fleet.storage-stuck"

    def __init__(self, held: Mapping[HostName, str]) -> None:
        told = "; ".join(f"{host}: {why}" for host, why in held.items())
        super().__init__(
            f"the storage cluster bears the stop of none of these hosts: {told}",
            Remedy(Fix.REPAIR, "see what it lacks: ceph status"),
            Remedy(Fix.RETRY, "then plan again: skylift plan --reboot --host HOST -o FILE"),
        )


def storage_zones(
    site: Site, purpose: Purpose, named: Collection[HostName], known: Collection[HostName]
) -> dict[HostName, str]:
    """Of the hosts that were named, those that only the storage cluster has, by zone.

    They are rebooted and nothing else: there is nothing that could be moved off them.
    """
    others = [host for host in named if host not in known]
    if not others or purpose is not Purpose.REBOOT:
        return {}
    seen = site.ports.storage.look()
    zones = {}
    for host in others:
        if is_of_storage(host, seen):
            entry = entry_of(site.record, host)
            zones[host] = (entry.zone if entry else None) or ""
    return zones


def planned_storage(site: Site, purpose: Purpose, hosts: Iterable[HostName]) -> StoragePlan:
    """What becomes of the cluster when ``hosts`` are rebooted; those that are none of it are not in it."""
    if purpose is Purpose.DRAIN:
        return StoragePlan()
    seen, storage = site.ports.storage.look(), site.ports.storage
    concerned = [host for host in hosts if is_of_storage(host, seen)]
    on = {host: storage_on(host, seen) for host in concerned}
    said = {host: storage.stopping(of.osds, of.monitors) for host, of in on.items()}
    return plan_storage(concerned, seen, said)


def lost_storage(site: Site, planned: Collection[StorageTurn]) -> dict[HostName, str]:
    """Those of the hosts of a plan that are not any more what it was made for, each with the reason."""
    if not planned:
        return {}
    seen = site.ports.storage.look()
    return {turn.host: why for turn in planned if (why := lost(turn, seen))}
