"""Work in hand: what users asked for, and what services have not ended yet."""

from __future__ import annotations

from dataclasses import dataclass

from skylift.model.ids import ComponentName, Epoch

EXAMPLES = 5
"""How many pieces of work of one state are named."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One resource that is on its way from one state to another."""

    id: str
    since: Epoch | None
    """When it changed last; none if its row does not say."""


@dataclass(frozen=True, slots=True)
class InHand:
    """All resources of one kind that are in one such state, in one database."""

    component: ComponentName
    database: str
    what: str
    """The kind of resource, as the client names it: ``server``, ``volume``, ``volume snapshot`` …"""
    state: str
    count: int
    oldest: tuple[Piece, ...]
    """Those that have been so for longest, at most ``EXAMPLES``."""
