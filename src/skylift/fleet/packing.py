"""Where a source's units go: best fit among hosts that take them, all or nothing.

A source goes to one target whole where one has room, for then both send and receive at full speed and
neither waits for a third; else to as few as will do, the fullest filled up first.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence

from skylift.fleet.layout import Layout, Unit
from skylift.fleet.room import Placed, Room

_LOOK = 64
"""Targets looked at for one unit before a source is given up for now."""
_WHOLE = 32
"""Targets with room for a whole source that are looked at to find an idle one."""

_SPARED = 4
"""Of the emptiest hosts that have yet to be emptied, how many are spared in turn, that one of them can go."""


class Packing:
    """The hosts that take units by now, and what is still on those that do not."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.room = Room(layout)
        self.units = [list(units) for units in layout.units]
        self.load = [sum(unit.ram for unit in units) for units in self.units]
        self.opened: set[int] = set()
        """Hosts that take units from now on."""
        self.open_ram = [0] * len(layout.pools)
        self._shelves: list[list[tuple[int, int]]] = [[] for _ in layout.pools]
        """Per pool, free RAM and number of each open host, the fullest first."""
        self._moved: set[int] = set()
        """Units, by identity, that were moved to a host that was yet to be emptied."""
        self._listed: dict[int, int] = {}
        """The free RAM under which an open host is on its shelf."""
        self._least = [
            min((u.ram for h in hosts for u in self.units[h]), default=0) for hosts in layout.pools
        ]

    def open(self, host: int) -> None:
        """From now on the host takes units."""
        self.opened.add(host)
        self._shelve(host)

    def pack(self, source: int, idle: Sequence[list[int]], moment: int) -> Placed | None:
        """Targets for all of a source's units, taken; None if one of them fits nowhere, and nothing is taken.

        ``idle`` has, per host, when its lanes for arriving migrations are free.
        """
        shelf = self._shelves[self.layout.pool[source]]
        bins = self._bins(self.load[source], shelf, idle, moment)
        placed: Placed = []
        for unit in self.units[source]:
            target = self.room.first(unit, bins)
            if target is None:
                target = self.room.first(unit, _beyond(unit, shelf, bins))
                if target is None:
                    self.room.undo(source, placed)
                    return None
                bins.append(target)
            self.room.take(unit, source, target)
            placed.append((unit, target))
        self._reshelve(placed)
        return placed

    def spill(
        self, source: int, others: Sequence[int], lack: Callable[[Placed], int] = lambda _: 0
    ) -> Placed | None:
        """The same, but what fits on no open host goes to the first of ``others`` that has room.

        If that ends in a corner, it goes to others of them first (``_in_turn``); likewise if ``lack`` says
        that room will be short for others then, and how much: the least of it is taken.
        """
        opened = [host for _, host in self._shelves[self.layout.pool[source]]]
        best: Placed | None = None
        least = math.inf
        for order in self._in_turn(others):
            placed = self._each(source, opened, order)
            if placed is None:
                continue
            short = lack(placed)
            if not short:
                return placed
            self.forget(source, placed)
            if short < least:
                best, least = placed, short
        for unit, target in best or ():
            self.room.take(unit, source, target)
        self._reshelve(best or [])
        return best

    def _in_turn(self, others: Sequence[int]) -> Iterator[Sequence[int]]:
        """As they are, the fullest first, the emptiest first; then with one of the emptiest spared."""
        yield others
        tightest = sorted(others, key=self.room.ram.__getitem__)
        yield tightest
        yield tightest[::-1]
        for spared in tightest[: -_SPARED - 1 : -1]:
            yield [*(host for host in reversed(tightest) if host != spared), spared]

    def _each(self, source: int, opened: list[int], others: Sequence[int]) -> Placed | None:
        placed: Placed = []
        bins = [*opened, *others]
        for unit in self.units[source]:
            # What has moved to a host that was yet to be emptied does not do so again.
            target = self.room.first(unit, opened if id(unit) in self._moved else bins)
            if target is None:
                self.room.undo(source, placed)
                return None
            self.room.take(unit, source, target)
            placed.append((unit, target))
        self._reshelve(placed)
        return placed

    def forget(self, source: int, placed: Placed) -> None:
        """Undo a packing that came to nothing."""
        self.room.undo(source, placed)
        self._reshelve(placed)

    def settle(self, source: int, placed: Placed) -> None:
        """The source is empty; what went to a host that has yet to be emptied is that host's from now on."""
        self.units[source] = []
        self.load[source] = 0
        for unit, target in placed:
            if target not in self.opened:
                self._moved.add(id(unit))
                self.units[target].append(unit)
                self.units[target].sort(key=lambda u: (-u.ram, -u.vcpus))
                self.load[target] += unit.ram

    def _bins(
        self, need: int, shelf: list[tuple[int, int]], idle: Sequence[list[int]], moment: int
    ) -> list[int]:
        """Targets to begin with: one that takes it all, else the emptiest; idle ones if they do."""
        first = bisect_left(shelf, (need, -1))
        if first < len(shelf):
            near = [host for _, host in shelf[first : first + _WHOLE]]
            return [next((host for host in near if min(idle[host]) <= moment), near[0])]
        at_rest = [(free, host) for free, host in shelf[-_LOOK:] if min(idle[host]) <= moment]
        return _until(need, at_rest) or _until(need, shelf) or [host for _, host in shelf]

    def _reshelve(self, placed: Placed) -> None:
        for host in {target for _, target in placed}:
            if host in self.opened:
                self._shelve(host)

    def _shelve(self, host: int) -> None:
        pool, free = self.layout.pool[host], self.room.ram[host]
        shelf = self._shelves[pool]
        if host in self._listed:
            listed = self._listed.pop(host)
            del shelf[bisect_left(shelf, (listed, host))]
            self.open_ram[pool] -= listed
        if free >= self._least[pool]:
            insort(shelf, (free, host))
            self._listed[host] = free
            self.open_ram[pool] += free


def _until(need: int, shelf: list[tuple[int, int]]) -> list[int]:
    """The emptiest hosts of a shelf with so much room together, the fullest first; none if they lack it."""
    bins: list[int] = []
    for free, host in reversed(shelf):
        bins.append(host)
        need -= free
        if need <= 0:
            return bins[::-1]
    return []


def _beyond(unit: Unit, shelf: list[tuple[int, int]], bins: Iterable[int]) -> list[int]:
    start = bisect_left(shelf, (unit.ram, -1))
    seen = set(bins)
    return [host for _, host in shelf[start : start + _LOOK] if host not in seen]
