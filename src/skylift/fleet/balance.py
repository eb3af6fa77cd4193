"""Which instances go where so that hosts are about equally full, by few moves.

Pool by pool, in the resource that is the scarcest there. Hosts above the band give first, then hosts below it
take. A host that gives takes nothing and the other way round, so whatever fits now fits when its turn comes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from skylift.fleet.fleet import GroupName, InstanceId, Rule
from skylift.fleet.layout import Layout, Unit
from skylift.fleet.room import Room
from skylift.fleet.sequence import Errand, movable
from skylift.model.ids import HostName

_LOOK = 64
"""Hosts at the other end that are looked at for one move."""


@dataclass(frozen=True, slots=True)
class Band:
    """How far off the mean a host's use may be, in points of per cent, and who had a move already."""

    percent: int
    moved: Container[InstanceId]


@dataclass(frozen=True, slots=True)
class Evened:
    """What is moved, which hosts stay beyond the band, and how few moves might do at best."""

    errands: list[Errand]
    beyond: tuple[int, ...]
    fewest: int


def evened(layout: Layout, scope: Iterable[int], band: Band) -> Evened:
    """The moves for the hosts in ``scope``."""
    hosts = layout.fleet.hosts
    open_to = [n for n in scope if (of := hosts[layout.names[n]]).up and not of.closed]
    errands = list(_following(layout, band.moved))
    beyond: list[int] = []
    fewest = 0
    room, units = Room(layout), movable(layout)
    for pool in sorted({layout.pool[n] for n in open_to}):
        own = {n: units[n] for n in open_to if layout.pool[n] == pool}
        part = _Pool(layout, room, own, band)
        fewest += part.fewest()
        part.run()
        errands += part.errands
        beyond += part.beyond()
    return Evened(errands, tuple(beyond), fewest)


def _following(layout: Layout, moved: Container[InstanceId]) -> Iterator[Errand]:
    """Of affinity groups that are halfway, the others, who must follow to the same host."""
    groups, number = layout.fleet.groups, {name: n for n, name in enumerate(layout.names)}
    ahead = {
        i.group: number[i.host]
        for i in layout.fleet.instances
        if i.group and i.id in moved and groups[i.group].rule is Rule.TOGETHER
    }
    for host, units in enumerate(movable(layout)):
        for unit in units:
            target = ahead.get(unit.members[0].group, host)
            if target != host and not any(m.id in moved for m in unit.members):
                yield Errand(unit, host, target)


