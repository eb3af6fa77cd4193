"""The order of steps where a whole component stops: each rule as those of ``planning.order``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from skylift.catalog.catalog import Catalog
from skylift.planning.draft import Draft
from skylift.planning.plan import Edge, edge_between
from skylift.planning.turns import Turn, because, steps_of

_OURS = "Skylift"


def stopped_before_cold_phases(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """What cannot run beside its services waits until none runs."""
    for part in draft.parts:
        for phase, step in part.before:
            for stop in steps_of(part.turns, "stop") if phase.stage == "cold" else ():
                yield edge_between(stop, step, phase.because, phase.source)


def restored_while_nothing_runs(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """A database is saved as it is, and then put back, when nothing writes to it any more."""
    for part in draft.parts:
        for save, restore in part.restores:
            for stop in steps_of(part.turns, "stop"):
                yield edge_between(
                    stop, save, "what still runs would write into what is half restored", _OURS
                )
            yield edge_between(save, restore, "what is there now is kept before it is replaced", _OURS)
            for start in steps_of(part.turns, "start"):
                yield edge_between(restore, start, "old code starts on the database that it left", _OURS)
        for (_save, first), (then, _restore) in pairwise(part.restores):
            yield edge_between(first, then, "the host that restores serves users, too: one at a time", _OURS)


def all_stop_before_any_starts(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """No new code serves beside old code where nothing proves that both may, or where they may not."""
    for part in draft.parts:
        if part.left.cold:
            because = f"old and new code must not serve side by side: {part.left.why}"
            yield from _all_stop_first(part.turns, because, _OURS)
        for service in part.services:
            if rule := service.left.together:
                yield from _all_stop_first(service.turns, rule.because, rule.source)


def _all_stop_first(turns: Sequence[Turn], because: str, source: str) -> Iterator[Edge]:
    for stop in steps_of(turns, "stop"):
        for start in steps_of(turns, "start"):
            yield edge_between(stop, start, because, source)


def work_ends_before_a_whole_component_stops(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Where all of a component stops: its APIs first, then what ends its work, then what that needs."""
    for part in draft.parts if any(p.left.cold for p in draft.parts) else ():
        idling = [turn for turn in part.turns if turn.idles and part.left.cold]
        for turn in idling:
            needed = "what is in hand ends only while the services work that have a part in it"
            for other in part.turns:
                for stop in other.steps_of("stop"):
                    if other.drains:
                        yield edge_between(stop, turn.step("idle"), because("idle"), _OURS)
                    elif not other.idles:
                        yield edge_between(turn.step("idle"), stop, needed, _OURS)
