"""All rules over the plan of network hosts, which is replayed turn by turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from skylift.verifier.fleet.seen import Violation
from skylift.verifier.network.seen import (
    DHCP,
    GATEWAY,
    NOUNS,
    AgentSeen,
    NetworkSeen,
    ThingSeen,
    against,
    carries,
    network_seen,
)


class _Turn(NamedTuple):
    host: str
    moves: tuple[tuple[str, str, str], ...]
    """Of each thing that goes to another host: its id, what it is, and where it goes."""
    stays: tuple[str, ...]


def verify_network(seen: Mapping[str, Any], plan: Mapping[str, Any]) -> tuple[Violation, ...]:
    """What speaks against a plan of network hosts; none if it may be shown.

    ``seen`` has beside Neutron's ``agents`` and ``things`` the ``hosts`` that were asked for, and those of
    them that are to be ``first``. A document that cannot be read has one violation that says so.
    """
    try:
        now, hosts, first = network_seen(seen), list(seen["hosts"]), set(seen["first"])
        turns = [_Turn(t["host"], tuple(map(tuple, t["moves"])), tuple(t["stays"])) for t in plan["turns"]]
        held = dict(plan["held"])
        return (*_each_once(now, hosts, turns, held), *_in_order(turns, first), *_replayed(now, turns, held))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return (Violation("form", f"the documents cannot be judged: {type(error).__name__} {error}"),)


def _each_once(
    now: NetworkSeen, hosts: list[str], turns: list[_Turn], held: Mapping[str, str]
) -> Iterator[Violation]:
    """Each host that was asked for and carries something has one turn, or is left out for a reason."""
    concerned = {a.host for a in now.agents.values() if carries(a) or a.kind == GATEWAY} & set(hosts)
    said = Counter([turn.host for turn in turns])
    said.update(held.keys())
    for host in sorted(said.keys() | concerned):
        if said[host] > 1 or (said[host] and host not in concerned):
            yield Violation("turn", f"{host} has {said[host]} turns, and needs {int(host in concerned)}")
        if not said[host]:
            yield Violation("forgotten", f"{host} is neither worked on nor named as left out")


def _in_order(turns: list[_Turn], first: set[str]) -> Iterator[Violation]:
    """Canaries come before all others."""
    others = False
    for turn in turns:
        if turn.host in first and others:
            yield Violation("order", f"{turn.host} comes after hosts that are no canaries")
        others = others or turn.host not in first


def _replayed(now: NetworkSeen, turns: list[_Turn], held: Mapping[str, str]) -> Iterator[Violation]:
    unproved = {host for host in held if not _is_stuck(now, host)}
    for turn in turns:
        yield from _may_be_told(now, turn.host)
        yield from _moves_well(now, turn)
        yield from _leaves_nothing(now, turn)
        now = _after(now, turn)
        # What was given to it meanwhile may be what has nowhere to go.
        unproved = {host for host in unproved if not _is_stuck(now, host)}
    for host in sorted(unproved):
        yield Violation("proof", f"{host} could be emptied, and is left out: {held[host]}")


def _may_be_told(now: NetworkSeen, host: str) -> Iterator[Violation]:
    for agent in now.agents.values():
        if agent.host == host and agent.kind == GATEWAY:
            yield Violation("turn", f"{host} is a gateway of OVN, and nothing moves what it carries")
        if agent.host == host and carries(agent) and not agent.alive:
            yield Violation("turn", f"the {agent.kind} on {host} tells nobody when it is empty")


def _moves_well(now: NetworkSeen, turn: _Turn) -> Iterator[Violation]:
    """What moves is there, moves once, and to an agent that may have it."""
    there = {of.id: of for of in now.on(turn.host)}
    for name, times in Counter([*(move[0] for move in turn.moves), *turn.stays]).items():
        if times > 1:
            yield Violation("once", f"{name} is named {times} times in the turn of {turn.host}")
        if name not in there:
            yield Violation("place", f"{name} leaves {turn.host} or stays there, and is not on it")
    for name, what, target in turn.moves:
        of = there.get(name)
        if of is None:
            continue
        if what != NOUNS[of.kind]:
            yield Violation("place", f"{of.name} is called a {what}")
        yield from _may_go(now, of, turn.host, target)


def _may_go(now: NetworkSeen, of: ThingSeen, host: str, target: str) -> Iterator[Violation]:
    found = [a for a in now.agents.values() if a.host == target and a.kind == of.kind]
    if target == host or not found:
        yield Violation("target", f"{of.name} goes from {host} to {target}, which has no other {of.kind}")
    for agent in found:
        rule, why = against(agent, of)
        if rule:
            yield Violation(rule, f"{of.name} goes to {target}: {why}")
        if agent.id in of.on and target != host:
            yield Violation("target", f"{of.name} goes to {target}, which has it already")


def _leaves_nothing(now: NetworkSeen, turn: _Turn) -> Iterator[Violation]:
    """What is on the host is given to another agent, or carried by one that would do without this host."""
    away = {name for name, _, _ in turn.moves}
    for of in now.on(turn.host):
        if of.id in away:
            continue
        if of.id not in turn.stays:
            yield Violation("missed", f"nothing is said of {of.name} on {turn.host}")
        if not _others(now, of, turn.host):
            yield Violation("missed", f"{of.name} stays on {turn.host}, and no other agent carries it")


def _others(now: NetworkSeen, of: ThingSeen, host: str) -> tuple[AgentSeen, ...]:
    found = (now.agents[a] for a in of.on if a in now.agents)
    return tuple(a for a in found if a.host != host and a.serves)


def _is_stuck(now: NetworkSeen, host: str) -> bool:
    """Whether a host cannot be emptied: somebody must act first, or something on it has nowhere to go."""
    if any(_may_be_told(now, host)):
        return True
    return any(
        not _others(now, of, host)
        and all(a.host == host or a.id in of.on or against(a, of)[0] for a in now.agents.values())
        for of in now.on(host)
    )


def _after(now: NetworkSeen, turn: _Turn) -> NetworkSeen:
    """What is where once a turn is over."""
    things = dict(now.things)
    for name, _, target in turn.moves:
        of = things.get(name)
        new = {a.id for a in now.agents.values() if of and (a.host, a.kind) == (target, of.kind)}
        if of is None or not new:
            continue
        left = {a for a in of.on if now.host_of(a) == turn.host}
        kept = of.on if of.ha else of.on - left if of.kind == DHCP else frozenset()
        things[name] = replace(of, on=kept | new)
    return replace(now, things=things)
