"""Routers and networks that a run gives to other agents: asked for, found again, never left without one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from skylift.engine.journal import AskedOf, Event, MovesAsked, milliseconds
from skylift.engine.ledger import Ledger
from skylift.fleet.network import Leaving, NetworkNow, Shift, leaving
from skylift.model.ids import Epoch, HostName
from skylift.model.network_agent import AgentKind, Carried
from skylift.model.problem import Refused
from skylift.ports import Ports

KINDS: Mapping[str, AgentKind] = {kind.noun: kind for kind in (AgentKind.L3, AgentKind.DHCP)}
"""By the way of a move that the journal tells: the agents that carry such a thing."""
_AT_ONCE = 4
"""Given away at one look. A router is away until its new agent has it: agents that get many take longer."""


class MovedNetworks:
    """What was asked for is in the journal; what became of it, with Neutron."""

    def __init__(self, ledger: Ledger, ports: Ports, events: Iterable[Event]) -> None:
        self._ledger, self._ports = ledger, ports
        self._asked: dict[tuple[HostName, str], AskedOf] = {}
        """By the host that it was to leave, and its id: the newest."""
        self._arrived: set[tuple[HostName, str]] = set()
        self.refused: dict[tuple[str, str], str] = {}
        """What Neutron would not do, by thing and agent: its words."""
        for event in events:
            if isinstance(event, MovesAsked):
                self._add(event.moves)

    def targets(self, host: HostName) -> dict[str, HostName]:
        """By what was asked to leave a host, the host that it was given to."""
        return {name: of.target for (source, name), of in self._asked.items() if source == host}

    def with_those_asked(self, host: HostName, things: Iterable[Carried]) -> tuple[Carried, ...]:
        """What is on a host, and what was asked to leave it, until it was seen to be up elsewhere."""
        found = {of.id: of for of in things}
        for (source, name), of in self._asked.items():
            if source == host and name not in found and (host, name) not in self._arrived:
                there = self._ports.network.find(KINDS[of.way], name)
                found |= {name: there} if there is not None else {}
        return tuple(found.values())

    def arrived(self, host: HostName, names: Iterable[str]) -> None:
        """These are up elsewhere: nobody need look at them again."""
        self._arrived.update((host, name) for name in names)

    def push(self, host: HostName, shifts: Iterable[Shift], now: Epoch) -> None:
        """Write down and ask for as many shifts as one look may; what is refused is kept."""
        some = tuple(shifts)[:_AT_ONCE]
        moves = tuple(AskedOf(s.name, host, s.assign.host, s.kind.noun) for s in some if s.assign)
        if moves and not self._ledger.write(MovesAsked(moves, milliseconds(now))):
            return
        self._add(moves)
        for shift in some:
            try:
                if shift.release is not None:
                    self._ports.network.release(shift.release, shift.name)
                if shift.assign is not None:
                    self._ports.network.assign(shift.assign, shift.name)
            except Refused as refused:
                agent = shift.assign or shift.release
                self.refused[shift.name, agent.id if agent else ""] = str(refused)

    def rescue(self, host: HostName, seen: NetworkNow, now: Epoch) -> None:
        """Give every router that was released and is nowhere an agent, though its host is given up."""
        asked = self.targets(host)
        astray = [of for of in self.with_those_asked(host, ()) if not of.on]
        self.push(host, leaving(host, astray, seen, asked).shifts, now)

    def told(self, found: Leaving) -> str:
        """What is left, in words."""
        said = (why for (name, _), why in self.refused.items() if any(name in proof for proof in found.stuck))
        told = (
            f"{len(found.shifts)} to go" if found.shifts else "",
            f"{len(found.coming)} not up elsewhere yet, such as {found.coming[0]}" if found.coming else "",
            *found.stuck[:1],
            *list(said)[:1],
        )
        return "; ".join(filter(None, told))

    def _add(self, moves: Iterable[AskedOf]) -> None:
        self._asked |= {(of.source, of.instance): of for of in moves if of.way in KINDS}
