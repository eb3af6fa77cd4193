"""Networks of any kind, from seeds: agents in all modes and zones, some unfit, and what is on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skylift.drainbench.clouds import Chance
from skylift.fleet.document import network_document
from skylift.fleet.network import agents_on, plan_network
from skylift.model.codec import encode
from skylift.model.ids import HostName
from skylift.model.network_agent import AgentKind, Carried, NetworkAgent

_ZONES = ("az1", "az2")
_MODES = ("legacy", "legacy", "dvr_snat", "dvr_snat", "dvr")
_UNFIT = 12
"""Of so many agents, one does not report, and one was closed by its operator."""


@dataclass(frozen=True, slots=True)
class Site:
    """What Neutron tells, and the hosts that a plan is asked for."""

    agents: tuple[NetworkAgent, ...]
    things: tuple[Carried, ...]
    hosts: tuple[HostName, ...]
    first: tuple[HostName, ...]

    def documents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was seen, and the plan of our planner for it."""
        seen = network_document(self.agents, self.things)
        asked = {"hosts": list(self.hosts), "first": list(self.first)}
        concerned = [host for host in self.hosts if agents_on(self.agents, host)]
        plan = plan_network(concerned, self.agents, self._by_host(), self.first)
        return {**seen, **asked}, encode(plan)

    def _by_host(self) -> Mapping[HostName, tuple[Carried, ...]]:
        own = {host: {a.id for a in agents_on(self.agents, host)} for host in self.hosts}
        return {host: tuple(of for of in self.things if own[host] & of.on.keys()) for host in self.hosts}


def site_of(seed: int, *, unfit: int = _UNFIT) -> Site:
    """Three to six hosts with both kinds of agent, or of the one alone; with ``unfit`` 0 each agent works."""
    chance = Chance(seed)
    hosts = [HostName(f"net{n}") for n in range(1, 4 + chance.below(4))]
    agents = tuple(a for n, host in enumerate(hosts) for a in _agents(chance, host, n, unfit))
    things = tuple(_thing(chance, number, agents) for number in range(4 + chance.below(20)))
    asked = tuple(host for host in hosts if chance.below(4)) or tuple(hosts[:1])
    return Site(agents, things, asked, asked[-1:] if chance.below(3) == 0 else ())


def _agents(chance: Chance, host: HostName, number: int, unfit: int) -> list[NetworkAgent]:
    made = []
    for kind in (AgentKind.L3, AgentKind.DHCP):
        if unfit and chance.below(8) == 0:
            continue  # a host with one kind alone
        mode = _MODES[chance.below(len(_MODES) if unfit else 2)] if kind is AgentKind.L3 else ""
        alive, is_open = (not unfit or chance.below(unfit) > 0 for _ in range(2))
        zone = _ZONES[number % 2]
        name = f"{kind.name.lower()}-{host}"
        made.append(NetworkAgent(name, kind, host, alive, is_open, f"rack {number}", mode, zone, number))
    return made


def _thing(chance: Chance, number: int, agents: tuple[NetworkAgent, ...]) -> Carried:
    kind = (AgentKind.L3, AgentKind.DHCP)[chance.below(2)]
    able = [a for a in agents if a.kind is kind and a.carries]
    name = f"{kind.noun}{number}"
    if not able:
        return Carried(name, kind, {})
    first, second = (able[chance.below(len(able))] for _ in range(2))
    ha = kind is AgentKind.L3 and chance.below(3) == 0
    on = {first, second} if ha or (kind is AgentKind.DHCP and chance.below(2)) else {first}
    zones = frozenset({first.zone} if chance.below(4) == 0 else ())
    return Carried(
        name,
        kind,
        {a.id: not ha or a is first for a in sorted(on, key=lambda a: a.id)},
        served=frozenset({first.host} if kind is AgentKind.L3 else {a.host for a in on}),
        quiet=chance.below(10) == 0,
        ha=ha,
        distributed=kind is AgentKind.L3 and first.mode == "dvr_snat" and chance.below(2) == 0,
        zones=zones,
    )
