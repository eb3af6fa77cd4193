"""An order, written by hand or taken from another tool, judged by the rules that plans are judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skylift.verifier.constraints import constraints_hold, unsaid
from skylift.verifier.event_rules import EVENT_RULES, hop_is_tested
from skylift.verifier.knowledge import knowledge_of
from skylift.verifier.order_events import order_events
from skylift.verifier.order_text import Misread, read_items


@dataclass(frozen=True, slots=True)
class Audit:
    """What an order breaks, a sentence each, and what it leaves open."""

    violations: tuple[str, ...]
    unsaid: tuple[str, ...]
    """Constraints that could not be judged, as the order does not say enough."""
    misread: tuple[Misread, ...]
    """What could not be read; if there is any, nothing was judged."""


def audit(order: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]) -> Audit:
    """Judge an order against the rules in the catalog's documents and those that always hold.

    ``order`` has ``hop`` (a mapping with ``from`` and ``to``) and ``order``, a list of items.

    Raises:
        Unreadable: the documents cannot be used.
    """
    here, there = str(order["hop"]["from"]), str(order["hop"]["to"])
    known = knowledge_of(documents, (here, there))
    items, misread = read_items(order["order"], known)
    if misread:
        return Audit((), (), misread)
    events, misread = order_events(items, known)
    if misread:
        return Audit((), (), misread)
    rules = (*constraints_hold(known, events), *(s for rule in EVENT_RULES for s in rule(known, events)))
    return Audit((*hop_is_tested(here, there), *dict.fromkeys(rules)), tuple(unsaid(known, events)), ())
