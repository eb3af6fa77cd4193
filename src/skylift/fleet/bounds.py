"""What no plan can do better, and which pools no plan can do at all: arithmetic on loads and free room.

Each bound relaxes the problem (fractions of instances may be moved, groups and CPUs are forgotten), so none
of them is above what is possible. With ``free`` the room that a policy leaves, ``load`` what must move off a
host, and ``gain = load + free`` what an empty host offers:

- B0: a host can be emptied only if its load fits into the free room of the others.
- B1: when the first host of a pool without an empty one is emptied, nothing there is done, so each of its
  instances moves again. No instance is moved but off a host whose turn it is, so that host is one whose
  instances find places as the others are.
- B2: hosts that are empty together take their gains out of all free room of their pool.
- B3: what leaves in the waves after the first fits into the gains of the waves before. The hosts of a wave
  could all be empty together: what left them and the waves before fits onto the waves before, and the rest
  is where it was. So B2 holds for waves, too, and a wave adds no more than whole hosts that fit into all
  free room.
- B4: gains for the time of work, and memory for the time of its migration, fit into free room times makespan.
- B5: turns, end to end, over the hosts that may be out at once.
- B6: what the busiest host must send, one lane beside another.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from skylift.fleet.layout import NO_GROUP, Layout
from skylift.fleet.plan import Bounds
from skylift.model.ids import Seconds

_SIZES = 2
"""Sizes of hosts up to which B3 counts whole hosts; with more, the fractions are as good and far quicker."""

_WAYS = 100
"""Ways to put the largest units of a host on others that are gone through; B1 counts on no more proof."""


@dataclass(frozen=True, slots=True)
class PoolSums:
    """One pool, as the bounds see it; per resource (RAM, vCPUs, disk)."""

    due: Sequence[int]
    load: tuple[Mapping[int, int], ...]
    gain: tuple[Mapping[int, int], ...]
    slack: tuple[int, ...]
    """Free room of all hosts that may take instances, now or when they are done."""
    ready: tuple[int, ...]
    """Free room of hosts that take instances from the start."""
    has_ready: bool
    size: Mapping[int, int]
    """Instances that must move, by host."""
    again: int
    """How many of them must move twice."""
    ms: Mapping[int, int]
    """What a host sends, in milliseconds of one lane."""
    booked: int
    """Memory times milliseconds of all its migrations."""


def sums(layout: Layout, pool: int) -> PoolSums:
    """The sums of one pool."""
    hosts = layout.pools[pool]
    due = [h for h in hosts if layout.due[h]]
    takes = [h for h in hosts if layout.due[h] or layout.ready[h]]
    free = [{h: max(0, layout.free[r][h]) for h in takes} for r in range(3)]
    units = {h: layout.units[h] for h in due}
    load = (
        {h: sum(u.ram for u in units[h]) for h in due},
        {h: sum(u.vcpus for u in units[h]) for h in due},
        {h: sum(u.disk for u in units[h]) for h in due},
    )
    size = {h: sum(len(u.members) for u in units[h]) for h in due}
    has_ready = any(layout.ready[h] for h in hosts)
    return PoolSums(
        due,
        load,
        tuple({h: load[r][h] + free[r][h] for h in due} for r in range(3)),
        tuple(sum(f.values()) for f in free),
        tuple(sum(f[h] for h in takes if layout.ready[h]) for f in free),
        has_ready,
        size,
        0 if has_ready else _again(layout, size),
        {h: sum(u.lasts for u in units[h]) for h in due},
        sum(u.ram * u.lasts for h in due for u in units[h]),
    )


def bounds(layout: Layout, pools: Iterable[PoolSums], wave: Mapping[int, int]) -> Bounds:
    """The bounds for some pools; ``wave`` has the plan's waves, by host."""
    found = [pool for pool in pools if pool.due]
    policy = layout.policy
    busiest = max((max(s.ms.values()) for s in found), default=0)
    drains = sum(sum(s.ms.values()) for s in found) / policy.leaving / 1000
    turns = drains + policy.host_s * sum(len(s.due) for s in found)
    return Bounds(
        moves=sum(sum(s.size.values()) + s.again for s in found),
        waves_at_all=max((_waves_at_all(s) for s in found), default=0),
        waves=max((_waves(s, wave) for s in found), default=0),
        area_s=_whole(max((_area(s, policy.host_s) for s in found), default=0)),
        slots_s=_whole(turns / policy.share(policy.out_percent, len(layout.names))),
        network_s=_whole(busiest / policy.leaving / 1000),
    )


def _again(layout: Layout, size: Mapping[int, int]) -> int:
    """B1 above each instance once, if no host is empty: what is on the first that can be; ``size`` has it."""
    due = sorted(size, key=size.__getitem__)
    could = (size[h] for h in due if _may_be_emptied(layout, due, h))
    return next(could, size[due[0]] if due else 0)


