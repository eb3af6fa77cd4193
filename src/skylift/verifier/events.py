"""Events in a partial order: what a plan and an order written by hand have in common.

A constraint speaks of events, not of steps, so that both are judged by the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

from skylift.verifier.knowledge import Pattern

_ANYTHING = -1
"""Every step, as bits: what surely has all of them behind it waits for nothing more."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to a service on a host, or to a component once."""

    verb: str
    component: str
    subject: str
    """The service; for ``run``, ``COMPONENT:PHASE``; for a pin, the component."""
    host: str
    """Empty for what happens once."""
    cell: str
    """Empty if none is known."""
    steps: int
    """The steps it consists of, as bits."""
    waits: int
    """The steps that have surely ended when it begins, as bits."""
    told: str
    """As a sentence names it."""
    block: str = ""
    """An item that names several services and not their order: its events are not held against each other."""
    last: bool = False
    """Of a stop: whether it is not to start again, for its service ends."""
    manner: str = ""
    """For ``unpin``: ``restart`` or ``reload``, if that is told."""

    def surely_before(self, other: Event) -> bool:
        """Whether it has ended whenever ``other`` begins."""
        return not self.steps & ~other.waits


@dataclass(frozen=True, slots=True)
class Events:
    """All that happens, and where services are that nothing may have happened to."""

    all: tuple[Event, ...]
    places: Mapping[str, frozenset[tuple[str, str]]]
    """Per component, each service with each host that it is known to run on."""
    cold: frozenset[str]
    """Components of which every service has stopped before the first starts."""

    by_subject: Mapping[Pattern, tuple[Event, ...]]
    """By verb and service, phase or component."""

    def of(self, *verbs: str, component: str = "") -> tuple[Event, ...]:
        """Events of these verbs, of one component or of all."""
        return tuple(e for e in self.all if e.verb in verbs and component in {"", e.component})

    def matching(self, pattern: Pattern) -> tuple[Event, ...]:
        """Events that a pattern speaks of."""
        return self.by_subject.get(pattern, ())


@dataclass(frozen=True, slots=True)
class Turn:
    """What happens to one service on one host, before it is known whether its component goes cold."""

    component: str
    service: str
    host: str
    cell: str
    steps: Mapping[str, Mapping[int, int]]
    """Per verb, its steps by number, each with the steps that have surely ended before it, as bits."""
    told: str
    """The place, as a sentence names it: a service and perhaps a host."""
    blocks: Mapping[str, str]
    """Per verb, the item that does not tell the order of its services."""
    last: bool = False
    """Whether its service ends with it."""


def events_of(
    turns: Iterable[Turn], single: Iterable[Event], places: Mapping[str, frozenset[tuple[str, str]]]
) -> Events:
    """The events of all turns, beside those that happen once.

    An upgrade begins with taking the service out of use. Where a whole component is stopped before
    any of it starts, it begins with the start: what is stopped meets nobody, old or new.
    """
    listed = tuple(turns)
    cold = frozenset(c for c in {turn.component for turn in listed} if _goes_cold(c, listed))
    found = (*(e for turn in listed for e in _of_turn(turn, cold)), *single)
    by_subject: dict[Pattern, list[Event]] = {}
    for event in found:
        for subject in {event.subject, event.component}:
            by_subject.setdefault(Pattern(event.verb, subject), []).append(event)
    return Events(found, places, cold, {pattern: tuple(events) for pattern, events in by_subject.items()})


def _of_turn(turn: Turn, cold: frozenset[str]) -> Iterator[Event]:
    for verb, steps in turn.steps.items():
        begun = steps
        if verb == "upgrade" and turn.component in cold:
            # What ends does not start: it may stop whenever it likes, among the other stops.
            begun = turn.steps.get("start", {0: _ANYTHING})
        yield Event(
            verb=verb,
            component=turn.component,
            subject=turn.service,
            host=turn.host,
            cell=turn.cell,
            steps=bits(steps),
            waits=reduce(and_, begun.values()),
            told=f"{verb} {turn.told}",
            block=turn.blocks.get(verb, ""),
            last=turn.last,
        )


def bits(numbers: Iterable[int]) -> int:
    """A set of numbers as bits."""
    return reduce(or_, (1 << number for number in numbers), 0)


def _goes_cold(component: str, turns: tuple[Turn, ...]) -> bool:
    """Whether every service of a component has stopped before the first starts."""
    own = [turn for turn in turns if turn.component == component and "start" in turn.steps]
    stops = reduce(or_, (bits(turn.steps.get("stop", {})) for turn in own), 0)
    starts = [waits for turn in own for waits in turn.steps["start"].values()]
    return len(own) > 1 and bool(stops) and not any(stops & ~waits for waits in starts)
