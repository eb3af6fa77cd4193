"""The contract of Neutron's agents: of a cloud that has L3 and DHCP agents.

What they carry is given to another agent and back; where nothing is carried, or nobody else could, that is
skipped.
"""

from __future__ import annotations

import pytest

from skylift.model.network_agent import (
    AgentKind,
    Carried,
    NetworkAgent,
    agent_closed_at,
    agent_is_ours,
    agent_label,
    described_before,
)
from skylift.model.problem import Refused
from skylift.testing.contracts.scene import Scene

_NOBODY = "00000000-0000-4000-8000-000000000000"


def own_agents(scene: Scene, kind: AgentKind) -> tuple[NetworkAgent, ...]:
    """Those of a kind that can be given something."""
    return tuple(a for a in scene.ports.network.agents() if a.kind is kind and a.carries)


def again(scene: Scene, agent: NetworkAgent) -> NetworkAgent:
    """The agent as it is now."""
    return next(a for a in scene.ports.network.agents() if a.id == agent.id)


def carried(scene: Scene, kind: AgentKind) -> tuple[Carried, NetworkAgent, NetworkAgent]:
    """Something that an agent carries alone, that agent, and another one that does not carry it."""
    found = own_agents(scene, kind)
    for agent in found:
        for of in scene.ports.network.carried(agent):
            others = [a for a in found if a.id not in of.on and a.mode == agent.mode and a.alive and a.open]
            if others and len(of.on) == 1 and not of.ha:
                return of, agent, others[0]
    pytest.fail(f"no {kind.noun} is carried by one {kind.value} that another could stand in for")


class NetworkContract:
    """Agents that are closed and opened, and what is given from one to another."""

    def test_every_agent_is_alive_and_open(self, scene: Scene) -> None:
        found = scene.ports.network.agents()

        assert {a.kind for a in found} & {AgentKind.L3, AgentKind.DHCP}
        assert len({a.id for a in found}) == len(found)
        assert all(a.alive and a.open and a.host and a.started_at and a.heartbeat_at for a in found)
        assert all(a.mode for a in found if a.kind is AgentKind.L3)

    def test_what_an_agent_carries_says_so_itself(self, scene: Scene) -> None:
        network = scene.ports.network
        for kind in (AgentKind.L3, AgentKind.DHCP):
            for agent in own_agents(scene, kind):
                for of in network.carried(agent):
                    assert (of.kind, agent.id in of.on) == (kind, True)
                    assert network.find(kind, of.id) == of

    def test_an_agent_is_closed_once_for_one_label_and_opened_for_that_alone(self, scene: Scene) -> None:
        network = scene.ports.network
        mine, other = f"{scene.label}-mine", f"{scene.label}-other"
        agent = own_agents(scene, AgentKind.DHCP)[-1]

        network.close(agent, label=mine)
        closed = again(scene, agent)
        network.close(agent, label=other)
        network.open(agent, labels=[other])
        still = again(scene, agent)
        network.open(agent, labels=[other, mine])
        network.open(agent, labels=[mine])
        opened = again(scene, agent)

        assert (closed.open, agent_label(closed), agent_closed_at(closed) is None) == (False, mine, False)
        assert agent_is_ours(closed, [mine])
        assert described_before(closed) == agent.description
        assert (still.open, still.description) == (closed.open, closed.description)
        assert (opened.open, opened.description) == (agent.open, agent.description)

    def test_dhcp_is_given_to_a_second_agent_and_given_up_there(self, scene: Scene) -> None:
        network = scene.ports.network
        of, agent, other = carried(scene, AgentKind.DHCP)

        def seen() -> Carried:
            found = network.find(AgentKind.DHCP, of.id)
            assert found is not None
            return found

        network.assign(other, of.id)
        network.assign(other, of.id)
        on_both = set(seen().on)
        up = scene.until(lambda: seen().quiet or other.host in seen().served)
        network.release(other, of.id)
        network.release(other, of.id)

        assert on_both == {agent.id, other.id}
        assert up
        assert set(seen().on) == {agent.id}

    def test_a_router_is_released_before_another_agent_has_it(self, scene: Scene) -> None:
        network = scene.ports.network
        of, agent, other = carried(scene, AgentKind.L3)

        def there(where: NetworkAgent) -> bool:
            found = network.find(AgentKind.L3, of.id)
            return found is not None and where.id in found.on and (found.quiet or where.host in found.served)

        with pytest.raises(Refused):
            network.assign(other, of.id)
        network.release(agent, of.id)
        network.release(agent, of.id)
        nowhere = network.find(AgentKind.L3, of.id)
        network.assign(other, of.id)
        network.assign(other, of.id)
        moved = scene.until(lambda: there(other))
        network.release(other, of.id)
        network.assign(agent, of.id)

        assert nowhere is not None
        assert not nowhere.on
        assert moved
        assert scene.until(lambda: there(agent))

    def test_what_is_not_there_is_none_and_cannot_be_given_to_anybody(self, scene: Scene) -> None:
        network = scene.ports.network

        for kind in (AgentKind.L3, AgentKind.DHCP):
            assert network.find(kind, _NOBODY) is None
            for agent in own_agents(scene, kind)[:1]:
                with pytest.raises(Refused):
                    network.assign(agent, _NOBODY)
