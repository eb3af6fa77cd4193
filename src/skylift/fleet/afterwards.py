"""What becomes of where instances are, once every host is through: they are brought back, or spread evenly.

A phase of its own: nobody is closed, each instance moves at most once in it, and live only. It is planned
from where the turns leave the fleet, and again from what is seen when they are through.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from skylift.fleet.balance import Band, evened
from skylift.fleet.fleet import Fleet, InstanceId
from skylift.fleet.layout import NO_GROUP, Layout, Unit, compiled
from skylift.fleet.plan import Afterwards, FleetPlan, Kind, Move, Spread, Stay
from skylift.fleet.replan import present
from skylift.fleet.sequence import Errand, InSequence, movable
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an operator wants afterwards."""

    kind: Kind
    band: int = 10
    """Of ``balance``: by how many points of per cent a host's use may be off the mean."""
    homes: Mapping[InstanceId, HostName] = field(default_factory=dict)
    """Of ``bring-back``: who was moved, and off which host first."""
    hosts: frozenset[HostName] = frozenset()
    """The hosts that the run works on or moves instances to; ``balance`` touches no other."""
    announced: frozenset[InstanceId] = frozenset()
    """Instances of which the plan says already that they are not brought back."""


def wanted_in(plan: Mapping[str, Any]) -> Wanted | None:
    """What the document of a plan says is to be done afterwards; none if nothing is."""
    of = plan.get("afterwards")
    if of is None:
        return None
    hosts = frozenset(turn[0] for turn in plan["turns"]) | {move[2] for move in plan["moves"]}
    stays = frozenset(stay["instance"] for stay in of["stays"])
    return Wanted(Kind(of["kind"]), of["band"], hosts=hosts, announced=stays)


def with_afterwards(
    fleet: Fleet, policy: FleetPolicy, plan: FleetPlan, kind: Kind, *, band: int
) -> FleetPlan:
    """A plan with what is done when its turns are through; whoever it moves twice goes home from there."""
    begin = plan.makespan * 1000
    homes: dict[InstanceId, HostName] = {}
    for move in plan.moves:
        homes.setdefault(move.instance, move.source)
    wanted = Wanted(kind, band, homes, touched(plan))
    found = plan_afterwards(present(fleet, plan, begin + 1), policy, wanted, begin=begin)
    return replace(plan, afterwards=found)


def touched(plan: FleetPlan) -> frozenset[HostName]:
    """The hosts that a plan works on, or moves instances to."""
    return frozenset(turn.host for turn in plan.turns) | {move.target for move in plan.moves}


def plan_afterwards(
    fleet: Fleet,
    policy: FleetPolicy,
    wanted: Wanted,
    *,
    begin: int = 0,
    moved: Container[InstanceId] = frozenset(),
) -> Afterwards:
    """The moves of this phase from a fleet as it is when every host is through.

    ``moved`` are instances that have had their move in it.
    """
    hosts = {name: replace(of, done=False, begun=False) for name, of in fleet.hosts.items()}
    layout = compiled(replace(fleet, hosts=hosts), replace(policy, only=()), holds=False)
    scope = [n for n, name in enumerate(layout.names) if name in wanted.hosts]
    if wanted.kind is Kind.BRING_BACK:
        errands, stays = _homeward(layout, wanted.homes, moved)
        beyond: tuple[int, ...] = ()
        fewest = sum(len(errand.unit.members) for errand in errands)
    else:
        stays = []
        even = evened(layout, scope, Band(wanted.band, moved))
        errands, beyond, fewest = even.errands, even.beyond, even.fewest
    sequence = InSequence(layout, errands, begin)
    left = sequence.run()
    if wanted.kind is Kind.BRING_BACK:
        stays += [Stay(m.id, _why_not(sequence, of)) for of in left for m in of.unit.members]
    else:
        beyond = tuple(sorted({*beyond, *(host for of in left for host in (of.source, of.target))}))
    moves = sorted(_moves(layout, sequence), key=lambda m: (m.start, m.end, m.source, m.instance))
    return Afterwards(
        wanted.kind,
        wanted.band,
        tuple(moves),
        tuple(stays),
        tuple(layout.names[n] for n in beyond),
        fewest,
        spread(fleet, (), wanted.hosts),
        spread(fleet, moves, wanted.hosts),
    )


