"""Neutron of the fake cloud: agents, the routers and networks that they carry, and how long each was missed.

An agent that is closed, or whose host is down, carries nothing at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skylift.model.cloud import UnitState
from skylift.model.ids import Epoch, HostName, ServiceName
from skylift.model.network_agent import AgentKind, Carried, NetworkAgent
from skylift.testing.fake_roster import DOWN_S

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

UP_S = 2
"""How long an agent takes to have something up."""
FAILOVER_S = 2
"""How long a highly available router is away when its active agent goes."""
SERVICES = {
    AgentKind.L3: ServiceName("neutron-l3-agent"),
    AgentKind.DHCP: ServiceName("neutron-dhcp-agent"),
}


@dataclass(slots=True)
class FakeAgent:
    """One agent; it works while its unit does, or its host if it has none of its own."""

    id: str
    kind: AgentKind
    host: HostName
    mode: str = ""
    zone: str = "nova"
    open: bool = True
    description: str = ""


@dataclass(slots=True)
class FakeThing:
    """A router, or a network."""

    id: str
    kind: AgentKind
    on: dict[str, float | None] = field(default_factory=dict)
    """By agent, since when that carries it; none while it does not."""
    ha: bool = False
    distributed: bool = False
    zones: frozenset[str] = frozenset()
    active: str = ""
    """Of a highly available router, the agent on which it is active."""
    lost_at: float | None = None
    """Since when that carries it no more."""


class FakeNeutron:
    """What there is, by id; a test puts routers and networks there."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self.agents: dict[str, FakeAgent] = {}
        self.things: dict[str, FakeThing] = {}
        self.away: Counter[str] = Counter()
        """For how many seconds each thing was up nowhere."""
        self.refuses: set[tuple[str, str]] = set()
        """Things that an agent cannot be given, whatever the rules say."""
        self.keeps = False
        """Whether closed agents go on with what they have, as an option of Neutron's lets them."""
        for kind, service in SERVICES.items():
            entry = cloud.record.services.get(service)
            for host in cloud.record.hosts_in(entry.role) if entry else ():
                self.agent(kind, host.name)

    def agent(self, kind: AgentKind, host: str, **more: object) -> FakeAgent:
        """An agent on a host."""
        mode = "legacy" if kind is AgentKind.L3 else ""
        made = FakeAgent(f"{kind.name.lower()}-{host}", kind, HostName(host), **{"mode": mode, **more})  # type: ignore[arg-type]
        self.agents[made.id] = made
        return made

    def router(self, name: str, *hosts: str, ha: bool = False, distributed: bool = False) -> FakeThing:
        """A router that is up on these hosts; if it is highly available, it is active on the first."""
        made = FakeThing(
            name, AgentKind.L3, _up_on("l3", hosts, self._cloud.now), ha=ha, distributed=distributed
        )
        made.active = next(iter(made.on), "") if ha else ""
        self.things[name] = made
        return made

    def network(self, name: str, *hosts: str) -> FakeThing:
        """A network whose DHCP is up on these hosts."""
        self.things[name] = FakeThing(name, AgentKind.DHCP, _up_on("dhcp", hosts, self._cloud.now))
        return self.things[name]

    def on(self, host: str) -> list[str]:
        """What is up on a host."""
        return [t.id for t in self.things.values() if host in {self.agents[a].host for a in self._up(t)}]

    def seen(self, agent: FakeAgent) -> NetworkAgent:
        """An agent as Neutron lists it."""
        heard, started = self._heard(agent)
        return NetworkAgent(
            agent.id,
            agent.kind,
            agent.host,
            alive=self._cloud.now - heard < DOWN_S,
            open=agent.open,
            description=agent.description,
            mode=agent.mode,
            zone=agent.zone,
            load=sum(agent.id in thing.on for thing in self.things.values()),
            started_at=started,
            heartbeat_at=heard,
        )

    def carried(self, thing: FakeThing) -> Carried:
        """A thing as Neutron lists it."""
        return Carried(
            thing.id,
            thing.kind,
            {a: not thing.ha or a == thing.active for a in thing.on},
            frozenset(self.agents[a].host for a in self._up(thing)),
            quiet=False,
            ha=thing.ha,
            distributed=thing.distributed,
            zones=thing.zones,
        )

    def pass_moment(self) -> None:
        """Let agents take up what they are to carry, and count what nobody has up."""
        now = self._cloud.now
        for thing in self.things.values():
            for name, since in thing.on.items():
                works = self._works(self.agents[name])
                thing.on[name] = (since if since is not None else now) if works else None
            if thing.ha:
                self._fail_over(thing)
            self.away[thing.id] += not any(self._up(thing))

    def _fail_over(self, thing: FakeThing) -> None:
        now = self._cloud.now
        if thing.on.get(thing.active) is not None:
            thing.lost_at = None
            return
        thing.lost_at = now if thing.lost_at is None else thing.lost_at
        ready = [a for a, since in thing.on.items() if since is not None and now - since >= UP_S]
        if ready and now - thing.lost_at >= FAILOVER_S:
            thing.active, thing.lost_at = ready[0], None

    def _up(self, thing: FakeThing) -> Iterator[str]:
        for name, since in thing.on.items():
            up = since is not None and self._cloud.now - since >= UP_S
            if up and self._works(self.agents[name]) and (not thing.ha or name == thing.active):
                yield name

    def _works(self, agent: FakeAgent) -> bool:
        host = self._cloud.hosts[agent.host]
        entry = self._cloud.record.services.get(SERVICES.get(agent.kind, ServiceName("")))
        unit = host.units.get(entry.unit) if entry else None
        runs = self._cloud.is_up(agent.host) and (unit is None or unit.state is UnitState.ACTIVE)
        return runs and (agent.open or self.keeps)

    def _heard(self, agent: FakeAgent) -> tuple[Epoch, Epoch]:
        """When it reported last, and when it started: by its row if it has one, by its host if not."""
        host, service = self._cloud.hosts[agent.host], SERVICES.get(agent.kind)
        entry = self._cloud.record.services.get(service) if service else None
        unit = host.units.get(entry.unit) if entry else None
        if unit is None:
            began = Epoch(host.booted_at or 0.0)
            return (self._cloud.now if self._cloud.is_up(agent.host) else began), began
        rows = [r.seen_at for r in self._cloud.roster.all() if (r.service, r.host) == (service, agent.host)]
        return Epoch(max(filter(None, rows), default=0.0)), Epoch(unit.started_at or 0.0)


def _up_on(kind: str, hosts: tuple[str, ...], now: float) -> dict[str, float | None]:
    return {f"{kind}-{host}": now - UP_S for host in hosts}
