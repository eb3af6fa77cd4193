"""The fake cloud behind the port of Neutron's agents."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from skylift.model.network_agent import (
    DESCRIPTION_MAX,
    AgentKind,
    Carried,
    NetworkAgent,
    agent_is_ours,
    closed_description,
    described_before,
)
from skylift.model.problem import Fix, Refused, Remedy
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_neutron import FakeAgent, FakeThing


class NeutronRefuses(Refused):
    """Neutron was asked for what its rules do not allow."""

    code = "fake.neutron-refuses"

    def __init__(self, what: str) -> None:
        super().__init__(f"neutron refused it: {what}", Remedy(Fix.REPAIR, "look at the agent"))


@dataclass(frozen=True, slots=True)
class FakeNetwork:
    """Neutron's agents, as its rules let them be changed."""

    cloud: FakeCloud

    def agents(self) -> tuple[NetworkAgent, ...]:
        self._reach()
        return tuple(self.cloud.neutron.seen(a) for a in self.cloud.neutron.agents.values())

    def carried(self, agent: NetworkAgent) -> tuple[Carried, ...]:
        self._reach()
        neutron = self.cloud.neutron
        return tuple(neutron.carried(t) for t in neutron.things.values() if agent.id in t.on)

    def find(self, kind: AgentKind, name: str) -> Carried | None:
        self._reach()
        thing = self.cloud.neutron.things.get(name)
        return self.cloud.neutron.carried(thing) if thing and thing.kind is kind else None

    def assign(self, agent: NetworkAgent, name: str) -> None:
        own, thing = self._agent(agent), self._thing(name)
        if own.id not in thing.on:
            self._allow(own, thing)
            thing.on[own.id] = None
        self.cloud.answer("network.assign", own.host)

    def _allow(self, own: FakeAgent, thing: FakeThing) -> None:
        """Source: neutron/db/l3_agentschedulers_db.py and agentschedulers_db.py, what is validated."""
        if thing.kind is not own.kind or not own.open or own.mode == "dvr":
            raise NeutronRefuses(f"{thing.id} cannot be on {own.id}")
        if (thing.distributed and own.mode != "dvr_snat") or (thing.id, own.id) in self.cloud.neutron.refuses:
            raise NeutronRefuses(f"{thing.id} cannot be on {own.id}")
        if thing.kind is AgentKind.L3 and not thing.ha and thing.on:
            raise NeutronRefuses(f"{thing.id} is on {next(iter(thing.on))} already")

    def release(self, agent: NetworkAgent, name: str) -> None:
        own, thing = self._agent(agent), self._thing(name)
        thing.on.pop(own.id, None)
        self.cloud.answer("network.release", own.host)

    def close(self, agent: NetworkAgent, *, label: str) -> None:
        own = self._agent(agent)
        if own.open:
            written = closed_description(label, self.cloud.now, own.description)
            if len(written) > DESCRIPTION_MAX:
                raise NeutronRefuses(f"the description of {own.id} is too long")
            own.open, own.description = False, written
        self.cloud.answer("network.close", own.host)

    def open(self, agent: NetworkAgent, *, labels: Collection[str]) -> None:
        own = self._agent(agent)
        seen = self.cloud.neutron.seen(own)
        if agent_is_ours(seen, labels):
            own.open, own.description = True, described_before(seen)
        self.cloud.answer("network.open", own.host)

    def _agent(self, agent: NetworkAgent) -> FakeAgent:
        self._reach()
        if agent.id not in self.cloud.neutron.agents or agent.kind is AgentKind.GATEWAY:
            raise NeutronRefuses(f"{agent.id} cannot be changed")
        return self.cloud.neutron.agents[agent.id]

    def _thing(self, name: str) -> FakeThing:
        if name not in self.cloud.neutron.things:
            raise NeutronRefuses(f"there is no {name}")
        return self.cloud.neutron.things[name]

    def _reach(self) -> None:
        self.cloud.reach(self.cloud.record.vantage.host)
