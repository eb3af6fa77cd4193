"""What decides how network hosts are emptied, with one flaw each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from tests.app.network_run import Turns

from skylift.actions.network_agents import CloseAgents, OpenAgents, TryAgents
from skylift.engine.fleet_run import FleetExecution
from skylift.engine.host_turn import HostTurn
from skylift.engine.journal import StepStarted, milliseconds
from skylift.engine.network_hosts import NetworkHosts
from skylift.fleet.network import Leaving, NetworkNow, Shift, agents_on
from skylift.fleet.sight import Stage
from skylift.model.cloud import UnitState
from skylift.model.ids import Epoch, HostName
from skylift.model.network_agent import Carried
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_roster import DOWN_S

Things = Iterable[Carried]


class ClosesFirst(NetworkHosts):
    """As a compute host is closed before it is emptied."""

    def leaving(self, host: HostName, things: Things, seen: NetworkNow) -> Leaving:
        agents = agents_on(seen.agents.values(), host)
        if any(agent.open for agent in agents):
            return Leaving()
        return super().leaving(host, things, seen)


class EmptiesNothing(NetworkHosts):
    """Leaves it to Neutron to find another agent for what is on a closed one."""

    def leaving(self, host: HostName, things: Things, seen: NetworkNow) -> Leaving:
        del host, things, seen
        return Leaving()


class NeverLooks(NetworkHosts):
    """Takes an agent that is closed for one that nothing is missed of."""

    def missed(self, host: HostName, things: Things, seen: NetworkNow) -> tuple[str, ...]:
        del host, things, seen
        return ()


class GivesToAnybody(NetworkHosts):
    """Asks for no mode and no zone, and not whether an agent is alive: worst of all first."""

    def leaving(self, host: HostName, things: Things, seen: NetworkNow) -> Leaving:
        found = super().leaving(host, things, seen)
        by_id = {of.id: of for of in things}
        shifts = (self._elsewhere(s, by_id[s.name], host, seen) for s in found.shifts)
        return replace(found, shifts=tuple(shifts))

    def _elsewhere(self, shift: Shift, of: Carried, host: HostName, now: NetworkNow) -> Shift:
        if shift.assign is None:
            return shift
        alike = (a for a in now.agents.values() if a.kind is of.kind and a.id not in of.on)
        others = (a for a in alike if a.host != host)
        return replace(shift, assign=min(others, key=lambda a: (now.against(a, of) == "", a.id)))


class ReleasesAtOnce(NetworkHosts):
    """Takes DHCP off the host as soon as it was given to another agent, up there or not."""

    def leaving(self, host: HostName, things: Things, seen: NetworkNow) -> Leaving:
        found = super().leaving(host, things, seen)
        own = {a.kind: a for a in agents_on(seen.agents.values(), host)}
        return replace(found, shifts=tuple(replace(s, release=own.get(s.kind)) for s in found.shifts))


class TakesAllOff(NetworkHosts):
    """Takes highly available routers off the host, too."""

    def leaving(self, host: HostName, things: Things, seen: NetworkNow) -> Leaving:
        found = super().leaving(host, things, seen)
        own = {a.id: a for a in agents_on(seen.agents.values(), host)}
        more = tuple(
            Shift(of.id, of.kind, release=own[agent])
            for of in things
            for agent in of.on.keys() & own.keys()
            if of.ha
        )
        return replace(found, shifts=(*found.shifts, *more))


class AllAtOnce(NetworkHosts):
    """Begins each host as soon as there is one to begin."""

    def go_on(self, now: Epoch, *, begins: bool) -> None:
        run = self._ledger.run
        for turn in self._own if begins else ():
            if turn.stage(run) is Stage.DUE and not turn.begun(run) and not turn.trouble(run):
                self._ledger.write(StepStarted(turn.emptying, 1, milliseconds(now)))
        super().go_on(now, begins=begins)


class TakesNoneForOut(AllAtOnce):
    """Gives what leaves one host to another that is being emptied, too."""

    def leaving(self, host: HostName, things: Things, seen: NetworkNow) -> Leaving:
        return super().leaving(host, things, replace(seen, out=frozenset({host}), later=frozenset()))


class ForgetsTheReleased(NetworkHosts):
    """Looks no more at a router that it has released, and that nobody has."""

    def leaving(self, host: HostName, things: Things, seen: NetworkNow) -> Leaving:
        return super().leaving(host, [of for of in things if of.on], seen)


class KeepsClosed(NetworkHosts):
    """Gives a host back, and leaves its agents closed."""

    def _give_back(self, now: Epoch) -> None:
        turns = self._turns
        self._turns = {host: replace(turn, agents=None) for host, turn in turns.items()}
        super()._give_back(now)
        self._turns = turns


@dataclass(frozen=True, slots=True)
class _OpensAll(OpenAgents):
    """Whoever closed them."""

    def advance(self, ports: Ports) -> None:
        for agent in agents_on(ports.network.agents(), self.host):
            ports.network.open(agent, labels=self.labels)


@dataclass(frozen=True, slots=True)
class _ClosesNone(CloseAgents):
    def advance(self, ports: Ports) -> None:
        del ports


def _work(turns: Turns, change: Callable[[HostTurn], HostTurn]) -> Turns:
    return {host: change(turn) for host, turn in turns.items()}


def never_opens(turns: Turns) -> Turns:
    """No turn ends with the opening."""
    return _work(turns, lambda t: replace(t, work=tuple(s for s in t.work if "carry@" not in s.id)))


def opens_what_others_closed(turns: Turns) -> Turns:
    def anyway(turn: HostTurn) -> HostTurn:
        steps = (
            replace(s, action=TryAgents(_OpensAll(s.action.opening.host, s.action.opening.labels)))
            if isinstance(s.action, TryAgents)
            else s
            for s in turn.work
        )
        return replace(turn, work=tuple(steps))

    return _work(turns, anyway)


def opens_before_it_reboots(turns: Turns) -> Turns:
    """The same steps, and the opening before the reboot."""
    return _work(turns, lambda t: replace(t, work=(t.work[-1], *t.work[:-1])))


def as_it_is(cloud: FakeCloud) -> None:
    del cloud


def net3_is_dead(cloud: FakeCloud) -> None:
    for unit in cloud.hosts[HostName("net3")].units.values():
        unit.state = UnitState.FAILED
    cloud.pass_time(2 * DOWN_S)


def zones(cloud: FakeCloud) -> None:
    for name in ("l3-net1", "dhcp-net1", "l3-net2", "dhcp-net2"):
        cloud.neutron.agents[name].zone = "az1"
    cloud.neutron.things["r1"].zones = frozenset({"az1"})


def snat(cloud: FakeCloud) -> None:
    for name in ("l3-net1", "l3-net2"):
        cloud.neutron.agents[name].mode = "dvr_snat"
    cloud.neutron.things["r1"].distributed = True


def one_closed_by_its_operator(cloud: FakeCloud) -> None:
    for name in ("r1", "ha"):
        del cloud.neutron.things[name]
    closed = cloud.neutron.agents["l3-net1"]
    closed.open, closed.description = False, "closed by rey: rack move"


def nobody_else_takes_r1(cloud: FakeCloud) -> None:
    cloud.neutron.refuses = {("r1", f"l3-net{n}") for n in (2, 3)}


def it_never_fails_over(cloud: FakeCloud) -> None:
    cloud.neutron.keeps = True


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is flawed, the rule by which it must be seen, and what there must be for it to show."""

    rule: str
    network: type[NetworkHosts] = NetworkHosts
    turns: Callable[[Turns], Turns] = lambda turns: turns
    there_is: Callable[[FakeCloud], None] = as_it_is
    hosts: tuple[HostName, ...] = (HostName("net1"),)

    @property
    def execution(self) -> type[FleetExecution]:
        """The engine with it."""
        return type("Flawed", (FleetExecution,), {"network_hosts": self.network})


