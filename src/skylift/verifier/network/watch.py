"""A run over network hosts, judged as it goes: each change of Neutron's agents as it is asked for.

Keeps nothing but what stood there before the run; what Neutron has at that moment is told with each change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from skylift.verifier.fleet.seen import Violation
from skylift.verifier.network.ends import ends_well
from skylift.verifier.network.seen import (
    DHCP,
    AgentSeen,
    NetworkSeen,
    ThingSeen,
    against,
    carries,
    network_seen,
)


class NetworkWatch:
    """Looks on at one run. Hosts that carry nothing but networks are worked on one at a time."""

    def __init__(self, run: str, before: Mapping[str, Any]) -> None:
        """``before`` has Neutron's ``agents`` and ``things``, and the ``hosts`` that only carry networks."""
        self._run, self._before, self._hosts = run, network_seen(before), frozenset(before["hosts"])
        self._went: set[tuple[str, str]] = set()
        """What was released, and by which host."""
        self._down: set[str] = set()
        """Hosts that were told to reboot, and whose agents were not opened since."""

    def asked(self, verb: str, agent: str, thing: str, now: Mapping[str, Any]) -> Iterator[Violation]:
        """A change of one agent is asked for; ``thing`` is empty where none is meant."""
        seen = network_seen(now)
        own, of = seen.agents.get(agent), seen.things.get(thing)
        if own is None or (thing and of is None):
            return  # it is gone, and Neutron says so
        of_things: Mapping[str, Callable[[NetworkSeen, AgentSeen, ThingSeen], Iterator[Violation]]] = {
            "assign": self._assigned,
            "release": self._released,
        }
        of_agents: Mapping[str, Callable[[NetworkSeen, AgentSeen], Iterator[Violation]]] = {
            "close": self._closed,
            "open": self._opened,
        }
        if of is not None:
            yield from of_things[verb](seen, own, of)
        else:
            yield from of_agents[verb](seen, own)

    def reboots(self, host: str, now: Mapping[str, Any]) -> Iterator[Violation]:
        """A host is about to be rebooted: its agents are closed, and nothing on it would be missed."""
        seen = network_seen(now)
        yield from self._alone(seen, host, "rebooted")
        self._down.add(host)
        for agent in seen.agents.values():
            if agent.host == host and carries(agent) and agent.open:
                yield Violation("work", f"{host} is rebooted, and the {agent.kind} on it is open")
        for of in seen.on(host):
            if not of.quiet and not seen.is_up_beside(of, host):
                yield Violation("missed", f"{host} is rebooted, and {of.name} is active nowhere else")
        yield from self._astray(seen, f"{host} is rebooted")

    def over(self, now: Mapping[str, Any], held: frozenset[str] = frozenset()) -> Iterator[Violation]:
        """The run is over; ``held`` are the hosts that it leaves closed on purpose."""
        yield from ends_well(self._before, network_seen(now), self._run, held)

    def _assigned(self, now: NetworkSeen, own: AgentSeen, of: ThingSeen) -> Iterator[Violation]:
        back = not of.on and (of.id, own.host) in self._went
        rule, why = against(own, of)
        if rule and own.id not in of.on:
            yield Violation(rule, f"{of.name} is given to {own.host}: {why}")
        if self._is_out(now, own.host) and not back:
            yield Violation("out", f"{of.name} is given to {own.host}, which is closed for the run")
        if of.kind != DHCP and not of.ha and of.on - {own.id}:
            yield Violation("place", f"{of.name} is given to {own.host}, and another agent has it")

    def _released(self, now: NetworkSeen, own: AgentSeen, of: ThingSeen) -> Iterator[Violation]:
        if own.id not in of.on:
            return
        yield from self._alone(now, own.host, "emptied")
        self._went.add((of.id, own.host))
        if of.ha:
            yield Violation("kept", f"{of.name} is taken off {own.host}: it fails over by itself, and back")
        elif of.kind == DHCP and not now.is_up_beside(of, own.host):
            yield Violation("missed", f"{of.name} is taken off {own.host}, and is up nowhere else")
        elif not any(self._could_have(now, a, of) for a in now.agents.values() if a.host != own.host):
            yield Violation("missed", f"{of.name} is taken off {own.host}, and nobody else can have it")

    def _closed(self, now: NetworkSeen, own: AgentSeen) -> Iterator[Violation]:
        """Closed last: it gives up at once what it has, so another agent must have that, or be ready to."""
        if not own.open:
            return
        yield from self._alone(now, own.host, "closed")
        for of in (of for of in now.things.values() if own.id in of.on):
            others = (now.agents[a] for a in of.on if a in now.agents)
            ready = any(a.serves for a in others if a.host != own.host)
            if not (ready if of.ha else now.is_up_beside(of, own.host)):
                yield Violation(
                    "missed", f"the {own.kind} on {own.host} is closed, and only it has {of.name}"
                )
        yield from self._astray(now, f"{own.host} is closed")

    def _opened(self, now: NetworkSeen, own: AgentSeen) -> Iterator[Violation]:
        del now
        self._down.discard(own.host)
        was = self._before.agents.get(own.id)
        if was is not None and not own.open and not own.closed_for:
            yield Violation("not ours", f"the {own.kind} on {own.host} is opened, and another closed it")

    def _could_have(self, now: NetworkSeen, agent: AgentSeen, of: ThingSeen) -> bool:
        return against(agent, of) == ("", "") and not self._is_out(now, agent.host)

    def _alone(self, now: NetworkSeen, host: str, what: str) -> Iterator[Violation]:
        others = [h for h in sorted(self._hosts - {host}) if self._is_out(now, h)]
        if host in self._hosts and others:
            yield Violation("one", f"{host} is {what} while {others[0]} is closed, or down")

    def _is_out(self, now: NetworkSeen, host: str) -> bool:
        ours = any(a.host == host and a.closed_for == self._run for a in now.agents.values())
        return ours or host in self._down

    def _astray(self, now: NetworkSeen, when: str) -> Iterator[Violation]:
        for of in now.things.values():
            if not of.on and self._before.things.get(of.id, of).on:
                yield Violation("astray", f"{when} while {of.name} is on no agent")
