"""Services beside nova-compute that schedulers give work to: which hosts have them, and who stands in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from skylift.app.read_fleet import entry_of
from skylift.app.site import Site
from skylift.fleet.mandate import Purpose, plan_command
from skylift.fleet.volume import VolumePlan, VolumeService, VolumeTurn, changed
from skylift.model.ids import HostName, ServiceName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.record import HostEntry, ServiceEntry
from skylift.model.release import Release
from skylift.model.roster import ServiceReport
from skylift.planning.closing import closings

_NOT_HERE = ServiceName("nova-compute")
"""Closed and emptied by the conductor of a run over hosts."""


class VolumesStuck(Refused):
    """None of the hosts that are to be worked on may be rebooted, for what else they serve."""

    code = "fleet.volumes-stuck"

    def __init__(self, held: Mapping[HostName, str]) -> None:
        told = "; ".join(f"{host}: {why}" for host, why in held.items())
        super().__init__(
            f"none of these hosts may be rebooted by a run over hosts: {told}",
            Remedy(Fix.REPAIR, "take it out of its pools and clusters by hand, reboot it, and give it back"),
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
    turns, held = [], {}
    for host in hosts:
        entry = entry_of(site.record, host)
        services = tuple(_given_work(site, entry)) if entry is not None else ()
        if entry is None or not services:
            continue
        if host in alone and (others := sorted(_others(site, entry))):
            held[host] = f"{', '.join(others)} would be cut off"
            continue
        turns.append(VolumeTurn(host, tuple(_planned(site, entry, s) for s in services)))
    return VolumePlan(tuple(turns), held)


def changed_volumes(site: Site, purpose: Purpose, planned: Collection[VolumeTurn]) -> dict[HostName, str]:
    """Those of the hosts of a plan that are not any more what it was made for, each with the reason."""
    if not planned:
        return {}
    now = {t.host: t for t in planned_volumes(site, purpose, [turn.host for turn in planned]).turns}
    return {turn.host: why for turn in planned if (why := changed(turn, now.get(turn.host)))}


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
