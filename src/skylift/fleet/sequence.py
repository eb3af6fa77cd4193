"""Moves among hosts that are all open, in time: each as soon as its target has room and lanes are free.

A migrating unit is booked on both hosts until it has arrived, so room that it leaves is another's only then.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skylift.fleet.fleet import Rule
from skylift.fleet.layout import Layout, Unit
from skylift.fleet.room import Room
from skylift.fleet.verdict import Way


@dataclass(frozen=True, slots=True)
class Errand:
    """One unit is to go from one host to another."""

    unit: Unit
    source: int
    target: int


def movable(layout: Layout) -> list[list[Unit]]:
    """Per host, the units that may be moved live without leaving anybody behind who must be with them."""
    groups = layout.fleet.groups
    bound = [i for i in layout.fleet.instances if i.group and groups[i.group].rule is Rule.TOGETHER]
    together = Counter((i.group, i.host) for i in bound)

    def is_whole(unit: Unit) -> bool:
        first = unit.members[0]
        return together.get((first.group, first.host), 1) == len(unit.members)

    return [
        [unit for unit in units if all(way is Way.LIVE for way in unit.ways) and is_whole(unit)]
        for units in layout.units
    ]


class InSequence:
    """Starts errands one by one, in simulated time; ``placed`` has what was started, with its moment."""

    def __init__(self, layout: Layout, errands: Sequence[Errand], begin: int) -> None:
        self.layout, self._errands, self._begin = layout, errands, begin
        self.placed: list[tuple[Errand, int]] = []
        self.room = Room(layout)
        self._open = set(range(len(errands)))
        self._about: defaultdict[int, list[int]] = defaultdict(list)
        """Per host, the errands that leave it or come to it."""
        for number, errand in enumerate(errands):
            self._about[errand.source].append(number)
            self._about[errand.target].append(number)
        self._leaving: defaultdict[int, int] = defaultdict(int)
        self._arriving: defaultdict[int, int] = defaultdict(int)
        self._ends: list[tuple[int, int]] = []
        """What is under way: when it ends, and which errand it is."""
        self._later: dict[int, None] = {}
        """Errands that may only wait for one of all lanes, or for a window."""

    def run(self) -> list[Errand]:
        """Start whatever can be; what never could is returned."""
        self._start(range(len(self._errands)), self._begin)
        moment = self._next(self._begin)
        while moment is not None:
            freed: set[int] = set()
            while self._ends and self._ends[0][0] <= moment:
                freed |= self._arrived(heapq.heappop(self._ends)[1])
            near = {number for host in freed for number in self._about[host] if number in self._open}
            self._start(sorted(near | self._later.keys()), moment)
            moment = self._next(moment)
        return [self._errands[number] for number in sorted(self._open)]

    def _next(self, moment: int) -> int | None:
        """When anything changes again."""
        if self._ends:
            return self._ends[0][0]
        opens = (w.opens * 1000 for w in self.layout.policy.windows if self._later)
        return min((at for at in opens if at > moment), default=None)

    def _start(self, numbers: Iterable[int], moment: int) -> None:
        policy = self.layout.policy
        for number in numbers:
            errand = self._errands[number]
            end = moment + errand.unit.lasts
            self._later.pop(number, None)
            if (
                self._leaving[errand.source] >= policy.leaving
                or self._arriving[errand.target] >= policy.arriving
                or self.room.first(errand.unit, (errand.target,)) is None
            ):
                continue
            if 0 < policy.migrations <= len(self._ends) or not self._in_window(moment, end):
                self._later[number] = None
                continue
            self.room.book(errand.unit, errand.target)
            self._leaving[errand.source] += 1
            self._arriving[errand.target] += 1
            self._open.remove(number)
            self.placed.append((errand, moment))
            heapq.heappush(self._ends, (end, number))

    def _arrived(self, number: int) -> set[int]:
        errand = self._errands[number]
        self.room.release(errand.unit, errand.source)
        self._leaving[errand.source] -= 1
        self._arriving[errand.target] -= 1
        return {errand.source, errand.target}

    def _in_window(self, moment: int, end: int) -> bool:
        windows = self.layout.policy.windows
        return not windows or any(w.opens * 1000 <= moment and end <= w.closes * 1000 for w in windows)
