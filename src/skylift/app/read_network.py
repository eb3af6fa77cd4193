"""The agents of Neutron as they are now, and the hosts that a plan must empty of what these carry."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from skylift.app.propose import PlanUnsafe
from skylift.app.site import Site
from skylift.fleet.document import network_document
from skylift.fleet.mandate import Purpose
from skylift.fleet.network import NetworkPlan, agents_on, plan_network
from skylift.model.codec import encode
from skylift.model.ids import HostName
from skylift.model.network_agent import AgentKind, NetworkAgent
from skylift.model.problem import Fix, Refused, Remedy
from skylift.verifier.network.plan import verify_network


class NetworksStuck(Refused):
    """What the agents of all hosts that are to be emptied carry has nowhere to go."""

    code = "fleet.networks-stuck"

    def __init__(self, held: Mapping[HostName, str]) -> None:
        told = "; ".join(held.values())
        super().__init__(
            f"none of these hosts can be emptied of what its network agents carry: {told}",
            Remedy(Fix.REPAIR, "start, or enable, an agent on another host: openstack network agent list"),
            Remedy(Fix.RETRY, "then plan again: skylift plan --reboot --host HOST -o FILE"),
        )


def network_zones(
    site: Site, purpose: Purpose, named: Collection[HostName], compute: Collection[HostName]
) -> dict[HostName, str]:
    """Of the hosts that were named, those that are no compute hosts and have agents of Neutron, by zone.

    A new hypervisor is for none of them.
    """
    others = [host for host in named if host not in compute]
    if not others or purpose is Purpose.HYPERVISOR:
        return {}
    zones: dict[HostName, str] = {}
    for agent in site.ports.network.agents():
        if agent.host in others:
            zones[agent.host] = agent.zone or zones.get(agent.host, "")
    return zones


def planned_network(
    site: Site, hosts: Collection[HostName], first: Collection[HostName] = (), *, again: str
) -> NetworkPlan:
    """What becomes of what the agents of ``hosts`` carry; hosts without such agents are not in it.

    ``again`` is the command that makes the plan.

    Raises:
        PlanUnsafe: the verifier does not accept it: a bug in the planner.
    """
    agents = site.ports.network.agents()
    concerned = [host for host in hosts if _concerns(agents, host)]
    things = {
        host: tuple(of for agent in agents_on(agents, host) for of in site.ports.network.carried(agent))
        for host in concerned
    }
    plan = plan_network(concerned, agents, things, first)
    seen = network_document(agents, (of for own in things.values() for of in own))
    if violations := verify_network({**seen, "hosts": list(hosts), "first": list(first)}, encode(plan)):
        raise PlanUnsafe(tuple(violation.sentence for violation in violations), again=again)
    return plan


def _concerns(agents: Collection[NetworkAgent], host: HostName) -> bool:
    return any(a.kind is AgentKind.GATEWAY or a.carries for a in agents if a.host == host)


def lost_network(site: Site, planned: Collection[HostName], *, again: str) -> Mapping[HostName, str]:
    """Those of the hosts of a plan that can no longer be emptied, each with the proof."""
    return planned_network(site, planned, again=again).held if planned else {}
