"""Which hosts of a pool go first, and in which order the others follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    batch: int
    chosen: int = 0

    def next(self, left: int) -> int | None:
        """The next host to try, while ``left`` instances may yet move twice; none if that is all."""
        while self.candidates and self.chosen < self.batch:
            host = self.candidates.pop()
            if not self.chosen or self.size[host] <= left:
                return host
        return None


def first_wave(layout: Layout, hosts: Sequence[int], shake: int = 0) -> FirstWave:
    """The first wave of a pool, none of it chosen yet."""
    policy = layout.policy
    size = {h: sum(len(unit.members) for unit in layout.units[h]) for h in hosts}
    batch = policy.batch_hosts or -(-len(hosts) * policy.batch_percent // 100)
    if policy.batch_hosts == 1:
        best = sorted(hosts, key=lambda h: (size[h], -layout.room[0][h], h))
    else:
        best = sorted(hosts, key=lambda h: (size[h] / layout.room[0][h] * _shaken(shake, h), h))
    return FirstWave(best[::-1], size, batch)


def may_move_twice(layout: Layout, waves: Sequence[FirstWave]) -> int:
    """How many instances of these pools may move twice, by the bound and the policy's share."""
    fewest = sum(min(wave.size.values()) for wave in waves)
    return fewest + sum(sum(wave.size.values()) for wave in waves) * layout.policy.twice_percent // 100


def _loads(units: Sequence[Unit]) -> tuple[int, int, int]:
    return sum(u.ram for u in units), sum(u.vcpus for u in units), sum(u.disk for u in units)
