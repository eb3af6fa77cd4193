"""An order as people write it down: its items, understood.

::

    item  = VERB SUBJECT [by restart | by reload] [on HOST | on all at once]
    order = a list of items, one after the other; ``together`` has what runs side by side, and a list in
            it runs one after the other again
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from skylift.verifier.knowledge import OF_COMPONENTS, OF_SERVICES, RUN, VERBS, Knowledge, Pattern

ALL_AT_ONCE = "all at once"
_ITEM = re.compile(r"(\S+) (\S+)(?: by (\S+))?(?: on (all at once|[A-Za-z0-9][\w.-]*))?")
_FORM = "write: VERB SUBJECT, such as 'upgrade nova-api on ctl1'"


@dataclass(frozen=True, slots=True)
class Misread:
    """An item that says nothing that could be judged."""

    at: str
    """Where: ``order.3`` is the third item, ``order.3.together.1`` the first in its group."""
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Item:
    """One item, understood."""

    at: str
    text: str
    verb: str
    subject: str
    manner: str
    where: str
    """A host, ``all at once``, or empty for all hosts, one after another."""

    @property
    def host(self) -> str:
        """The one host that it names; empty if it names none."""
        return "" if self.where == ALL_AT_ONCE else self.where


@dataclass(frozen=True, slots=True)
class Group:
    """Items, or groups of them, one after the other or side by side."""

    side_by_side: bool
    parts: tuple[Item | Group, ...]

    def items(self) -> Iterator[Item]:
        """All items in it."""
        for part in self.parts:
            if isinstance(part, Item):
                yield part
            else:
                yield from part.items()


def read_items(listed: Any, known: Knowledge) -> tuple[Group, tuple[Misread, ...]]:
    """The items of an order, and every one that could not be read; to be used only if there is none.

    ``listed`` is what stands under ``order``, as plain lists, mappings and texts.
    """
    misread: list[Misread] = []
    return _Reader(known, misread).group(listed, "order"), tuple(misread)


@dataclass(frozen=True, slots=True)
class _Reader:
    known: Knowledge
    misread: list[Misread]

    def group(self, listed: Any, at: str, *, side_by_side: bool = False) -> Group:
        if not isinstance(listed, list) or not listed:
            self.misread.append(
                Misread(at, "is no list of items", "write one item a line, each after a dash")
            )
            return Group(side_by_side, ())
        parts = [self.part(entry, f"{at}.{number}") for number, entry in enumerate(listed, start=1)]
        return Group(side_by_side, tuple(part for part in parts if part))

    def part(self, entry: Any, at: str) -> Item | Group | None:
        if isinstance(entry, str):
            return self.item(entry, at)
        if isinstance(entry, dict) and set(entry) == {"together"}:
            return self.group(entry["together"], f"{at}.together", side_by_side=True)
        if isinstance(entry, list):
            return self.group(entry, at)
        self.misread.append(Misread(at, "is no item", f"{_FORM}, or a group: 'together: [...]'"))
        return None

    def item(self, text: str, at: str) -> Item | None:
        match = _ITEM.fullmatch(" ".join(text.split()))
        if match is None:
            self.misread.append(Misread(at, f"is {text!r}", _FORM))
            return None
        item = Item(at, text, match[1], match[2], match[3] or "", match[4] or "")
        wrong = tuple(self._wrong(item))
        self.misread.extend(wrong[:1])
        return None if wrong else item

    def _wrong(self, item: Item) -> Iterator[Misread]:
        if item.verb not in VERBS:
            yield Misread(item.at, f"{item.verb} is no verb of an order", _meant(item.verb, VERBS))
        elif not self.known.knows(Pattern(item.verb, item.subject)) or (
            item.verb == RUN and ":" not in item.subject
        ):
            yield Misread(item.at, f"{_KINDS[item.verb]} {item.subject} is not known", self._nearest(item))
        if item.manner and (item.verb != "unpin" or item.manner not in {"restart", "reload"}):
            yield Misread(
                item.at,
                f"'by {item.manner}' says nothing here",
                "write it after unpin: by restart, by reload",
            )
        if item.where and item.verb not in OF_SERVICES:
            told = f"{item.verb} happens once, and on no host of its own"
            yield Misread(item.at, told, f"remove 'on {item.where}'")

    def _nearest(self, item: Item) -> str:
        components = self.known.components
        if item.verb in OF_COMPONENTS:
            return _meant(item.subject, components)
        if item.verb == RUN:
            return _meant(item.subject, [f"{c.name}:{p}" for c in components.values() for p in c.phases])
        return _meant(item.subject, {*components, *self.known.owners})


_KINDS = {RUN: "phase", **dict.fromkeys(OF_SERVICES, "service"), **dict.fromkeys(OF_COMPONENTS, "component")}
_DESCRIBE = "describe it in a file of the catalog, and name that with --catalog-file"
_FEW = 12
"""Words that still fit into a remedy."""


def _meant(word: str, words: Collection[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"write one of: {', '.join(sorted(words))}" if len(words) <= _FEW else _DESCRIBE
