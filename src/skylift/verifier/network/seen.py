"""What the verifier reads of Neutron's agents and of what they carry, from documents alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

L3, DHCP, GATEWAY = "L3 agent", "DHCP agent", "OVN Controller Gateway agent"
NOUNS: Mapping[str, str] = {L3: "router", DHCP: "network"}
"""What one of the things is called that agents of a kind carry."""
_OF_OTHERS = frozenset({"", "legacy", "dvr_snat"})
"""Modes in which an L3 agent carries what other hosts' users need. Source: Neutron, agent_mode."""
_OURS = re.compile(r"closed by Skylift for (\S+), since [^\s;]+(?:; before: (.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """One agent."""

    id: str
    kind: str
    host: str
    alive: bool
    open: bool
    description: str
    mode: str
    zone: str

    @property
    def serves(self) -> bool:
        """Whether it carries anything for others, now that it is alive and open."""
        return self.alive and self.open and self.mode in _OF_OTHERS

    @property
    def closed_for(self) -> str:
        """The run that it says it is closed for; empty if it is open, or somebody else closed it."""
        found = None if self.open else _OURS.fullmatch(self.description)
        return found[1] if found else ""

    @property
    def own_words(self) -> str:
        """Its description without ours."""
        found = _OURS.fullmatch(self.description)
        return (found[2] or "") if found else self.description


@dataclass(frozen=True, slots=True)
class ThingSeen:
    """A router, or the DHCP of a network."""

    id: str
    kind: str
    on: frozenset[str]
    """The ids of the agents that it is assigned to."""
    active: frozenset[str]
    """Those of them that it is active on."""
    served: frozenset[str]
    """Hosts on which its ports are up."""
    quiet: bool
    ha: bool
    distributed: bool
    zones: frozenset[str]

    @property
    def name(self) -> str:
        """Such as ``router r1``."""
        return f"{NOUNS[self.kind]} {self.id}"


@dataclass(frozen=True, slots=True)
class NetworkSeen:
    """What Neutron told at one moment."""

    agents: Mapping[str, AgentSeen]
    things: Mapping[str, ThingSeen]

    def host_of(self, agent: str) -> str:
        """Empty if the agent is gone."""
        return self.agents[agent].host if agent in self.agents else ""

    def on(self, host: str) -> tuple[ThingSeen, ...]:
        """What is assigned to the agents of a host that carry what is others'."""
        own = {a.id for a in self.agents.values() if a.host == host and carries(a)}
        return tuple(of for of in self.things.values() if of.on & own)

    def is_up_beside(self, of: ThingSeen, host: str) -> bool:
        """Whether something is active on another host's agent that is alive and open."""
        others = [self.agents[a] for a in of.on if a in self.agents and self.agents[a].host != host]
        return any(
            a.serves and (a.id in of.active if of.ha else a.host in of.served or of.quiet) for a in others
        )


def carries(agent: AgentSeen) -> bool:
    """Whether an agent is one of those that carry what is others', alive or not."""
    return agent.kind in NOUNS and agent.mode in _OF_OTHERS


def against(agent: AgentSeen, of: ThingSeen) -> tuple[str, str]:
    """The rule by which an agent may not be given something, and why; both empty if it may."""
    zones = ", ".join(sorted(of.zones))
    for rule, why, holds in (
        ("target", f"is no {of.kind}", agent.kind != of.kind),
        ("target", "does not report", not agent.alive),
        ("target", "is closed", not agent.open),
        ("mode", f"is in mode {agent.mode}", not carries(agent)),
        ("mode", f"is in mode {agent.mode}", of.distributed and agent.mode != "dvr_snat"),
        ("zone", f"is in zone {agent.zone}, not in {zones}", bool(of.zones) and agent.zone not in of.zones),
    ):
        if holds:
            return rule, f"the {agent.kind} on {agent.host} {why}"
    return "", ""


def network_seen(document: Mapping[str, Any]) -> NetworkSeen:
    """Read what Neutron told: lists of ``agents`` and ``things``."""
    agents = map(_agent, document["agents"])
    return NetworkSeen({a.id: a for a in agents}, {of.id: of for of in map(_thing, document["things"])})


def _agent(said: Mapping[str, Any]) -> AgentSeen:
    keys: Iterable[str] = ("id", "kind", "host", "alive", "open", "description", "mode", "zone")
    return AgentSeen(**{key: said[key] for key in keys})


def _thing(said: Mapping[str, Any]) -> ThingSeen:
    return ThingSeen(
        said["id"],
        said["kind"],
        frozenset(said["on"]),
        frozenset(agent for agent, active in said["on"].items() if active),
        frozenset(said["served"]),
        said["quiet"],
        said["ha"],
        said["distributed"],
        frozenset(said["zones"]),
    )
