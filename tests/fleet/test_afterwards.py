"""What a plan does when every host is through, for any small fleet and by figures that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from tests.fleet.small_fleets import GIB, fleets, policies

from skylift.drainbench.clouds import Cloud, generate
from skylift.fleet.afterwards import Wanted, plan_afterwards, touched, wanted_in, with_afterwards
from skylift.fleet.document import document_of, plan_document
from skylift.fleet.fleet import (
    Flavor,
    FlavorName,
    Fleet,
    Group,
    GroupName,
    Host,
    Instance,
    InstanceId,
    Rule,
    State,
)
from skylift.fleet.plan import Kind
from skylift.fleet.planner import plan_fleet
from skylift.model.fleet_policy import FleetPolicy, Window
from skylift.model.ids import HostName, Seconds
from skylift.verifier.fleet.verify import verify_fleet

A, B, C = (HostName(name) for name in "abc")
SMALL = FlavorName("small")
POLICY = FleetPolicy()
BAND = 10


def fleet_of(on: dict[HostName, int], **of: object) -> Fleet:
    """Hosts with room for ten, and so many instances on each."""
    instances = tuple(
        replace(Instance(InstanceId(f"{host}{n}"), host, SMALL), **of)  # type: ignore[arg-type] # by the test
        for host, count in on.items()
        for n in range(count)
    )
    flavors = {SMALL: Flavor(1, GIB)}
    return Fleet({host: Host(10, 10 * GIB) for host in on}, flavors, instances)


def home(fleet: Fleet, *, to: HostName) -> Wanted:
    return Wanted(Kind.BRING_BACK, homes={i.id: to for i in fleet.instances}, hosts=frozenset(fleet.hosts))


def even(fleet: Fleet, band: int = BAND) -> Wanted:
    return Wanted(Kind.BALANCE, band, hosts=frozenset(fleet.hosts))


@settings(max_examples=80)
@given(fleets(), policies())
def test_whatever_is_done_afterwards_is_accepted_by_the_verifier(fleet: Fleet, policy: FleetPolicy) -> None:
    plan = plan_fleet(fleet, policy, orders=1)

    for kind in Kind:
        whole = with_afterwards(fleet, policy, plan, kind, band=BAND)
        assert verify_fleet(document_of(fleet, policy), plan_document(whole)) == (), kind


@pytest.mark.parametrize("seed", range(1, 5))
def test_hosts_of_a_whole_cloud_end_within_the_band_or_are_named(seed: int) -> None:
    fleet = generate(Cloud(60, 60, seed))

    of = with_afterwards(fleet, POLICY, plan_fleet(fleet, POLICY), Kind.BALANCE, band=BAND).afterwards

    assert of is not None
    assert (of.before.least, of.before.most) == (0, 100)
    assert of.after.most - of.after.least <= 3 * BAND
    assert len(of.beyond) <= 2
    assert of.fewest <= len(of.moves) <= 2 * of.fewest


@pytest.mark.parametrize("seed", range(1, 5))
def test_nearly_everybody_of_a_whole_cloud_is_brought_back(seed: int) -> None:
    fleet = generate(Cloud(60, 60, seed))
    plan = with_afterwards(fleet, POLICY, plan_fleet(fleet, POLICY), Kind.BRING_BACK, band=BAND)

    end = {move.instance: move.target for move in plan.moves}
    assert plan.afterwards is not None
    end |= {move.instance: move.target for move in plan.afterwards.moves}
    away = [i for i in fleet.instances if end.get(i.id, i.host) != i.host]

    assert {i.id for i in away} == {stay.instance for stay in plan.afterwards.stays}
    assert len(away) <= len(fleet.instances) // 50


def test_the_fewest_moves_are_made_and_the_largest_first_where_one_is_enough() -> None:
    fleet = fleet_of({A: 9, B: 3, C: 3})

    of = plan_afterwards(fleet, POLICY, even(fleet, 15))

    assert {move.source for move in of.moves} == {A}
    assert len(of.moves) == of.fewest == 3
    assert of.beyond == ()


def test_what_is_even_already_is_left_alone() -> None:
    fleet = fleet_of({A: 5, B: 5, C: 4})

    assert plan_afterwards(fleet, POLICY, even(fleet)).moves == ()


def test_who_had_a_move_in_this_part_is_given_no_other() -> None:
    fleet = fleet_of({A: 9, B: 3, C: 3})

    of = plan_afterwards(fleet, POLICY, even(fleet, 15), moved={i.id for i in fleet.instances})

    assert (of.moves, of.beyond) == ((), (A, B, C))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"up": False}, "b is down"),
        ({"closed": True}, "b is closed"),
        ({"ram_mib": GIB // 2}, "b has no room for it now"),
        ({"zone": "elsewhere"}, "b no longer admits it"),
    ],
)
def test_who_cannot_go_home_stays_with_the_reason(changed: dict[str, object], why: str) -> None:
    fleet = fleet_of({A: 1, B: 0, C: 0}, zone="nova")
    other = replace(fleet.hosts[B], **changed)  # type: ignore[arg-type] # by the test
    fleet = replace(fleet, hosts={**fleet.hosts, B: other})

    of = plan_afterwards(fleet, POLICY, home(fleet, to=B))

    assert of.moves == ()
    assert why in of.stays[0].reason


def test_a_home_that_is_gone_is_named() -> None:
    fleet = fleet_of({A: 1, C: 0})

    assert "no longer there" in plan_afterwards(fleet, POLICY, home(fleet, to=B)).stays[0].reason


def test_nobody_is_stopped_for_her_place() -> None:
    fleet = fleet_of({A: 1, B: 0}, state=State.STOPPED)

    of = plan_afterwards(fleet, POLICY, home(fleet, to=B))

    assert of.moves == ()
    assert "it is not moved live: it is stopped" in of.stays[0].reason


def test_a_group_goes_home_as_a_whole_and_another_keeps_who_is_apart_away() -> None:
    group = GroupName("g")
    together = replace(fleet_of({A: 2, B: 0}, group=group), groups={group: Group(Rule.TOGETHER)})
    apart = replace(fleet_of({A: 1, B: 1}, group=group), groups={group: Group(Rule.APART)})

    back = plan_afterwards(together, POLICY, home(together, to=B))
    kept = plan_afterwards(apart, POLICY, home(apart, to=B))

    assert len(back.moves) == 2
    assert "keeps it apart from who is on b now" in kept.stays[0].reason


def test_a_group_whose_first_has_moved_is_followed_by_the_others() -> None:
    group = GroupName("g")
    fleet = replace(fleet_of({A: 1, B: 1, C: 0}, group=group), groups={group: Group(Rule.TOGETHER)})

    of = plan_afterwards(fleet, POLICY, even(fleet), moved={InstanceId("b0")})

    assert [(m.instance, m.target) for m in of.moves] == [("a0", B)]


def test_moves_keep_to_windows_and_to_lanes() -> None:
    fleet = fleet_of({A: 3, B: 0})
    windows = (Window(Seconds(0), Seconds(5)), Window(Seconds(100), Seconds(104)))
    policy = FleetPolicy(windows=windows, migrations=1)

    of = plan_afterwards(fleet, policy, home(fleet, to=B))

    assert [move.start // 1000 for move in of.moves] == [0, 1, 100]
    assert all(b.start >= a.end for a, b in zip(of.moves, of.moves[1:], strict=False))


def test_what_is_wanted_is_read_from_the_plan_that_was_approved() -> None:
    fleet = generate(Cloud(12, 50, 1))
    plan = plan_fleet(fleet, POLICY)
    whole = with_afterwards(fleet, POLICY, plan, Kind.BALANCE, band=7)

    wanted = wanted_in(plan_document(whole))

    assert wanted_in(plan_document(plan)) is None
    assert wanted is not None
    assert (wanted.kind, wanted.band, wanted.hosts) == (Kind.BALANCE, 7, touched(plan))
