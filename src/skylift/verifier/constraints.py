"""The constraints of the catalog, judged on events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from skylift.verifier.events import Event, Events
from skylift.verifier.knowledge import Constraint, Knowledge

Pair = tuple[Event, Event]


def constraints_hold(known: Knowledge, events: Events) -> Iterator[str]:
    """Every constraint in the catalog's data, in so far as both of its sides happen."""
    for rule in known.constraints:
        constraint = _as_it_goes(rule, known, events)
        pairs = {(first.told, then.told): (first, then) for first, then in _broken(constraint, events)}
        for first, then in tuple(pairs.values())[:1]:
            more = f" (as may {counted(len(pairs) - 1, 'more pair')} like it)" if len(pairs) > 1 else ""
            yield f"{may_begin(then, first)}{more}: {constraint.because} ({constraint.source})"


def _as_it_goes(rule: Constraint, known: Knowledge, events: Events) -> Constraint:
    """Where all of a component has stopped, nothing new is left for its old services to meet.

    They start as on the way up, each after what it needs to come up.
    """
    owners = {known.owner(rule.before.subject), known.owner(rule.after.subject)}
    if rule.turned and len(owners) == 1 and owners <= events.cold:
        return replace(rule, before=rule.after, after=rule.before, turned=False)
    return rule


def unsaid(known: Knowledge, events: Events) -> Iterator[str]:
    """Constraints that could not be judged, as one item names several services and not their order."""
    for constraint in known.constraints:
        firsts, thens = _sides(constraint, events)
        blocks = {e.block for e in firsts if e.block} & {e.block for e in thens}
        for block in sorted(blocks):
            yield f"'{block}' does not say in which order its services go, so nobody knows: {constraint}"


def may_begin(then: Event, first: Event) -> str:
    """The start of a sentence about two events in a wrong or unknown order."""
    return f"{then.told} may begin before {first.told} has ended"


def counted(number: int, noun: str) -> str:
    """A number of things, in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _broken(constraint: Constraint, events: Events) -> Iterator[Pair]:
    firsts, thens = _sides(constraint, events)
    by_scope: dict[str, list[Event]] = {}
    for first in firsts:
        by_scope.setdefault(_scope(constraint, first), []).append(first)
    for then in thens:
        scope = _scope(constraint, then)
        near: Iterable[Event] = firsts if not scope else (*by_scope.get(scope, ()), *by_scope.get("", ()))
        for first in near:
            if not first.surely_before(then) and not (first.block and first.block == then.block):
                yield first, then


def _sides(constraint: Constraint, events: Events) -> tuple[list[Event], list[Event]]:
    """Events on each side; one that is on both, such as nova-api in nova, counts for the narrower."""
    firsts, thens = events.matching(constraint.before), events.matching(constraint.after)
    both = {id(e) for e in firsts} & {id(e) for e in thens}
    narrow_first = len(both) == len(firsts)
    return (
        [e for e in firsts if narrow_first or id(e) not in both],
        [e for e in thens if not narrow_first or id(e) not in both],
    )


def _scope(constraint: Constraint, event: Event) -> str:
    return {"cell": event.cell, "host": event.host}.get(constraint.within, "")
