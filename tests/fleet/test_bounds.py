"""The bounds are below what any plan can do, and as near to it as whole hosts let them be."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.fleet.every_order import emptied, fewest_waves
from tests.fleet.test_plans_of_fleets import moved_for_want_of_room

from skylift.fleet.fleet import Flavor, FlavorName, Fleet, Host, Instance, InstanceId
from skylift.fleet.planner import plan_fleet
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName

Pool = list[tuple[int, list[int]]]
"""Hosts by their memory, each with the sizes of what is on it."""


def fleet_of(pool: Pool) -> Fleet:
    """Hosts that have processors enough for everything."""
    sizes = sorted({size for _, on in pool for size in on})
    flavors = {FlavorName(f"m{size}"): Flavor(1, size) for size in sizes}
    instances = [
        Instance(InstanceId(f"h{host}-{n}"), HostName(f"h{host}"), FlavorName(f"m{size}"))
        for host, (_, on) in enumerate(pool)
        for n, size in enumerate(on)
    ]
    hosts = {HostName(f"h{host}"): Host(1000, room) for host, (room, _) in enumerate(pool)}
    return Fleet(hosts, flavors, tuple(instances))


HOSTS = st.tuples(st.sampled_from([4, 4, 6]), st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=2))


@settings(deadline=None, max_examples=60)
@given(st.lists(HOSTS.filter(lambda of: sum(of[1]) <= of[0]), min_size=3, max_size=5), st.integers(1, 2))
def test_no_order_of_hosts_takes_fewer_waves_than_b3(pool: Pool, batch: int) -> None:
    plan = plan_fleet(fleet_of(pool), FleetPolicy(batch_hosts=batch, twice_percent=100))
    assume(not plan.refused and not plan.stranded and not moved_for_want_of_room(plan))
    first = frozenset(int(turn.host[1:]) for turn in plan.turns if turn.wave == 1)

    fewest = fewest_waves([room for room, _ in pool], tuple(tuple(sorted(on)) for _, on in pool), first)

    assert fewest is not None
    assert plan.bounds.waves <= fewest <= plan.waves


@settings(deadline=None, max_examples=100)
@given(st.lists(HOSTS.filter(lambda of: sum(of[1]) <= of[0]), min_size=3, max_size=5))
def test_b1_is_what_is_on_the_first_host_that_can_be_emptied_at_all(pool: Pool) -> None:
    plan = plan_fleet(fleet_of(pool), FleetPolicy(batch_hosts=1))
    assume(not plan.refused)
    rooms, contents = [room for room, _ in pool], tuple(tuple(sorted(on)) for _, on in pool)

    can = [
        len(contents[host])
        for host in range(len(pool))
        if emptied(rooms, contents, frozenset({host}), [h for h in range(len(pool)) if h != host])
    ]

    assert plan.bounds.moves == plan.instances + min(can, default=min(map(len, contents)))


def test_where_only_one_host_can_be_empty_at_a_time_each_takes_a_wave() -> None:
    pool: Pool = [(8, [2, 2, 2]), (8, [2, 2, 2, 1])] * 4

    plan = plan_fleet(fleet_of(pool), FleetPolicy())

    # 12 are free, and two hosts offer 16.
    assert plan.bounds.waves_at_all == plan.bounds.waves == plan.waves == len(pool)
