"""Which hosts of a pool go first, and in which order the others follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skylift.fleet.layout import Layout, Unit


def in_order(
    layout: Layout, hosts: Sequence[int], units: Sequence[Sequence[Unit]], shake: int = 0
) -> list[int]:
    """Hosts by how fast room grows through them, the best first.

    That is what they free for what they take, in the time until they are back.

    Counted in the resource that is the scarcest among them; ``units`` has what is on each host by now.
    """
    loads = [_loads(units[h]) for h in hosts]
    kept = [_loads(layout.units[h]) for h in hosts]
    load = [[of[r] for of in loads] for r in range(3)]
    gain = [[kept[n][r] + max(0, layout.free[r][h]) for n, h in enumerate(hosts)] for r in range(3)]
    use = [sum(load[r]) / (sum(gain[r]) or 1) for r in range(3)]
    scarce = use.index(max(use))
    lanes = layout.policy.leaving

    def growth(n: int) -> float:
        taken, freed = load[scarce][n], gain[scarce][n]
        cycle = layout.policy.host_s * 1000 + sum(u.lasts for u in units[hosts[n]]) / lanes
        return math.log(freed / taken) / (cycle or 1) if taken and freed else math.inf

    best = sorted(range(len(hosts)), key=lambda n: (-growth(n) * _shaken(shake, n), -gain[scarce][n], n))
    return [hosts[n] for n in best]


_SHAKEN, _GOLDEN = 0.2, 0.6180339887498949
"""How much a shaken order is off, and the sequence that shakes it: evenly spread, and the same every time."""


def _shaken(shake: int, n: int) -> float:
    return 1 + _SHAKEN * ((shake * (n + 1) * _GOLDEN) % 1)


@dataclass(slots=True)
class FirstWave:
    """The hosts of a pool that are emptied onto hosts that have yet to be emptied, chosen one after another.

    Their instances move twice. One such host there must be, if no host is empty; more of them let room
    grow faster, and are bounded by the policy's batch and by its share of instances that may move twice.
    """

    candidates: list[int]
    """Hosts with few instances for their room last; where there is to be but one, the fewest last."""
    size: Mapping[int, int]
    """Instances by host."""
    offers: Sequence[int]
    """Memory that each host offers when it is empty."""
    total: int
    """The same of all hosts of the pool, and below how much of it is taken now."""
    load: int
    batch: int
    chosen: list[int] = field(default_factory=list)

    def next(self, left: int) -> int | None:
        """The next host to try, while ``left`` instances may yet move twice; none if that is all.

        The first of a pool may cost more if it must: the fewest then.
        """
        fit = (n for n in reversed(range(len(self.candidates))) if self.size[self.candidates[n]] <= left)
        place = next(fit, None)
        if place is None and self.candidates and not self.chosen:
            place = min(range(len(self.candidates)), key=lambda n: self.size[self.candidates[n]])
        return None if place is None else self.candidates.pop(place)

    def is_open(self, left: int) -> bool:
        """Whether one more host may be chosen."""
        if not self.candidates or len(self.chosen) >= self.batch:
            return False
        return not self.chosen or self.fewest <= left

    @property
    def fewest(self) -> int:
        """The least that its next host may cost."""
        return min((self.size[h] for h in self.candidates), default=0)

    @property
    def lasts(self) -> float:
        """About how many waves its pool takes with the hosts chosen so far, were all hosts alike.

        With b of them first and a use of u, room grows by 1 / u with each wave: (1/u)^W = 1 + (1/u - 1) / b.
        """
        first = sum(self.offers[h] for h in self.chosen)
        if not first or not 0 < self.load < self.total:
            return math.inf if self.load else 0
        growth = self.total / self.load
        return math.log1p((growth - 1) * self.total / first) / math.log(growth)

    def beginning_with(self, host: int) -> list[int]:
        """The hosts that its pool begins with if this one is the next; those after it may yet fail."""
        after = self.batch - len(self.chosen) - 1
        return [*self.chosen, host, *self.candidates[max(0, len(self.candidates) - after) :]]


def first_wave(
    layout: Layout, hosts: Sequence[int], offers: Sequence[int], *, again: int, shake: int = 0
) -> FirstWave:
    """The first wave of a pool, none of it chosen yet; no host with less than ``again`` instances can be."""
    policy = layout.policy
    size = {h: sum(len(unit.members) for unit in layout.units[h]) for h in hosts}
    batch = policy.batch_hosts or -(-len(hosts) * policy.batch_percent // 100)
    if policy.batch_hosts == 1:
        best = sorted(hosts, key=lambda h: (size[h], -layout.room[0][h], h))
    else:
        # Every other order counts instances alone: where few may move twice, more hosts can begin.
        variant, alone = divmod(shake, 2)
        room = {h: 1 if alone else layout.room[0][h] for h in hosts}
        best = sorted(hosts, key=lambda h: (size[h] / room[h] * _shaken(variant, h), h))
    load = sum(unit.ram for h in hosts for unit in layout.units[h])
    can = [h for h in reversed(best) if size[h] >= again]
    return FirstWave(can, size, offers, sum(offers[h] for h in hosts), load, batch)


def _loads(units: Sequence[Unit]) -> tuple[int, int, int]:
    return sum(u.ram for u in units), sum(u.vcpus for u in units), sum(u.disk for u in units)
