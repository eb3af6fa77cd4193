"""The fleet of a cloud as Nova and Placement have it now, and the hosts of it that are to be maintained."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from skylift.app.site import Site
from skylift.fleet.fleet import Fleet
from skylift.fleet.mandate import Purpose, plan_command
from skylift.fleet.nova import fleet_from
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.record import HostEntry, Record


class FleetHostUnknown(Refused):
    """Hosts are to be maintained that Nova, or the record, does not have."""

    code = "fleet.host-unknown"

    def __init__(
        self, whose: str, hosts: Iterable[HostName], known: Iterable[str], *, again: str = ""
    ) -> None:
        """``again`` is the command for the hosts that there are; empty if there is none of them."""
        retry = (Remedy(Fix.RETRY, f"or plan for those that there are: {again}"),) if again else ()
        super().__init__(
            f"{whose} has no host {', '.join(sorted(hosts))}; it has {', '.join(sorted(known)) or 'none'}",
            Remedy(Fix.REPAIR, "see how nova names its hosts: skylift inspect --fleet"),
            Remedy(Fix.REPAIR, "or add them to the hosts of the record, with the address that SSH reaches"),
            Remedy(
                Fix.REPAIR, "or name under storage in the record where the cluster that has them is asked"
            ),
            *retry,
        )


class NoHypervisor(Refused):
    """Hosts are to be given a new hypervisor, and the record does not say how."""

    code = "fleet.no-hypervisor"

    def __init__(self, hosts: Iterable[HostName]) -> None:
        super().__init__(
            "the record does not say what gives a host its new hypervisor",
            Remedy(Fix.REPAIR, "write the command into the record, as maintenance.hypervisor"),
            Remedy(Fix.RETRY, f"or only reboot them: {plan_command(Purpose.REBOOT, hosts)}"),
        )


def read_fleet(site: Site) -> Fleet:
    """The whole fleet."""
    return fleet_from(site.ports.compute.survey(), shared_storage=site.record.maintenance.shared_storage)


def intended(
    fleet: Fleet,
    record: Record,
    purpose: Purpose,
    hosts: tuple[HostName, ...],
    *,
    others: Collection[HostName] = (),
) -> tuple[Fleet, FleetPolicy]:
    """The fleet and the policy that a plan for ``hosts`` is made from, or for all if none is named.

    ``others`` are those of them that are no compute hosts, and that Neutron knows.

    Raises:
        FleetHostUnknown: Nova does not have one of them, or the record does not know how to reach it.
        NoHypervisor: the record does not say how a host is given one.
    """
    if unknown := [name for name in hosts if name not in fleet.hosts and name not in others]:
        raise FleetHostUnknown("nova", unknown, fleet.hosts, again=_without(unknown, purpose, hosts))
    if purpose is Purpose.HYPERVISOR and not record.maintenance.hypervisor:
        raise NoHypervisor(hosts)
    limits = record.maintenance.limits
    if unknown := [name for name in limits.first if name not in fleet.hosts and name not in record.hosts]:
        raise FleetHostUnknown("nova", unknown, fleet.hosts)
    first = tuple(n for n in limits.first if n in (hosts or fleet.hosts))
    policy = replace(limits, only=hosts, first=first)
    if purpose is not Purpose.DRAIN:
        wanted = hosts or tuple(fleet.hosts)
        if unreachable := [name for name in wanted if entry_of(record, name) is None]:
            again = _without(unreachable, purpose, wanted)
            raise FleetHostUnknown("the record", unreachable, record.hosts, again=again)
        return fleet, policy
    return closed_for_good(fleet, hosts), policy


def _without(unknown: Collection[HostName], purpose: Purpose, hosts: Iterable[HostName]) -> str:
    """The command for the others; none if there are none, for without a host it means all of them."""
    rest = [name for name in hosts if name not in unknown]
    return plan_command(purpose, rest) if rest else ""


def closed_for_good(fleet: Fleet, hosts: Iterable[HostName]) -> Fleet:
    """The fleet with hosts that stay closed once they are empty, so that none of them takes another's."""
    closed = {name: replace(fleet.hosts[name], closed=True) for name in hosts if name in fleet.hosts}
    return replace(fleet, hosts={**fleet.hosts, **closed})


def entry_of(record: Record, host: HostName) -> HostEntry | None:
    """The machine that Nova calls ``host``: by its whole name, or by the part before the first dot."""
    short = host.partition(".")[0]
    found = [e for n, e in record.hosts.items() if n == host or n.partition(".")[0] == short]
    return next((e for e in found if e.name == host), found[0] if found else None)
