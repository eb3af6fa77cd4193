"""Whole orders made from the catalog's data, and an oracle that walks along one: both know no verifier.

An order is a list of items; one that is a list itself has items that run side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

Document = Mapping[str, Any]
Order = list[str | list[str]]
_AS_UPGRADE = ("stop", "start", "upgrade")


@dataclass(frozen=True)
class Wanted:
    """One reason why ``first`` ends before ``then`` begins."""

    first: str
    then: str
    why: str


class Rulebook:
    """What the documents and the rules of every component want of an order of all that there is."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = documents
        self.items = [item for document in documents for item in _items(document)]
        self.wanted: dict[str, list[Wanted]] = {}
        for document in documents:
            for wanted in (*_general(document), *self.of_rules(document)):
                self.wanted.setdefault(wanted.then, []).append(wanted)

    def of_rules(self, document: Document) -> Iterator[Wanted]:
        """A document's own rules, for every pair of items that they speak of."""
        for rule in document.get("order", ()):
            yield from self.of_rule(rule)

    def of_rule(self, rule: Mapping[str, str]) -> Iterator[Wanted]:
        """One rule; an item that is on both of its sides counts for the side that says less."""
        firsts, thens = self.moments(rule["before"]), self.moments(rule["after"])
        both = set(self.items_of(rule["before"])) & set(self.items_of(rule["after"]))
        narrow = set(self.items_of(rule["before"])) == both
        for first in firsts:
            for then in thens:
                skipped = (then if narrow else first) in both or _service(first) == _service(then) != ""
                if not skipped:
                    yield Wanted(first, then, rule["because"])

    def items_of(self, event: str) -> list[str]:
        """The items that an event of a rule speaks of."""
        verb, _, subject = event.partition(" ")
        own = next((d for d in self.documents if d["name"] == subject), None)
        names = [s["name"] for s in own["services"]] if own else [subject]
        if verb == "run" and own:
            names = [f"{subject}:{p['name']}" for p in own["phases"]]
        if verb in {"pin", "unpin"}:
            names = [subject]
        wanted = {f"{v} {name}" for name in names for v in (_AS_UPGRADE if verb in _AS_UPGRADE else (verb,))}
        return [item for item in self.items if item in wanted]

    def moments(self, event: str) -> list[str]:
        """The items at which an event begins and ends: what goes cold is upgraded by its start."""
        unwanted = {"stop": "start", "start": "stop", "upgrade": "stop"}.get(event.partition(" ")[0], "-")
        return [item for item in self.items_of(event) if not item.startswith(f"{unwanted} ")]

    def around(self, chance: Random, rule: Mapping[str, str]) -> Order:
        """The items of the components that a rule speaks of, in an order that keeps every rule."""
        own = {item for event in (rule["before"], rule["after"]) for item in self.items_of(event)}
        spoken = [items for d in self.documents if own & set(items := list(_items(d)))]
        return self.order(chance, [item for items in spoken for item in items])

    def some(self, chance: Random, components: int) -> Order:
        """The items of some components, in an order that keeps every rule."""
        chosen = chance.sample(self.documents, min(components, len(self.documents)))
        return self.order(chance, [item for document in chosen for item in _items(document)])

    def order(self, chance: Random, items: Sequence[str] = ()) -> Order:
        """These items, or if there are none all, in an order that keeps every rule.

        Raises:
            ValueError: the rules contradict each other.
        """
        chosen: list[str] = list(items or self.items)
        before = {item: {wanted.first for wanted in self.wanted.get(item, ())} for item in chosen}
        listed: list[str] = []
        while before:
            free = [item for item, waits in before.items() if not waits & before.keys()]
            if not free:
                raise ValueError("the rules contradict each other around: " + ", ".join(sorted(before)))
            listed.append(chance.choice(free))
            del before[listed[-1]]
        return [*listed]

    def broken(self, order: Order) -> set[str]:
        """Why an order is wrong: found by walking along it, with all that is done and all that has begun."""
        ended: set[str] = set()
        here = {item for entry in order for item in _side_by_side(entry)}
        found: set[str] = set()
        for entry in order:
            for item in _side_by_side(entry):
                found |= {w.why for w in self.wanted.get(item, ()) if w.first in here - ended}
            ended |= set(_side_by_side(entry))
        return found | set(self._halves(here))

    def _halves(self, items: set[str]) -> Iterator[str]:
        for document in self.documents:
            for service in (s["name"] for s in document["services"]):
                stops, starts = f"stop {service}" in items, f"start {service}" in items
                if stops and not starts:
                    yield "stopped for good"
                if starts and not stops and items & set(_phases(document, "cold")):
                    yield "cold"


def _side_by_side(entry: str | list[str]) -> list[str]:
    return [entry] if isinstance(entry, str) else entry


def as_written(order: Order) -> list[Any]:
    """The order as a file has it."""
    return [entry if isinstance(entry, str) else {"together": entry} for entry in order]


def _service(item: str) -> str:
    verb, subject = item.split(" ")
    return subject if verb in _AS_UPGRADE else ""


def _phases(document: Document, stage: str) -> list[str]:
    return [f"run {document['name']}:{p['name']}" for p in document.get("phases", ()) if p["stage"] == stage]


def _goes_cold(document: Document) -> bool:
    return bool(_phases(document, "cold"))


def _items(document: Document) -> Iterator[str]:
    for verb in ("stop", "start") if _goes_cold(document) else ("upgrade",):
        yield from (f"{verb} {service['name']}" for service in document["services"])
    for stage in ("expand", "cold", "converge"):
        yield from _phases(document, stage)
    if "pin" in document:
        yield from (f"pin {document['name']}", f"unpin {document['name']}")


def _general(document: Document) -> Iterator[Wanted]:
    """What holds for every component, in words of its own."""
    name, names = document["name"], [s["name"] for s in document["services"]]
    cold = _goes_cold(document)
    new = [f"{'start' if cold else 'upgrade'} {service}" for service in names]
    stops = [f"stop {service}" for service in names] if cold else []
    yield from _pairs(_phases(document, "expand"), new, "schema before new code")
    yield from _pairs(stops, _phases(document, "cold"), "cold")
    yield from _pairs(_phases(document, "cold"), new if cold else [], "cold")
    yield from _pairs(stops, new if cold else [], "stopped before started")
    yield from _pairs(new, _phases(document, "converge"), "contract after old code")
    if "pin" in document:
        yield from _pairs([f"pin {name}"], new, "pinned while mixed")
        yield from _pairs(new, [f"unpin {name}"], "unpinned last")
    for schema in {p.get("schema", "") for p in document.get("phases", ())}:
        runs = [f"run {name}:{p['name']}" for p in document["phases"] if p.get("schema", "") == schema]
        for number, run in enumerate(runs):
            yield from _pairs(runs[:number], [run], "phases in their order")


def _pairs(firsts: Iterable[str], thens: Sequence[str], why: str) -> Iterator[Wanted]:
    yield from (Wanted(first, then, why) for first in firsts for then in thens)