def spread(fleet: Fleet, moves: Iterable[Move], hosts: Container[HostName]) -> Spread:
    """How full hosts are once these moves were made."""
    at = {move.instance: move.target for move in moves}
    used = {name: [0, 0] for name, of in fleet.hosts.items() if name in hosts and of.up}
    for instance in fleet.instances:
        taken = used.get(at.get(instance.id, instance.host))
        if taken is not None:
            flavor = fleet.flavors[instance.flavor]
            taken[0] += flavor.ram_mib
            taken[1] += flavor.vcpus
    use = [
        max(100 * ram // of.ram_mib, 100 * vcpus // of.vcpus)
        for name, (ram, vcpus) in used.items()
        if (of := fleet.hosts[name]).ram_mib and of.vcpus
    ]
    return Spread(min(use), sum(use) // len(use), max(use)) if use else Spread(0, 0, 0)


def _homeward(
    layout: Layout, homes: Mapping[InstanceId, HostName], moved: Container[InstanceId]
) -> tuple[list[Errand], list[Stay]]:
    """Who goes home, those first who are in the way of the most; and who does not, with the reason."""
    errands: list[Errand] = []
    stays: list[Stay] = []
    number = {name: n for n, name in enumerate(layout.names)}
    reasons = {verdict.instance: verdict.reason for verdict in layout.verdicts}
    able: set[InstanceId] = set()
    for host, units in enumerate(movable(layout)):
        for unit in units:
            able.update(m.id for m in unit.members)
            away = [m for m in unit.members if _is_away(homes, m.id, m.host, moved)]
            if not away:
                continue
            home = number.get(homes[away[0].id])
            if why := _no_way_home(layout, homes, unit, home):
                stays += [Stay(m.id, why) for m in away]
            elif home is not None:
                errands.append(Errand(unit, host, home))
    held = [i for i in layout.fleet.instances if i.id not in able and _is_away(homes, i.id, i.host, moved)]
    stays += [Stay(i.id, f"it is not moved live: {reasons.get(i.id, _GROUP)}") for i in held]
    comes: dict[int, int] = {}
    for errand in errands:
        comes[errand.target] = comes.get(errand.target, 0) + errand.unit.ram
    lacks = {host: comes.get(host, 0) - layout.free[0][host] for host in {e.source for e in errands}}
    errands.sort(key=lambda e: (-lacks[e.source], -e.unit.ram, e.source, e.unit.members[0].id))
    return errands, stays


_GROUP = "its group cannot be as a whole"


def _is_away(
    homes: Mapping[InstanceId, HostName], name: InstanceId, host: HostName, moved: Container[InstanceId]
) -> bool:
    return homes.get(name, host) != host and name not in moved


def _no_way_home(layout: Layout, homes: Mapping[InstanceId, HostName], unit: Unit, home: int | None) -> str:
    """Why a unit cannot go back, as far as that does not change with the order; empty if it can."""
    if home is None:
        return "its host is no longer there"
    if len({homes.get(m.id) for m in unit.members}) > 1:
        return "its group is together now, and was on different hosts before"
    host = layout.fleet.hosts[layout.names[home]]
    if not host.up:
        return f"{layout.names[home]} is down"
    if host.closed:
        return f"{layout.names[home]} is closed"
    if not unit.admits >> layout.kind[home] & 1:
        return f"{layout.names[home]} no longer admits it (zone, aggregates, traits, models of CPU)"
    return ""


def _why_not(sequence: InSequence, of: Errand) -> str:
    """Why an errand was never started."""
    name = sequence.layout.names[of.target]
    if sequence.room.first(of.unit, (of.target,)) is not None:
        return f"no window is left for its way to {name}"
    room = sequence.room
    enough = (
        of.unit.ram <= room.ram[of.target]
        and of.unit.vcpus <= room.vcpus[of.target]
        and of.unit.disk <= room.disk[of.target]
    )
    if enough and of.unit.apart != NO_GROUP:
        return f"its group keeps it apart from who is on {name} now"
    return f"{name} has no room for it now"


def _moves(layout: Layout, sequence: InSequence) -> Iterator[Move]:
    for errand, begins in sequence.placed:
        source, target, start = layout.names[errand.source], layout.names[errand.target], begins
        for member, way, ms in zip(errand.unit.members, errand.unit.ways, errand.unit.ms, strict=True):
            yield Move(member.id, source, target, way, start, start + ms)
            start += ms
