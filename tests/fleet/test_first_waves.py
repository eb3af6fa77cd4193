"""Who goes first, and where to: so that the others can follow, and each pool has its share."""

from __future__ import annotations

import math

from tests.fleet.test_bounds import Pool, fleet_of

from skylift.fleet.bounds import sums
from skylift.fleet.document import document_of, plan_document
from skylift.fleet.first_wave import first_wave
from skylift.fleet.fleet import Flavor, FlavorName, Fleet, Host, Instance, InstanceId
from skylift.fleet.layout import compiled
from skylift.fleet.planner import plan_fleet
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName
from skylift.verifier.fleet.verify import verify_fleet


def test_what_is_on_a_small_host_goes_first_to_where_large_ones_can_still_follow() -> None:
    pool: Pool = [
        (24, [8, 8, 1]),
        (24, [4, 4, 4, 2, 2]),
        (16, [4, 4, 4, 2]),
        (24, [8, 4, 4, 1]),
        (16, [4, 4, 2, 2, 1]),
        (16, [8, 4, 1, 1]),
    ]
    fleet, policy = fleet_of(pool), FleetPolicy(batch_hosts=1)

    plan = plan_fleet(fleet, policy, orders=1)

    # 29 are free: the second of three large hosts can go if no more than 5 of it is on those that are left.
    assert plan.stranded == ()
    assert len(plan.moves) == plan.bounds.moves
    assert verify_fleet(document_of(fleet, policy), plan_document(plan)) == ()


def test_of_large_hosts_one_is_spared_where_only_then_the_others_can_follow() -> None:
    small, large = (16, [2] * 7), (24, [2] * 7 + [1])
    pool: Pool = [(16, [6, 5, 1]), small, small, large, (24, [2] * 8)]

    plan = plan_fleet(fleet_of(pool), FleetPolicy(batch_hosts=1), orders=1)

    # 20 are done when the small ones are: so the 6 and the 1 must go to one large host, the 5 to the other.
    assert plan.stranded == ()
    assert len(plan.moves) == plan.bounds.moves


def test_no_pool_takes_what_another_needs_to_begin_with_as_many_hosts() -> None:
    zones = {"a": [(16, 1), (16, 2), (64, 5), (16, 6)], "b": [(16, 1), (16, 2), (16, 6)]}
    hosts = {
        HostName(f"{zone}{n}"): Host(64, room, zone=zone)
        for zone, of in zones.items()
        for n, (room, _) in enumerate(of)
    }
    one = FlavorName("one")
    instances = tuple(
        Instance(InstanceId(f"{zone}{n}-{i}"), HostName(f"{zone}{n}"), one, zone=zone)
        for zone, of in zones.items()
        for n, (_, count) in enumerate(of)
        for i in range(count)
    )
    fleet = Fleet(hosts, {one: Flavor(1, 1)}, instances)

    # 2 must move twice, and 5 more may: all that is on a2, or what is on a1 and b1.
    plan = plan_fleet(fleet, FleetPolicy(batch_hosts=2, twice_percent=22), orders=1)

    assert {turn.host for turn in plan.turns if turn.wave == 1} == {"a0", "a1", "b0", "b1"}


def test_a_host_that_cannot_be_emptied_first_is_not_tried() -> None:
    # The largest on the first has no place, and nobody counts with so few moves.
    pool: Pool = [(16, [12]), (16, [4, 2]), (16, [4, 2, 1]), (16, [4, 4, 1])]
    layout = compiled(fleet_of(pool), FleetPolicy())

    again = sums(layout, 0).again
    wave = first_wave(layout, layout.pools[0], [16] * 4, again=again)

    assert again == 2
    assert sorted(wave.candidates) == [1, 2, 3]


def test_how_long_a_pool_lasts_is_told_before_it_is_planned() -> None:
    pool: Pool = [(4, [1, 1])] * 8
    wave = first_wave(compiled(fleet_of(pool), FleetPolicy()), range(8), [4] * 8, again=2)
    before = wave.lasts

    wave.chosen.append(0)

    assert before == math.inf
    assert math.ceil(wave.lasts) == plan_fleet(fleet_of(pool), FleetPolicy(batch_hosts=1)).waves == 4
