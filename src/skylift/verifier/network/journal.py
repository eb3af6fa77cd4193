"""A run over network hosts, judged afterwards: by its journal, and by what Neutron told before and after it.

A journal says what was asked for and in which order, and not what became of it: that an agent was closed last
is judged as it is asked for (``watch``). An agent that was unfit both before the run and after it counts as
unfit all the while; what was deleted during the run counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from skylift.verifier.fleet.seen import Violation
from skylift.verifier.network.ends import ends_well
from skylift.verifier.network.seen import DHCP, NOUNS, NetworkSeen, ThingSeen, against, network_seen
from skylift.verifier.network.turns import EMPTY, Stage, Turns

_KINDS = {noun: kind for kind, noun in NOUNS.items()}


def verify_network_run(
    before: Mapping[str, Any], events: Sequence[Mapping[str, Any]], after: Mapping[str, Any]
) -> tuple[Violation, ...]:
    """What speaks against a run, by its journal's events as documents; nothing if all was as it must be.

    ``before`` has beside Neutron's ``agents`` and ``things`` the ``hosts`` of the run that only carry
    networks, and whether they are only to be emptied, as ``drained``.
    """
    try:
        turns = Turns(tuple(before["hosts"]), before["drained"])
        places = _Places(network_seen(before), network_seen(after), turns)
        found = [violation for event in events for violation in _read(event, turns, places)]
        return (*found, *_ended(events, turns, places))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return (Violation("form", f"the documents cannot be judged: {type(error).__name__} {error}"),)


def _read(event: Mapping[str, Any], turns: Turns, places: _Places) -> Iterator[Violation]:
    match event["kind"]:
        case "step-started":
            yield from turns.started(event)
        case "step-done":
            turns.done(event)
            what, _, host = event["step"].partition("@")
            if what == EMPTY:
                yield from places.is_empty(host)
        case "step-failed" | "step-skipped" | "step-postponed":
            turns.left(event)
        case "moves-asked":
            for move in event["moves"]:
                if move["way"] in _KINDS:
                    yield from places.asked(move)
        case _:
            return


def _ended(events: Sequence[Mapping[str, Any]], turns: Turns, places: _Places) -> Iterator[Violation]:
    run = next((e["run"] for e in events if e["kind"] == "run-opened"), "")
    closed = next((e["outcome"] for e in events if e["kind"] == "run-closed"), "")
    leaves = any(e["leave"] for e in events if e["kind"] == "run-aborting")
    yield from ends_well(places.before, places.after, run, turns.may_be_closed(open_yet=leaves or not closed))
    for host in turns.forgotten() if closed == "completed" else ():
        yield Violation("forgotten", f"the run is complete, and {host} is not through")


class _Places:
    """Where routers and networks are, by what was asked for."""

    def __init__(self, before: NetworkSeen, after: NetworkSeen, turns: Turns) -> None:
        self.before, self.after, self._turns = before, after, turns
        self._on = {of.id: of for of in before.things.values() if of.id in after.things}
        self._left: dict[str, set[str]] = {}
        """By host, what was asked to leave it."""

    def asked(self, move: Mapping[str, Any]) -> Iterator[Violation]:
        """Something is given to another agent."""
        name, source, target = move["instance"], move["source"], move["target"]
        left = self._left.setdefault(source, set())
        again, of = name in left, self._on.get(name)
        stage = self._turns.stage.get(source)
        # One that was released, and is nowhere, is given an agent also when its host is given back.
        if stage is not Stage.EMPTYING and not (again and stage is not None):
            yield Violation("turn", f"{name} is given away by {source}, whose turn it is not")
        left.add(name)
        if of is None:
            return  # it came to be during the run, or is gone
        there = again or any(self.before.host_of(a) == source for a in of.on)
        if of.kind != _KINDS[move["way"]] or not there:
            yield Violation("place", f"{of.name} is given away by {source}, and is not there")
        if target != source or not again:
            # Rather where it was than nowhere: one that nobody takes may go back.
            yield from self._may_go(of, target)
        self._on[name] = self._given(of, source, target)

    def is_empty(self, host: str) -> Iterator[Violation]:
        """What is carried by the host alone, or by hosts that are out, is missed from here on."""
        for of in self._on.values():
            on = [self.before.agents[a] for a in of.on if a in self.before.agents]
            beside = [a for a in on if a.host != host and not self._turns.is_out(a.host, held=True)]
            if any(a.host == host for a in on) and not any(self._serves(a.id) for a in beside):
                yield Violation("missed", f"{host} is said to be empty, and only it carries {of.name}")

    def _may_go(self, of: ThingSeen, target: str) -> Iterator[Violation]:
        found = [a for a in self.before.agents.values() if (a.host, a.kind) == (target, of.kind)]
        if not found:
            yield Violation("target", f"{of.name} is given to {target}, which has no {of.kind}")
        for agent in found:
            rule, why = against(agent, of)
            later = self.after.agents.get(agent.id, agent)
            if rule and against(later, of)[0]:
                yield Violation(rule, f"{of.name} is given to {target}: {why}")
        if self._turns.is_out(target, held=True):
            yield Violation("out", f"{of.name} is given to {target}, which is out itself")

    def _given(self, of: ThingSeen, source: str, target: str) -> ThingSeen:
        new = {a.id for a in self.before.agents.values() if (a.host, a.kind) == (target, of.kind)}
        own = {a for a in of.on if self.before.host_of(a) == source}
        kept = of.on if of.ha else of.on - own if of.kind == DHCP else frozenset()
        return replace(of, on=kept | new)

    def _serves(self, agent: str) -> bool:
        return any(agent in seen.agents and seen.agents[agent].serves for seen in (self.before, self.after))
