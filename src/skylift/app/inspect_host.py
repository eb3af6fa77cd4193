"""All that is read on one host: one read after the other, and none more once it is out of reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from skylift.catalog.catalog import Catalog
from skylift.model.cloud import HostSeen, UnitSeen, Unreached
from skylift.model.ids import ArtifactName, Digest, HostName, ServiceName
from skylift.model.problem import Problem
from skylift.model.record import Record, ServiceEntry
from skylift.ports import Ports


@dataclass(slots=True)
class HostsRead:
    """What was read on one host, or on several."""

    hosts: dict[HostName, HostSeen | Unreached] = field(default_factory=dict)
    units: dict[tuple[ServiceName, HostName], UnitSeen] = field(default_factory=dict)
    answers: dict[tuple[ServiceName, HostName], int | None] = field(default_factory=dict)
    staged: dict[tuple[ArtifactName, HostName], Digest | None] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def read_host(record: Record, catalog: Catalog, ports: Ports, host: HostName) -> HostsRead:
    """What ``host`` says of itself, of its services and of the artifacts that lie on it."""
    read = HostsRead()
    served = [s for s in record.services.values() if s.role in record.hosts[host].roles]
    try:
        read.hosts[host] = ports.hosts.look(host)
    except Problem as problem:
        read.hosts[host] = Unreached(host, str(problem))
        read.unread = dict.fromkeys(_subjects(record, host, served), str(problem))
        return read
    for service in served:
        _read_service(read, catalog, ports, (service, host))
    if served:
        for name, artifact in record.artifacts.items():
            try:
                read.staged[name, host] = ports.artifacts.staged(host, artifact.path)
            except Problem as problem:
                read.unread[f"staged {name} {host}"] = str(problem)
    return read


def joined(reads: Iterable[HostsRead]) -> HostsRead:
    """What was read on several hosts, as one."""
    whole = HostsRead()
    for read in reads:
        whole.hosts |= read.hosts
        whole.units |= read.units
        whole.answers |= read.answers
        whole.staged |= read.staged
        whole.unread |= read.unread
    return whole


def _read_service(
    read: HostsRead, catalog: Catalog, ports: Ports, service: tuple[ServiceEntry, HostName]
) -> None:
    entry, host = service
    try:
        read.units[entry.name, host] = ports.services.unit(host, entry.unit, entry.link)
    except Problem as problem:
        read.unread[f"unit {entry.name} {host}"] = str(problem)
    if not entry.balanced:
        return
    try:
        health = catalog.components[entry.component].service(entry.name).health
        read.answers[entry.name, host] = ports.services.answers(host, entry.port, health)
    except Problem as problem:
        read.unread[f"answer {entry.name} {host}"] = str(problem)


def _subjects(record: Record, host: HostName, served: list[ServiceEntry]) -> list[str]:
    of_services = [f"unit {entry.name} {host}" for entry in served]
    of_services += [f"answer {entry.name} {host}" for entry in served if entry.balanced]
    return of_services + [f"staged {name} {host}" for name in record.artifacts if served]