class _Pool:
    """One pool while it is evened; ``size`` and ``used`` are in its scarcest resource."""

    def __init__(self, layout: Layout, room: Room, units: Mapping[int, Sequence[Unit]], band: Band) -> None:
        """``units`` are those of the pool that may be moved, by host."""
        hosts = list(units)
        self._parted = _parted(layout)
        self._layout, self._room, self._hosts, self._moved = layout, room, hosts, band.moved
        of = [layout.fleet.hosts[name] for name in layout.names]
        full = ({h: of[h].ram_mib for h in hosts}, {h: of[h].vcpus for h in hosts})
        used = tuple({h: layout.room[r][h] - layout.free[r][h] for h in hosts} for r in (0, 1))
        share = [sum(used[r].values()) / (sum(full[r].values()) or 1) for r in (0, 1)]
        self._scarce = share.index(max(share))
        self._full, self._used = full[self._scarce], used[self._scarce]
        mean = share[self._scarce]
        self._most = {h: (mean + band.percent / 100) * self._full[h] for h in hosts}
        self._least = {h: (mean - band.percent / 100) * self._full[h] for h in hosts}
        self._units = {h: sorted(filter(self._may_move, units[h]), key=self._size) for h in hosts}
        self._given: set[int] = set()
        self._taken: set[int] = set()
        self._shelf = sorted((self._use(h), h) for h in hosts)
        self.errands: list[Errand] = []

    def fewest(self) -> int:
        """Hosts above the band must give, and hosts below it take, each at least so many of the largest."""
        largest = sorted((self._size(u) for units in self._units.values() for u in units), reverse=True)
        gives = takes = 0
        for host in self._hosts:
            own = sorted(map(self._size, self._units[host]), reverse=True)
            gives += _count(own, self._used[host] - self._most[host])
            takes += _count(largest, self._least[host] - self._used[host])
        return max(gives, takes)

    def run(self) -> None:
        """Let the fullest give until they are within the band, then the emptiest take."""
        for host in sorted(self._hosts, key=self._use, reverse=True):
            while self._used[host] > self._most[host] and self._gives(host):
                pass
        for host in sorted(self._hosts, key=self._use):
            while self._used[host] < self._least[host] and host not in self._given and self._takes(host):
                pass

    def beyond(self) -> list[int]:
        """Hosts whose use is still off by more than the band."""
        return [h for h in self._hosts if not self._least[h] <= self._used[h] <= self._most[h]]

    def _gives(self, host: int) -> bool:
        """One unit goes to one of the emptiest; as small a one as is enough, else the largest there is."""
        spare = self._used[host] - self._least[host]
        targets = [h for _, h in self._shelf[:_LOOK] if h != host and h not in self._given]
        if host in self._taken:
            return False
        for unit in self._best(self._units[host], self._used[host] - self._most[host]):
            size = self._size(unit)
            fit = [t for t in targets if self._used[t] + size <= self._most[t]]
            target = self._room.first(unit, fit) if size <= spare else None
            if target is not None:
                self._move(unit, host, target)
                return True
        return False

    def _takes(self, host: int) -> bool:
        """One unit comes from one of the fullest."""
        lacks = self._least[host] - self._used[host]
        for _, source in self._shelf[: -_LOOK - 1 : -1]:
            if source == host or source in self._taken:
                continue
            spare = self._used[source] - self._least[source]
            for unit in self._best(self._units[source], lacks):
                size = self._size(unit)
                fits = size <= spare and self._used[host] + size <= self._most[host]
                # Else it would only change places with the other.
                fits = fits and (self._used[host] + size) / self._full[host] <= self._use(source)
                if fits and self._room.first(unit, (host,)) is not None:
                    self._move(unit, source, host)
                    return True
        return False

    def _best(self, units: Sequence[Unit], enough: float) -> list[Unit]:
        """The smallest that is enough first, then larger ones; then smaller ones, the largest first."""
        at = next((n for n, unit in enumerate(units) if self._size(unit) >= enough), len(units))
        return [*units[at:], *units[:at][::-1]]

    def _move(self, unit: Unit, source: int, target: int) -> None:
        size = self._size(unit)
        for host, change in ((source, -size), (target, size)):
            del self._shelf[bisect_left(self._shelf, (self._use(host), host))]
            self._used[host] += change
            insort(self._shelf, (self._use(host), host))
        self._room.take(unit, source, target)
        self._units[source].remove(unit)
        self._given.add(source)
        self._taken.add(target)
        self.errands.append(Errand(unit, source, target))

    def _use(self, host: int) -> float:
        return self._used[host] / (self._full[host] or 1)

    def _size(self, unit: Unit) -> int:
        return unit.vcpus if self._scarce else unit.ram

    def _may_move(self, unit: Unit) -> bool:
        """What had no move yet, and is not to be with others of its group elsewhere."""
        groups = self._layout.fleet.groups
        rules = {groups[m.group].rule for m in unit.members if m.group}
        apart = Rule.RATHER_TOGETHER in rules or any(m.group in self._parted for m in unit.members)
        fresh = not any(m.id in self._moved for m in unit.members)
        return fresh and not apart


def _parted(layout: Layout) -> set[GroupName]:
    """Affinity groups that are on several hosts: nobody of them is moved but to the others."""
    groups = layout.fleet.groups
    bound = (i for i in layout.fleet.instances if i.group and groups[i.group].rule is Rule.TOGETHER)
    hosts: defaultdict[GroupName, set[HostName]] = defaultdict(set)
    for one in bound:
        hosts[one.group].add(one.host)
    return {group for group, on in hosts.items() if len(on) > 1}


def _count(largest: Sequence[int], enough: float) -> int:
    """How many of the largest hold as much; all of them if they do not."""
    if enough <= 0:
        return 0
    return next((n for n, held in enumerate(accumulate(largest), start=1) if held >= enough), len(largest))
