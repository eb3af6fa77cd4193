"""How a network host is emptied: where its routers, and its networks' DHCP, go before it is worked on; pure.

What another agent carries, too, may stay assigned: a highly available router fails over when its agent is
closed, and a network with a second DHCP agent is served by that. All else goes to another agent first. A
router that only one agent may carry is away for the moment between; DHCP is added before it is removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from skylift.model.ids import HostName
from skylift.model.network_agent import AgentKind, Carried, NetworkAgent

_CENTRAL = "dvr_snat"


@dataclass(frozen=True, slots=True)
class Shift:
    """One thing is given to another agent, or given up by the one that had it, or both, in the order said."""

    name: str
    kind: AgentKind
    release: NetworkAgent | None = None
    """First it is released from here, if from anywhere."""
    assign: NetworkAgent | None = None
    """Then it is assigned to this agent, if to any."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """What is yet to be done until a host's agents may be closed."""

    shifts: tuple[Shift, ...] = ()
    coming: tuple[str, ...] = ()
    """What is assigned elsewhere, and is not up there yet."""
    stuck: tuple[str, ...] = ()
    """Of each thing that no other agent can carry, a sentence with the proof."""
    arrived: tuple[str, ...] = ()
    """What has left the host, and is up elsewhere."""

    @property
    def over(self) -> bool:
        """Whether nothing on the host would be missed."""
        return not (self.shifts or self.coming or self.stuck)


@dataclass(frozen=True, slots=True)
class NetworkNow:
    """All agents, and how they may be used now."""

    agents: Mapping[str, NetworkAgent]
    """By their id."""
    out: frozenset[HostName]
    """Hosts that are being emptied or worked on: nothing is given to them."""
    later: frozenset[HostName] = frozenset()
    """Hosts that are yet to be worked on: what is given to them moves twice, so others are better."""
    refused: Collection[tuple[str, str]] = ()
    """What Neutron would not do: a thing and an agent."""
    given: Counter[str] = field(default_factory=Counter)
    """By agent, what it was given since it reported."""

    def others(self, of: Carried) -> list[NetworkAgent]:
        """Agents that carry a thing, or could at once, beside those of the hosts that are out."""
        found = (self.agents[a] for a in of.on if a in self.agents)
        return [a for a in found if a.alive and a.open and a.carries and a.host not in self.out]

    def home(self, of: Carried) -> NetworkAgent | None:
        """The agent that a thing is best given to; none if there is none."""
        fit = [a for a in self.agents.values() if not self.against(a, of)]
        return min(
            fit, key=lambda a: (a.host in self.later, a.load + self.given[a.id], a.host, a.id), default=None
        )

    def against(self, agent: NetworkAgent, of: Carried) -> str:
        """Why an agent cannot be given a thing; empty if it can."""
        if agent.kind is not of.kind:
            return f"is no {of.kind.value}"
        if agent.id in of.on:
            return "has it already"
        if agent.host in self.out:
            return "is being worked on, too"
        if not agent.alive:
            return "does not report"
        if not agent.open:
            return "is closed"
        if not agent.carries or (of.distributed and agent.mode != _CENTRAL):
            return f"is in mode {agent.mode}"
        if of.zones and agent.zone not in of.zones:
            return f"is in zone {agent.zone or 'none'}, and its owner asked for {', '.join(sorted(of.zones))}"
        if (of.id, agent.id) in self.refused:
            return "was refused by neutron"
        return ""

    def proof(self, of: Carried, host: HostName) -> str:
        """The sentence that says why a thing on a host can go nowhere."""
        told = [
            f"the one on {a.host} {self.against(a, of)}"
            for a in sorted(self.agents.values(), key=lambda a: a.host)
            if a.kind is of.kind and a.host != host
        ]
        rest = "; ".join(told) or "there is none"
        kind = of.kind.value
        return f"{of.kind.noun} {of.id} on {host} has nowhere to go: of other agents of kind {kind}, {rest}"


def agents_on(agents: Iterable[NetworkAgent], host: HostName) -> tuple[NetworkAgent, ...]:
    """The agents of a host that carry what is others', too."""
    return tuple(a for a in agents if a.host == host and a.carries)


class _Elsewhere(Enum):
    """How a thing stands on other hosts."""

    UP = "up"
    """Or, if it is highly available, ready to be."""
    COMING = "coming"


def leaving(
    host: HostName, things: Iterable[Carried], now: NetworkNow, asked: Mapping[str, HostName]
) -> Leaving:
    """What is to be done about ``things``: those on the host, and those that were asked to leave it.

    ``asked`` has, by thing, the host that the run gave it to. ``now.out`` has ``host`` itself.
    """
    shifts, coming, stuck, arrived = [], [], [], []
    # What is on no agent at all comes first.
    for of in sorted(things, key=lambda of: (bool(of.on), of.id)):
        own = next((now.agents[a] for a in of.on if a in now.agents and now.agents[a].host == host), None)
        match _one(of, own, now, host=host, asked=asked):
            case Shift() as shift:
                if shift.assign is not None:
                    now.given[shift.assign.id] += 1
                shifts.append(shift)
            case str(sentence):
                stuck.append(sentence)
            case _Elsewhere.UP if own is None:
                arrived.append(of.id)
            case _Elsewhere.UP:
                pass
            case _Elsewhere.COMING:
                coming.append(of.id)
    return Leaving(tuple(shifts), tuple(coming), tuple(stuck), tuple(arrived))


