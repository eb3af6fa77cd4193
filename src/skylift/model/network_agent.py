"""Neutron's agents, and what they carry: routers and the DHCP of networks.

An agent that is closed gives up what it carries at once, so it is closed last, when nothing is left that no
other agent carries. Beside its closing is written whose it is, in the agent's description, which may have
been its operator's: that is kept behind, and comes back with the opening.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from skylift.model.closing import reason_of
from skylift.model.ids import Epoch, HostName

DESCRIPTION_MAX = 255
"""Source: neutron-lib, api/definitions/agent.py and db/constants.py, DESCRIPTION_FIELD_SIZE."""
KEPT = "; before: "
"""What comes between our reason and the description that was there before."""
_CLOSED = re.compile(rf"closed by Skylift for (\S+), since ([^\s;]+)(?:{KEPT}(.*))?", re.DOTALL)


class AgentKind(Enum):
    """Kinds of agent that carry what other hosts' users need; its value is Neutron's word for it."""

    L3 = "L3 agent"
    DHCP = "DHCP agent"
    GATEWAY = "OVN Controller Gateway agent"
    """Carries gateways by OVN's own choice: no API of Neutron's moves them, or closes it."""

    @property
    def noun(self) -> str:
        """What one of the things is called that it carries."""
        return {AgentKind.L3: "router", AgentKind.DHCP: "network"}.get(self, "gateway")


@dataclass(frozen=True, slots=True)
class NetworkAgent:
    """One agent, as Neutron lists it."""

    id: str
    kind: AgentKind
    host: HostName
    alive: bool
    """Whether it has reported lately."""
    open: bool
    """Whether it carries anything: Neutron's ``admin_state_up``."""
    description: str = ""
    mode: str = ""
    """Of an L3 agent: ``legacy``, ``dvr_snat``, ``dvr`` or ``dvr_no_external``."""
    zone: str = ""
    """Its availability zone."""
    load: int = 0
    """Routers or networks that it said it carries, when it reported last."""
    started_at: Epoch | None = None
    heartbeat_at: Epoch | None = None

    @property
    def carries(self) -> bool:
        """Whether what it carries is for other hosts, too: a router's part in mode ``dvr`` is not."""
        return self.kind is not AgentKind.L3 or self.mode not in {"dvr", "dvr_no_external"}


@dataclass(frozen=True, slots=True)
class Carried:
    """A router, or the DHCP of a network, with the agents that are to carry it."""

    id: str
    kind: AgentKind
    """Of the agents that can carry it."""
    on: Mapping[str, bool]
    """By the id of an agent that it is assigned to: whether it is active there. Of a highly available router
    one is; of all else, every agent that it is assigned to counts as active."""
    served: frozenset[HostName] = frozenset()
    """The hosts on which its ports are up."""
    quiet: bool = False
    """Whether it has nothing that could be up: a router without ports, or one that its owner has shut."""
    ha: bool = False
    distributed: bool = False
    zones: frozenset[str] = frozenset()
    """Availability zones that its owner asked for; none if any will do."""


def closed_description(label: str, at: Epoch, before: str) -> str:
    """What is written beside an agent that is closed; ``before`` is what stood there."""
    return reason_of(label, at) + (f"{KEPT}{before}" if before else "")


def agent_label(agent: NetworkAgent) -> str:
    """The label of the plan that it was closed for; empty if it is open, or somebody else closed it."""
    found = None if agent.open else _CLOSED.fullmatch(agent.description)
    return found[1] if found else ""


def agent_is_ours(agent: NetworkAgent, labels: Collection[str]) -> bool:
    """Whether an agent was closed for one of these plans."""
    return agent_label(agent) in {*labels} - {""}


def agent_closed_at(agent: NetworkAgent) -> Epoch | None:
    """Since when it is closed, if we did that."""
    found = None if agent.open else _CLOSED.fullmatch(agent.description)
    try:
        return Epoch(datetime.fromisoformat(found[2]).timestamp()) if found else None
    except ValueError:
        return None


def described_before(agent: NetworkAgent) -> str:
    """What stood beside it before we closed it."""
    found = _CLOSED.fullmatch(agent.description)
    return (found[3] or "") if found else agent.description