BOTH = (HostName("net1"), HostName("net2"))
FLAWS: Mapping[str, Flaw] = {
    "closes first": Flaw("missed", ClosesFirst),
    "empties nothing": Flaw("missed", EmptiesNothing),
    "looks at no failover": Flaw("missed", NeverLooks, there_is=it_never_fails_over),
    "trusts the dead": Flaw("target", GivesToAnybody, there_is=net3_is_dead),
    "forgets zones": Flaw("zone", GivesToAnybody, there_is=zones),
    "forgets modes": Flaw("mode", GivesToAnybody, there_is=snat),
    "releases at once": Flaw("missed", ReleasesAtOnce),
    "takes all off": Flaw("kept", TakesAllOff),
    "all at once": Flaw("one", AllAtOnce, hosts=BOTH),
    "gives to whom is emptied": Flaw("out", TakesNoneForOut, hosts=BOTH),
    "forgets the released": Flaw("astray", ForgetsTheReleased, there_is=nobody_else_takes_r1),
    "keeps what it gives back closed": Flaw("closed", KeepsClosed, there_is=it_never_fails_over),
    "never opens": Flaw("closed", turns=never_opens),
    "opens what others closed": Flaw(
        "not ours", turns=opens_what_others_closed, there_is=one_closed_by_its_operator
    ),
    "opens before it reboots": Flaw("work", turns=opens_before_it_reboots),
}
