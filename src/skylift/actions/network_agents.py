"""Close the agents of a network host, wait until they are back after its reboot, and open them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal, Undo
from skylift.model.ids import HostName
from skylift.model.network_agent import AgentKind, NetworkAgent, agent_closed_at, agent_is_ours
from skylift.model.problem import Fix, Remedy
from skylift.model.record import Record
from skylift.ports import Ports

_OPEN = "openstack network agent set --enable AGENT"


@dataclass(frozen=True, slots=True)
class CloseAgents(Action):
    """Let the agents of ``host`` carry nothing: they give up what they have at once, so be it elsewhere."""

    kind: ClassVar[str] = "close-agents"

    host: HostName
    labels: tuple[str, ...]
    """The run's own label, then those of earlier runs that left them closed."""

    @property
    def title(self) -> str:
        return f"close the network agents of {self.host}"

    def observe(self, ports: Ports) -> Progress:
        left = [a.kind.value for a in agents_of(ports, self.host) if a.open]
        return Pending(f"open yet: {', '.join(left)}") if left else Done()

    def advance(self, ports: Ports) -> None:
        for agent in agents_of(ports, self.host):
            if agent.open:
                ports.network.close(agent, label=self.labels[0])

    def reversal(self) -> Reversal:
        return Undo(OpenAgents(self.host, self.labels))


@dataclass(frozen=True, slots=True)
class AwaitAgents(Action):
    """Wait until the agents of ``host`` report, and were started after they had been closed for the run."""

    kind: ClassVar[str] = "await-agents"

    host: HostName

    @property
    def title(self) -> str:
        return f"wait until the network agents of {self.host} report anew"

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Look at what they say."""
        return (Remedy(Fix.REPAIR, f"see why: skylift ssh {self.host} journalctl -n 100 -u 'neutron-*'"),)

    def observe(self, ports: Ports) -> Progress:
        left = [a.kind.value for a in agents_of(ports, self.host) if not _is_back(a)]
        return Pending(f"not heard of since: {', '.join(left)}") if left else Done()

    def advance(self, ports: Ports) -> None:
        """Nothing to push: they report by themselves."""

    def reversal(self) -> Reversal:
        return NothingToUndo("waiting changes nothing")


@dataclass(frozen=True, slots=True)
class OpenAgents(Action):
    """Let the agents of ``host`` carry what is assigned to them, if it was we who closed them."""

    kind: ClassVar[str] = "open-agents"

    host: HostName
    labels: tuple[str, ...]
    """Whose closing is taken back: no other is."""

    @property
    def title(self) -> str:
        return f"open the network agents of {self.host}"

    def observe(self, ports: Ports) -> Progress:
        left = [a.kind.value for a in agents_of(ports, self.host) if agent_is_ours(a, self.labels)]
        return Pending(f"closed yet: {', '.join(left)}") if left else Done()

    def advance(self, ports: Ports) -> None:
        for agent in agents_of(ports, self.host):
            if agent_is_ours(agent, self.labels):
                ports.network.open(agent, labels=self.labels)

    def by_hand(self, record: Record) -> tuple[str, ...]:
        """Those whose description names Skylift, by their ids.

        Source: python-openstackclient, network agent list and network agent set.
        """
        del record
        return (f"openstack network agent list --host {self.host}", _OPEN)

    def reversal(self) -> Reversal:
        return NothingToUndo("an agent that carries what is assigned to it is the usual state")


@dataclass(frozen=True, slots=True)
class TryAgents(Action):
    """Open the agents of ``host``, and see that they report and carry again what is assigned to them."""

    kind: ClassVar[str] = "try-agents"

    opening: OpenAgents

    @property
    def title(self) -> str:
        return f"open the network agents of {self.opening.host}, and see what they carry come up"

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Look at what they say."""
        return (
            Remedy(Fix.REPAIR, f"see why: skylift ssh {self.opening.host} journalctl -n 100 -u 'neutron-*'"),
        )

    def observe(self, ports: Ports) -> Progress:
        opened = self.opening.observe(ports)
        if isinstance(opened, Pending):
            return opened
        for agent in agents_of(ports, self.opening.host):
            if not agent.open:
                continue  # its operator had closed it
            if not agent.alive:
                return Pending(f"the {agent.kind.value} does not report")
            # Of a highly available router only the active one is up, and that is elsewhere.
            dhcp = ports.network.carried(agent) if agent.kind is AgentKind.DHCP else ()
            left = [of.id for of in dhcp if not of.quiet and agent.host not in of.served]
            if left:
                return Pending(f"DHCP is not up yet in {len(left)} networks, such as {left[0]}")
        return Done()

    def advance(self, ports: Ports) -> None:
        self.opening.advance(ports)

    def reversal(self) -> Reversal:
        return Undo(CloseAgents(self.opening.host, self.opening.labels))


def agents_of(ports: Ports, host: HostName) -> tuple[NetworkAgent, ...]:
    """The agents of a host that carry what is others', too."""
    return tuple(
        a for a in ports.network.agents() if a.host == host and a.carries and a.kind is not AgentKind.GATEWAY
    )


def _is_back(agent: NetworkAgent) -> bool:
    """Neutron's clock wrote when it started, and ours when it was closed: minutes lie between."""
    closed = agent_closed_at(agent)
    heard = agent.started_at is not None and (closed is None or agent.started_at > closed)
    return agent.alive and heard
