"""What is done with each host in a run over a fleet: from the record, the catalog and what was approved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from skylift.actions.action import Action
from skylift.actions.await_report import AwaitReport
from skylift.actions.closing import AwaitIdle, CloseService, OpenService
from skylift.actions.host_turn import RebootHost, RemoveCanary, TryHost
from skylift.actions.network_agents import AwaitAgents, CloseAgents, OpenAgents, TryAgents
from skylift.actions.run_command import RunCommand
from skylift.actions.storage_host import AwaitStorage, RebootStorageHost
from skylift.actions.volume_host import AwaitExports, Exporting, RebootVolumeHost
from skylift.app.read_fleet import FleetHostUnknown, entry_of
from skylift.catalog.catalog import Catalog
from skylift.engine.host_turn import HostTurn, ServiceTurn, WorkStep, hypervisor_of, reboot_of
from skylift.fleet.mandate import Mandate, Purpose
from skylift.fleet.volume import VolumeTurn
from skylift.model.ids import HostName, Seconds, StepId
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.record import HostEntry, Record, ServiceEntry
from skylift.model.roster import Roster
from skylift.planning.survey import NOVA_COMPUTE
from skylift.ports import Command


class NoComputeService(Refused):
    """The record has no nova-compute, so no compute host can be closed."""

    code = "fleet.no-compute"

    def __init__(self) -> None:
        super().__init__(
            f"the record has no service {NOVA_COMPUTE}: hosts are closed by its rows in nova's database",
            Remedy(Fix.REPAIR, "add the component nova with its databases and services to the record"),
        )


def turns_of(
    record: Record, catalog: Catalog, mandate: Mandate, labels: tuple[str, ...]
) -> Mapping[HostName, HostTurn]:
    """The turn of each host that was approved; ``labels`` are the run's own, and those of earlier ones.

    Raises:
        NoComputeService: the record has none.
        FleetHostUnknown: the record does not know a host that is to be worked on.
    """
    compute = record.services.get(NOVA_COMPUTE)
    if compute is None and mandate.plan["turns"]:
        raise NoComputeService
    carrying = {turn.host for turn in mandate.network}
    storage = {turn.host: turn.of for turn in mandate.storage}
    services = {turn.host: tuple(_services(record, catalog, turn, labels)) for turn in mandate.volumes}
    local = {turn.host: turn.local for turn in mandate.volumes}
    turns = {}
    for host in mandate.hosts:
        closing = agents = None
        if compute is not None and host not in mandate.others:
            closing = CloseService(host, NOVA_COMPUTE, _rosters(record, catalog, compute), labels)
        if host in carrying:
            agents = CloseAgents(host, labels)
        turn = HostTurn(host, closing, (), agents, storage.get(host), services.get(host, ()))
        if (entry := entry_of(record, host)) and host in local:
            turn = replace(turn, exporting=Exporting(entry.name, local[host]))
        if mandate.purpose is not Purpose.DRAIN:
            turn = replace(turn, work=tuple(_work(record, catalog, mandate, turn)))
        turns[host] = turn
    return turns


def _services(
    record: Record, catalog: Catalog, of: VolumeTurn, labels: tuple[str, ...]
) -> Iterator[ServiceTurn]:
    """How services beside nova-compute are closed and waited for, as it was approved."""
    entry = entry_of(record, of.host)
    if entry is None:
        return  # of which the caller says that it is unknown
    for planned in of.services:
        service = record.services[planned.service]
        rosters = _rosters(record, catalog, service)
        own = (*labels, *planned.left_by) if planned.closes else ()
        closing = CloseService(entry.name, service.name, rosters, own) if planned.closes else None
        idle = AwaitIdle(entry.name, service.name, service.unit, service.link, rosters, own)
        yield ServiceTurn(service.name, closing, idle if planned.idles else None)


def _work(record: Record, catalog: Catalog, mandate: Mandate, turn: HostTurn) -> Iterator[WorkStep]:
    host, of, timeouts = turn.host, record.maintenance, record.policy.timeouts
    entry = entry_of(record, host)
    if entry is None:
        raise FleetHostUnknown("the record", (host,), record.hosts, again=mandate.again)
    if mandate.purpose is Purpose.HYPERVISOR:
        component = record.services[NOVA_COMPUTE].component
        command = RunCommand(
            entry.name, component, "the new hypervisor", Command(of.hypervisor), "maintenance.hypervisor"
        )
        yield WorkStep(hypervisor_of(host), command, timeouts.command)
    yield WorkStep(reboot_of(host), *_reboot(record, entry, turn))
    own = {of.service for of in turn.services}
    for service in sorted(_reporting(record, catalog, entry), key=lambda service: service.name in own):
        rosters = _rosters(record, catalog, service)
        back = AwaitReport(entry.name, service.name, service.unit, service.link, rosters, version=0)
        yield WorkStep(StepId(f"{service.name}@{host}"), back, of.back)
    if turn.exporting is not None and turn.exporting.of is not None:
        yield WorkStep(StepId(f"exports@{host}"), AwaitExports(entry.name, turn.exporting.of), of.back)
    for opening in turn.service_openings:
        yield WorkStep(StepId(f"open-{opening.service}@{host}"), opening, timeouts.start)
    if turn.storage is not None:
        yield WorkStep(StepId(f"storage@{host}"), AwaitStorage(turn.storage), whole_within(record))
    if turn.agents is not None:
        yield WorkStep(StepId(f"agents@{host}"), AwaitAgents(host), of.back)
        carry = TryAgents(OpenAgents(host, turn.agents.labels))
        yield WorkStep(StepId(f"carry@{host}"), carry, of.trial)
    if turn.closing is not None:
        yield from _opened(record, turn.closing)


def _reboot(record: Record, entry: HostEntry, turn: HostTurn) -> tuple[Action, Seconds]:
    """The reboot, and until when a host is back; one of the storage cluster waits once more for that."""
    plain, back = RebootHost(entry.name), record.maintenance.back
    reboot = plain if turn.storage is None else RebootStorageHost(plain, turn.storage)
    back = back if turn.storage is None else Seconds(back + whole_within(record))
    return (RebootVolumeHost(reboot, turn.exporting) if turn.exporting else reboot), back


def whole_within(record: Record) -> Seconds:
    """How long the storage cluster may take to have all copies, and to let a host stop."""
    return record.storage.whole if record.storage else Seconds(0)


def _opened(record: Record, closing: CloseService) -> Iterator[WorkStep]:
    """How a compute host is opened: with a server of our own, if the record does not say otherwise."""
    host, of, timeouts = closing.host, record.maintenance, record.policy.timeouts
    opening = OpenService(host, closing.service, closing.rosters, closing.labels)
    if not of.canary:
        yield WorkStep(StepId(f"open@{host}"), opening, timeouts.start)
        return
    yield WorkStep(StepId(f"try@{host}"), TryHost(opening, closing.labels[0]), of.trial)
    yield WorkStep(StepId(f"clean@{host}"), RemoveCanary(host, closing.labels[0]), timeouts.start)


def _reporting(record: Record, catalog: Catalog, entry: HostEntry) -> Iterator[ServiceEntry]:
    """The services of a host that say of themselves that they work."""
    for service in record.services.values():
        roster = catalog.components[service.component].roster
        if service.role in entry.roles and roster is not None and service.name in roster.services:
            yield service


def _rosters(record: Record, catalog: Catalog, service: ServiceEntry) -> tuple[Roster, ...]:
    component = record.components[service.component]
    return catalog.components[service.component].rosters(component.databases, component.services)
