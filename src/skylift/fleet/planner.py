"""A fleet and a policy make a plan; pure, and the same plan for the same fleet."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from skylift.fleet.bounds import bounds, sums
from skylift.fleet.feasibility import certificates
from skylift.fleet.fleet import Fleet
from skylift.fleet.layout import Layout, compiled
from skylift.fleet.plan import FleetPlan, Held, Move, Turn
from skylift.fleet.roll import Roll
from skylift.fleet.timeline import Timeline
from skylift.model.fleet_policy import FleetPolicy

_WORK = 40_000
"""Units that are placed at most for the sake of other orders, about a second's work."""
ORDERS = 16
"""Orders that are tried at most: a small pool's plan hangs on which of two like hosts comes first."""


def plan_fleet(fleet: Fleet, policy: FleetPolicy, *, orders: int = ORDERS) -> FleetPlan:
    """The plan for every host that the policy lets be worked on.

    A pool that cannot be done is refused with its proof, and the others are planned.
    Fewer ``orders`` are quicker, and cost a small cloud a wave now and then.
    """
    with _no_collector():
        return _planned(fleet, policy, orders)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Without Python's search for cycles: there are none here, and it would take a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _planned(fleet: Fleet, policy: FleetPolicy, orders: int) -> FleetPlan:
    layout = compiled(fleet, policy)
    pools = [sums(layout, pool) for pool in range(len(layout.pools))]
    refused = certificates(layout, pools)
    roll = _best(layout, frozenset(refused), [pool.again for pool in pools], orders)
    names = layout.names
    turns = sorted(
        (Turn(names[h], roll.wave[h], *at) for h, at in roll.turns.items()), key=lambda t: (t.closed, t.host)
    )
    moves = sorted(_moves(layout, roll), key=lambda m: (m.start, m.end, m.source))
    due = [pool for pool, hosts in enumerate(layout.pools) if any(layout.due[h] for h in hosts)]
    return FleetPlan(
        tuple(turns),
        tuple(moves),
        layout.verdicts,
        tuple(Held(names[h], verdicts) for h, verdicts in layout.held.items()),
        tuple(refused.values()),
        tuple(names[h] for h in roll.stranded),
        bounds(layout, (of for pool, of in enumerate(pools) if pool not in refused), roll.wave),
        len(due),
        sum(
            len(unit.members)
            for pool in due
            if pool not in refused
            for host in layout.pools[pool]
            for unit in layout.units[host]
        ),
    )


def _best(layout: Layout, refused: frozenset[int], again: Sequence[int], most: int) -> Timeline:
    """The best of a few runs with orders that differ by a little; then one with each pool's best order."""
    units = sum(map(len, layout.units))
    orders = max(1, min(most, _WORK // max(1, units)))

    def rolled(shakes: list[int]) -> Timeline:
        roll = Roll(layout, refused, shakes, again)
        roll.run()
        return roll.line

    rolls = [rolled([order] * len(layout.pools)) for order in range(orders)]
    if orders > 1:
        best = [
            min(range(orders), key=lambda o: _score_of(layout, rolls[o], pool))
            for pool in range(len(layout.pools))
        ]
        rolls.append(rolled(best))
    return min(rolls, key=_score)


def _score(roll: Timeline) -> tuple[int, int, int, int]:
    """What is left undone, then moves that were forced, then waves, then time: the less the better."""
    back = max((back for _, _, back in roll.turns.values()), default=0)
    return len(roll.stranded), sum(roll.forced), max(roll.wave.values(), default=0), back


def _score_of(layout: Layout, roll: Timeline, pool: int) -> tuple[int, int, int, int]:
    hosts = [h for h in layout.pools[pool] if h in roll.turns]
    stranded = sum(layout.pool[h] == pool for h in roll.stranded)
    return (
        stranded,
        roll.forced[pool],
        max((roll.wave[h] for h in hosts), default=0),
        max((roll.turns[h][2] for h in hosts), default=0),
    )


def _moves(layout: Layout, roll: Timeline) -> Iterator[Move]:
    for host, trips in roll.trips.items():
        source = layout.names[host]
        for trip in trips:
            target, start = layout.names[trip.target], trip.start
            for member, way, ms in zip(trip.unit.members, trip.unit.ways, trip.unit.ms, strict=True):
                yield Move(member.id, source, target, way, start, start + ms)
                start += ms
