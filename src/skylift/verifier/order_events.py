"""The items of an order as events: which service on which host, and what has surely ended before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from skylift.verifier.events import Event, Events, Turn, events_of
from skylift.verifier.knowledge import OF_SERVICES, Knowledge
from skylift.verifier.order_text import ALL_AT_ONCE, Group, Item, Misread

_ANY = ("one host", "another host")
"""Stand for the hosts of a service that no item names: with two of them, order among hosts shows."""

Place = tuple[str, str]
"""A service and a host."""


def order_events(order: Group, known: Knowledge) -> tuple[Events, tuple[Misread, ...]]:
    """The events of an order, and items that say again what another has said."""
    targets = _targets(order, known)
    misread = tuple(_said_again(order, targets))
    if misread:
        return events_of((), (), {}), misread
    timeline = _Timeline(known, targets)
    timeline.add(order, 0)
    return timeline.events(), ()


def _moves(item: Item) -> tuple[str, ...]:
    """What an item does to a service: to upgrade it is to stop and to start it."""
    return ("stop", "start") if item.verb == "upgrade" else (item.verb,)


def _targets(order: Group, known: Knowledge) -> Mapping[str, tuple[Place, ...]]:
    """Per item, the services and hosts that it speaks of.

    A component stands for those of its services that no other item with the same verb names, and an
    item without a host for those hosts that no other such item names.
    """
    items = [item for item in order.items() if item.verb in OF_SERVICES]
    services = {item.at: _services(item, items, known) for item in items}
    hosts: dict[str, dict[str, None]] = {}
    taken: set[tuple[str, str, str]] = set()
    for item in items:
        for service in services[item.at]:
            hosts.setdefault(service, {}).update(dict.fromkeys([item.host] if item.host else _ANY))
            taken |= {(move, service, item.host) for move in _moves(item) if item.host}
    return {
        item.at: tuple(
            (service, host)
            for service in services[item.at]
            for host in ([item.host] if item.host else hosts[service])
            if item.host or not any((move, service, host) in taken for move in _moves(item))
        )
        for item in items
    }


def _services(item: Item, items: list[Item], known: Knowledge) -> tuple[str, ...]:
    own = known.services(item.subject)
    if len(own) == 1:
        return own
    others = {
        service
        for other in items
        if set(_moves(other)) & set(_moves(item)) and len(known.services(other.subject)) == 1
        for service in known.services(other.subject)
    }
    return tuple(service for service in own if service not in others)


def _said_again(order: Group, targets: Mapping[str, tuple[Place, ...]]) -> Iterator[Misread]:
    seen: dict[tuple[str, Place], Item] = {}
    for item in order.items():
        told = {(move, place) for move in _moves(item) for place in targets.get(item.at, ())}
        before = next((seen[key] for key in sorted(told) if key in seen), None)
        if before:
            what = f"'{item.text}' was said before, as '{before.text}'"
            yield Misread(item.at, what, "keep one of the two, or name the host in each")
        elif item.verb in OF_SERVICES and not told:
            what = f"'{item.text}' is left with nothing: other items name all that it could mean"
            yield Misread(item.at, what, "remove it")
        seen.update(dict.fromkeys(told, item))


@dataclass(slots=True)
class _Turn:
    """A turn while its items are read."""

    steps: dict[str, dict[int, int]] = field(default_factory=dict)
    blocks: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Timeline:
    """Gives each thing that happens a number, and knows which others have ended before it."""

    known: Knowledge
    targets: Mapping[str, tuple[Place, ...]]
    number: int = 0
    turns: dict[Place, _Turn] = field(default_factory=dict)
    single: list[Event] = field(default_factory=list)

    def add(self, part: Group | Item, behind: int) -> int:
        """Add what comes when the steps in ``behind`` have ended; its own steps, as bits."""
        if isinstance(part, Item):
            return self._item(part, behind)
        own = 0
        for inner in part.parts:
            own |= self.add(inner, behind if part.side_by_side else behind | own)
        return own

    def events(self) -> Events:
        """All that was added."""
        places: dict[str, frozenset[Place]] = {}
        for service, host in self.turns:
            component = self.known.owner(service)
            places[component] = places.get(component, frozenset()) | {(service, host)}
        return events_of((self._turn(place, turn) for place, turn in self.turns.items()), self.single, places)

    def _turn(self, place: Place, turn: _Turn) -> Turn:
        service, host = place
        told = service if host in _ANY else f"{service} on {host}"
        return Turn(self.known.owner(service), service, host, "", turn.steps, told, turn.blocks)

    def _item(self, item: Item, behind: int) -> int:
        if item.verb not in OF_SERVICES:
            return self._once(item, behind)
        own, places = 0, self.targets[item.at]
        services = dict.fromkeys(service for service, _ in places)
        for service in services:
            chain = 0
            for place in (place for place in places if place[0] == service):
                before = behind if item.where == ALL_AT_ONCE else behind | chain
                chain |= self._moves_of(item, place, before, block=item.text if len(services) > 1 else "")
            own |= chain
        return own

    def _moves_of(self, item: Item, place: Place, behind: int, *, block: str) -> int:
        turn = self.turns.setdefault(place, _Turn())
        own = 0
        for move in _moves(item):
            step = {self.number: behind | own}
            turn.steps[move] = step
            turn.blocks[move] = block
            if move in {"stop", "start"}:
                turn.steps["upgrade"] = {**turn.steps.get("upgrade", {}), **step}
                turn.blocks["upgrade"] = block
            own |= 1 << self.number
            self.number += 1
        return own

    def _once(self, item: Item, behind: int) -> int:
        own = 1 << self.number
        self.number += 1
        told = item.text if item.verb == "unpin" else f"{item.verb} {item.subject}"
        component = item.subject.partition(":")[0]
        self.single.append(
            Event(
                verb=item.verb,
                component=component,
                subject=item.subject,
                host="",
                cell="",
                steps=own,
                waits=behind,
                told=told,
                manner=item.manner,
            )
        )
        return own
