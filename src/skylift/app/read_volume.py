"""Services beside nova-compute that schedulers give work to: which hosts have them, and who stands in.

And what these hosts serve from their own disks, and to whom.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from skylift.actions.volume_host import Exporting
from skylift.app.read_fleet import entry_of
from skylift.app.site import Site
from skylift.fleet.mandate import Purpose, plan_command
from skylift.fleet.volume import BY_HAND, VolumePlan, VolumeService, VolumeTurn, changed
from skylift.model.exports import Against, LocalVolumes, against_boot, local_volumes, not_served, told
from skylift.model.ids import HostName, ServiceName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.record import HostEntry, ServiceEntry
from skylift.model.release import Release
from skylift.model.roster import ServiceReport
from skylift.planning.closing import closings
from skylift.ports.hosts import HostUnreachable

_NOT_HERE = ServiceName("nova-compute")
"""Closed and emptied by the conductor of a run over hosts."""


class VolumesStuck(Refused):
    """None of the hosts that are to be worked on may be rebooted, for what else they serve."""

    code = "fleet.volumes-stuck"

    def __init__(self, held: Mapping[HostName, tuple[Against, ...]]) -> None:
        sentences = {host: "; ".join(each.why for each in against) for host, against in held.items()}
        named = "; ".join(f"{host}: {why}" for host, why in sentences.items())
        repairs = dict.fromkeys(each.repair for why in held.values() for each in why)
        super().__init__(
            f"none of these hosts may be rebooted by a run over hosts: {named}",
            *(Remedy(Fix.REPAIR, repair) for repair in repairs),
            Remedy(Fix.RETRY, f"or plan for others: {plan_command(Purpose.REBOOT, (HostName('HOST'),))}"),
        )


def volume_zones(
    site: Site, purpose: Purpose, named: Collection[HostName], known: Collection[HostName]
) -> dict[HostName, str]:
    """Of the hosts that were named, those that only such services make one of a run, by zone."""
    if purpose is not Purpose.REBOOT:
        return {}
    zones = {}
    for host in (name for name in named if name not in known):
        entry = entry_of(site.record, host)
        if entry is not None and any(_given_work(site, entry)):
            zones[host] = entry.zone or ""
    return zones


def planned_volumes(
    site: Site, purpose: Purpose, hosts: Iterable[HostName], *, alone: Collection[HostName] = ()
) -> VolumePlan:
    """What becomes of such services when ``hosts`` are rebooted; hosts that have none are not in it.

    ``alone`` are those of them that are in the run for nothing else: what more they serve nobody empties.
    """
    if purpose is Purpose.DRAIN:
        return VolumePlan()
    turns: list[VolumeTurn] = []
    held: dict[HostName, tuple[Against, ...]] = {}
    for entry, turn in _turns(site, hosts):
        if turn.host in alone and (others := sorted(_others(site, entry))):
            held[turn.host] = (Against(f"{', '.join(others)} would be cut off", BY_HAND),)
            continue
        local, against = _served(site, entry)
        if against:
            held[turn.host] = against
            continue
        turns.append(replace(turn, local=local))
    return VolumePlan(tuple(turns), held)


def _turns(site: Site, hosts: Iterable[HostName]) -> Iterator[tuple[HostEntry, VolumeTurn]]:
    """The machines that have such services, and what becomes of these."""
    for host in hosts:
        entry = entry_of(site.record, host)
        services = tuple(_given_work(site, entry)) if entry is not None else ()
        if entry is not None and services:
            yield entry, VolumeTurn(host, tuple(_planned(site, entry, s) for s in services))


def _served(site: Site, entry: HostEntry) -> tuple[LocalVolumes | None, tuple[Against, ...]]:
    """What a host serves from its own disks, and what of that would be gone after a boot."""
    try:
        exports = site.ports.volumes.exports(entry.name)
    except HostUnreachable as silent:
        return None, (Against(f"nobody can tell what it exports: {silent}", f"skylift ssh {entry.name}"),)
    attached = site.ports.volumes.attached(entry.name) if exports.targets else ()
    local = local_volumes(exports, attached)
    against = against_boot(entry.name, exports, attached)
    if local is not None and (gone := not_served(local, exports, attached)):
        why = f"attached, and not exported now: {told(gone)}"
        again = f"skylift ssh {entry.name} systemctl restart cinder-volume; with LIO, detach and attach it"
        against += (Against(why, again),)
    return local, against


def changed_volumes(site: Site, planned: Collection[VolumeTurn]) -> dict[HostName, str]:
    """Those of the hosts of a plan that are not any more what it was made for, each with the reason."""
    now = {turn.host: (entry, turn) for entry, turn in _turns(site, [turn.host for turn in planned])}
    lost: dict[HostName, str] = {}
    for turn in planned:
        entry, found = now.get(turn.host, (None, None))
        why = changed(turn, found) or (
            Exporting(entry.name, turn.local).keeps_up(site.ports) if entry else ""
        )
        lost |= {turn.host: why} if why else {}
    return lost


def _given_work(site: Site, entry: HostEntry) -> Iterator[ServiceEntry]:
    """The services of a host that report, and that are closed before they are stopped."""
    for service in site.record.services.values():
        component = site.catalog.components[service.component]
        reports = component.roster is not None and service.name in component.roster.services
        given = reports and component.service(service.name).close and service.name != _NOT_HERE
        if given and service.role in entry.roles:
            yield service


def _others(site: Site, entry: HostEntry) -> Iterator[str]:
    """What a host serves that a run over hosts takes out of no pool or cluster."""
    record = site.record
    yield from (s.name for s in record.services.values() if s.balanced and s.role in entry.roles)
    clusters = {record.balancer.role: "its balancer"}
    if record.broker is not None:
        clusters[record.broker.role] = "its node of the message bus"
    yield from (told for role, told in clusters.items() if role in entry.roles)


def _planned(site: Site, entry: HostEntry, service: ServiceEntry) -> VolumeService:
    hosts = tuple(host.name for host in site.record.hosts_in(service.role))
    known = site.catalog.components[service.component].service(service.name)
    found = closings(known, _reports(site, service), hosts, api=_api(site, service), cold=False)[entry.name]
    return VolumeService(service.name, found.closes, found.idles, found.left_by, found.why_not)


def _reports(site: Site, service: ServiceEntry) -> tuple[ServiceReport, ...]:
    component = site.record.components[service.component]
    rosters = site.catalog.components[service.component].rosters(component.databases, component.services)
    return tuple(row for roster in rosters for row in site.ports.database.reports(roster))


def _api(site: Site, service: ServiceEntry) -> Release:
    """The newest release that an API of its component runs, for one of them would open it again."""
    record, unit = site.record, site.ports.services.unit
    apis = [s for s in record.services.values() if s.component == service.component and s.balanced]
    running = (unit(h.name, s.unit, s.link).running for s in apis for h in record.hosts_in(s.role))
    found = [artifact.release for path in running if (artifact := record.artifact_at(path))]
    return max(found, default=max(artifact.release for artifact in record.artifacts.values()))
