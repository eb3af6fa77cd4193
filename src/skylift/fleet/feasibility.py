"""B0: pools whose hosts cannot all be emptied, whoever plans, each with the proof and the smallest fix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from skylift.fleet.bounds import PoolSums
from skylift.fleet.fleet import InstanceId
from skylift.fleet.layout import NO_GROUP, Layout, Unit
from skylift.fleet.plan import Certificate, Resource

_RESOURCES = (Resource.RAM, Resource.VCPUS, Resource.DISK)


def certificates(layout: Layout, pools: Sequence[PoolSums]) -> Mapping[int, Certificate]:
    """Per pool that cannot be done, the first proof of it; ``pools`` has their sums."""
    found = {}
    for pool, totals in enumerate(pools):
        proof = next(
            chain(_no_room(layout, pool, totals), _no_host(layout, pool), _no_company(layout, pool)), None
        )
        if totals.due and proof:
            found[pool] = proof
    return found


def _no_room(layout: Layout, pool: int, totals: PoolSums) -> Iterator[Certificate]:
    """The host that lacks the most, in the first resource of which there is too little."""
    for number, resource in enumerate(_RESOURCES):
        if not totals.due:
            return
        # gain = load + own free room: what must fit into all free room of the pool
        worst = max(totals.due, key=lambda h: (totals.gain[number][h], -h))
        missing = totals.gain[number][worst] - totals.slack[number]
        load = totals.load[number][worst]
        if missing > 0 and load > 0:
            units = [u for h in totals.due for u in layout.units[h]]
            yield Certificate(
                len(layout.pools[pool]),
                layout.names[worst],
                f"what is on it takes {load} {resource.value}, and the other hosts of its pool have "
                f"{load - missing} free",
                missing,
                resource,
                _fewest(units, number, missing),
            )


def _fewest(units: Sequence[Unit], resource: int, missing: int) -> tuple[InstanceId, ...]:
    """The fewest units that hold as much as is missing, the last of them the smallest that will do."""
    held = sorted(units, key=lambda u: -_takes(u, resource))
    chosen: list[Unit] = []
    for number, unit in enumerate(held):
        if _takes(unit, resource) >= missing:
            enough = [u for u in held[number:] if _takes(u, resource) >= missing]
            chosen.append(enough[-1])
            break
        chosen.append(unit)
        missing -= _takes(unit, resource)
    return tuple(member.id for unit in chosen for member in unit.members)


def _takes(unit: Unit, resource: int) -> int:
    return (unit.ram, unit.vcpus, unit.disk)[resource]


def _no_host(layout: Layout, pool: int) -> Iterator[Certificate]:
    """A unit that is larger than what any host leaves it, even if that host is empty."""
    hosts = layout.pools[pool]
    takes = [h for h in hosts if layout.due[h] or layout.ready[h]]
    offers = {
        h: tuple(layout.free[r][h] + sum(_takes(u, r) for u in layout.units[h]) for r in range(3))
        for h in takes
    }
    kinds = {(layout.kind[h], offer) for h, offer in offers.items()}
    seen: dict[tuple[int, int, int, int], bool] = {}
    for host in hosts:
        for unit in layout.units[host]:
            key = (unit.ram, unit.vcpus, unit.disk, unit.admits)
            if key not in seen:
                seen[key] = any(
                    unit.admits >> kind & 1 and unit.ram <= ram and unit.vcpus <= vcpus and unit.disk <= disk
                    for kind, (ram, vcpus, disk) in kinds
                )
            if not seen[key]:
                yield Certificate(
                    len(hosts),
                    layout.names[host],
                    f"{unit.members[0].id} on it fits on no host that may take it, not even on an empty one",
                    unit.ram,
                    Resource.RAM,
                    tuple(m.id for m in unit.members),
                )


def _no_company(layout: Layout, pool: int) -> Iterator[Certificate]:
    """An anti-affinity group with a member on every host that may take one: the first has nowhere to go."""
    hosts = layout.pools[pool]
    size: Counter[int] = Counter()
    admits: dict[int, int] = {}
    some: dict[int, tuple[int, Unit]] = {}
    for host in hosts:
        for unit in layout.units[host]:
            if unit.apart != NO_GROUP:
                size[unit.apart] += 1
                admits[unit.apart] = admits.get(unit.apart, 0) | unit.admits
                some[unit.apart] = (host, unit)
    takes = Counter(layout.kind[h] for h in hosts if layout.due[h] or layout.ready[h])
    names = {number: name for name, number in layout.apart.items()}
    for group, members in size.items():
        room = sum(count for kind, count in takes.items() if admits[group] >> kind & 1)
        if members >= room:
            host, unit = some[group]
            yield Certificate(
                len(hosts),
                layout.names[host],
                f"group {names[group]} keeps its {members} members apart, and only {room} hosts may take "
                "them, so none of these can be emptied",
                members + 1 - room,
                None,
                (unit.members[0].id,),
            )