def _one(
    of: Carried, own: NetworkAgent | None, now: NetworkNow, *, host: HostName, asked: Mapping[str, HostName]
) -> Shift | str | _Elsewhere:
    """A shift, a proof that there is none, or how it stands elsewhere."""
    others = now.others(of)
    served = of.quiet or any(a.host in of.served for a in others)
    seen = _Elsewhere.UP if served else _Elsewhere.COMING
    if others and (of.kind is AgentKind.DHCP or not of.ha):
        # DHCP that the run has given to another agent is given up here, as it is there twice otherwise.
        if served and own is not None and of.id in asked:
            return Shift(of.id, of.kind, release=own)
        return seen
    if others:
        return _Elsewhere.UP
    if own is None and of.on:
        return seen
    home = now.home(of)
    if home is None and own is None:
        # It was released here, and whoever was to have it does not take it: rather here than nowhere.
        home = next((a for a in agents_on(now.agents.values(), host) if a.kind is of.kind and a.open), None)
    if home is None:
        return now.proof(of, host)
    alone = of.kind is AgentKind.L3 and not of.ha
    return Shift(of.id, of.kind, release=own if alone else None, assign=home)


def missed(host: HostName, things: Iterable[Carried], now: NetworkNow) -> tuple[str, ...]:
    """What on a host whose agents are closed is active nowhere else yet: the proof that nothing is."""
    return tuple(
        of.id
        for of in things
        if not of.quiet and not any(_active(of, a) for a in now.others(of) if a.host != host)
    )


def _active(of: Carried, agent: NetworkAgent) -> bool:
    return of.on[agent.id] if of.ha else agent.host in of.served


def may_leave(host: HostName, things: Mapping[HostName, Collection[Carried]], now: NetworkNow) -> bool:
    """Whether a host may be emptied beside those that are out: all that is theirs has another place."""
    if not now.out - {host}:
        return True
    together = NetworkNow(now.agents, now.out | {host}, now.later, now.refused)
    return all(
        together.others(of) or (not of.ha and together.home(of) is not None)
        for name in together.out
        for of in things.get(name, ())
    )


@dataclass(frozen=True, slots=True)
class NetworkTurn:
    """What is planned for one network host."""

    host: HostName
    moves: tuple[tuple[str, str, HostName], ...]
    """Each thing that goes to another host: its id, what it is, and where it goes."""
    stays: tuple[str, ...]
    """What is carried elsewhere, too, and stays assigned."""


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """The hosts in their order, one after another, and those that cannot be emptied, with the proof."""

    turns: tuple[NetworkTurn, ...] = ()
    held: Mapping[HostName, str] = field(default_factory=dict)


def plan_network(
    hosts: Collection[HostName],
    agents: Iterable[NetworkAgent],
    things: Mapping[HostName, Collection[Carried]],
    first: Collection[HostName] = (),
) -> NetworkPlan:
    """Which of ``hosts`` are emptied in which order: those in ``first``, then those that carry the least.

    Whatever was given to a host that is yet to be done moves with that once more.
    """
    known = {a.id: a for a in agents}
    load = {host: sum(1 for _ in things.get(host, ())) for host in hosts}
    order = sorted(hosts, key=lambda h: (h not in first, load[h], h))
    now_on = {of.id: of for own in things.values() for of in own}
    turns, held = [], {}
    given: Counter[str] = Counter()
    for place, host in enumerate(order):
        own = {a.id for a in agents_on(known.values(), host)}
        there = {of.id: of for of in now_on.values() if own & of.on.keys()}
        because = "; ".join(_in_the_way(host, known.values()))
        now = NetworkNow(known, frozenset({host}), frozenset(order[place + 1 :]), given=given)
        found = leaving(host, there.values(), now, {})
        if because or found.stuck:
            held[host] = because or "; ".join(found.stuck)
            continue
        now_on |= {s.name: _moved(there[s.name], s, own) for s in found.shifts}
        moves = tuple((s.name, s.kind.noun, s.assign.host) for s in found.shifts if s.assign is not None)
        away = {name for name, _, _ in moves}
        turns.append(NetworkTurn(host, moves, tuple(sorted(there.keys() - away))))
    return NetworkPlan(tuple(turns), held)


def _moved(of: Carried, shift: Shift, own: Collection[str]) -> Carried:
    """A thing as it is once it was given to another agent; a highly available one stays on its own, too."""
    kept = {agent: up for agent, up in of.on.items() if of.ha or agent not in own}
    new = {shift.assign.id: not of.ha} if shift.assign is not None else {}
    return replace(of, on=kept | new)


def _in_the_way(host: HostName, agents: Iterable[NetworkAgent]) -> Iterator[str]:
    for agent in sorted(agents, key=lambda a: a.kind.value):
        if agent.host != host:
            continue
        if agent.kind is AgentKind.GATEWAY:
            yield f"{host} is a gateway of OVN, and no API of Neutron's moves what it carries"
        elif agent.carries and not agent.alive:
            yield f"the {agent.kind.value} on {host} does not report, so nobody would know when it is empty"