def _may_be_emptied(layout: Layout, due: Sequence[int], host: int) -> bool:
    """Whether the free room of the other hosts, as they are, may hold what is on one of them.

    No, if the largest units find no places together, however they are put; if for some size there are more
    units of at least that size than the others have places for it; or if every host with room for one of
    them has a member of its group.
    """
    sizes = sorted((u.ram for u in layout.units[host]), reverse=True)
    others = [h for h in due if h != host]
    free = [layout.free[0][h] for h in others]
    for unit in layout.units[host]:
        if unit.apart != NO_GROUP:
            roomy = (h for h in others if layout.free[0][h] >= unit.ram)
            if all(any(u.apart == unit.apart for u in layout.units[h]) for h in roomy):
                return False
    for number, size in enumerate(sizes, start=1):
        if number == len(sizes) or sizes[number] < size:
            places = sum(room // size for room in free if room >= size)
            if places < number:
                return False
    return _largest_fit(sizes, free)


def _largest_fit(sizes: Sequence[int], free: Sequence[int]) -> bool:
    """Whether these, the largest first, find places together; yes, once there are too many ways to go on."""
    ways = {tuple(sorted(free))}
    for size in sizes:
        more: set[tuple[int, ...]] = set()
        for way in ways:
            for room in {room for room in way if room >= size}:
                place = way.index(room)
                more.add(tuple(sorted((*way[:place], room - size, *way[place + 1 :]))))
            if len(more) > _WAYS:
                return True
        ways = more
    return bool(ways)


def _waves_at_all(pool: PoolSums) -> int:
    """B2, by the hosts with the smallest gains, in each resource on its own."""
    together = len(pool.due)
    for gain, slack in zip(pool.gain, pool.slack, strict=True):
        fit = sum(total <= slack for total in accumulate(sorted(gain.values())))
        together = min(together, fit)
    return math.ceil(len(pool.due) / together) if together else len(pool.due)


def _waves(pool: PoolSums, wave: Mapping[int, int]) -> int:
    """B3, in each wave those hosts that gain the most for their load."""
    first = [h for h in pool.due if wave.get(h) == 1]
    rest = [h for h in pool.due if wave.get(h) != 1]
    return max(_waves_at_all(pool), *(_growth(pool, r, first, rest) for r in range(3)))


def _growth(pool: PoolSums, resource: int, first: Sequence[int], rest: Sequence[int]) -> int:
    load, gain = pool.load[resource], pool.gain[resource]
    start = pool.ready[resource] + sum(gain[h] for h in first)
    # Without a host that is done, what was on the first ones went to the rest, and is moved with it.
    total = sum(load[h] for h in (rest if pool.has_ready else pool.due))
    whole = len({gain[h] for h in rest}) <= _SIZES
    grown = (_whole_hosts if whole else _parts_of_hosts)([(load[h], gain[h]) for h in rest])
    slack = pool.slack[resource]
    at_once = _whole_hosts([(gain[h], gain[h]) for h in rest])(slack) if whole else slack
    waves, room = 1, float(start)
    while rest and total > 0:
        waves += 1
        # What the first ones left on the rest is no more than was free there, so no wave adds more than that.
        more = min(start + grown(room), room + at_once)
        if total <= room or more <= room:
            break
        room = more
    return waves if pool.due else 0


def _parts_of_hosts(hosts: Sequence[tuple[int, int]]) -> Callable[[float], float]:
    """The most that hosts gain whose loads fit into a room, if fractions of hosts may be taken."""
    best = sorted(hosts, key=lambda h: h[0] / (h[1] or 1))
    loads = list(accumulate((load for load, _ in best), initial=0))
    gains = list(accumulate((gain for _, gain in best), initial=0))

    def most(room: float) -> float:
        fit = bisect_right(loads, room) - 1
        if fit == len(best):
            return gains[fit]
        return gains[fit] + (room - loads[fit]) / best[fit][0] * best[fit][1]

    return most


def _whole_hosts(hosts: Sequence[tuple[int, int]]) -> Callable[[float], float]:
    """The same by whole hosts, where they come in few sizes: of each size those with the least load."""
    sizes = sorted({gain for _, gain in hosts})
    loads = [list(accumulate(sorted(at for at, of in hosts if of == gain), initial=0)) for gain in sizes]

    def most(room: float, size: int = 0) -> float:
        if room < 0:
            return -math.inf
        if size == len(sizes):
            return 0
        if size == len(sizes) - 1:
            return sizes[size] * (bisect_right(loads[size], room) - 1)
        return max(
            sizes[size] * n + most(room - took, size + 1)
            for n, took in enumerate(loads[size])
            if took <= room
        )

    return most


def _area(pool: PoolSums, host_s: int) -> float:
    """B4. The memory of migrations counts in the first resource alone."""
    areas = [
        (sum(gain.values()) * host_s + (pool.booked / 1000 if n == 0 else 0)) / slack
        for n, (gain, slack) in enumerate(zip(pool.gain, pool.slack, strict=True))
        if slack
    ]
    return max(areas, default=0)


def _whole(seconds: float) -> Seconds:
    """Rounded down, so that it stays a bound."""
    return Seconds(math.floor(seconds))
