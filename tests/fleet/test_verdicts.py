"""What becomes of each instance is told before anything moves (rows 36, 138, 139)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

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
from skylift.fleet.plan import FleetPlan
from skylift.fleet.planner import plan_fleet
from skylift.fleet.verdict import Verdict, Way
from skylift.model.fleet_policy import Consent, FleetPolicy
from skylift.model.ids import HostName
from skylift.verifier.fleet.verify import verify_fleet

GIB = 1024
A, B, C = HostName("a"), HostName("b"), HostName("c")
HOST = Host(32, 64 * GIB, cpus=frozenset({"old"}))
FLAVORS = {FlavorName("m"): Flavor(2, 4 * GIB), FlavorName("gpu"): Flavor(2, 4 * GIB, devices={"gpu": 1})}
PLAIN = Instance(InstanceId("i"), A, FlavorName("m"), project="p")


def planned(instance: Instance, policy: FleetPolicy, *, other: Host = HOST) -> FleetPlan:
    hosts = {A: replace(HOST, devices={"gpu": 1}), B: other, C: other}
    return plan_fleet(Fleet(hosts, FLAVORS, (instance,)), policy)


def verdict(instance: Instance, policy: FleetPolicy | None = None, *, other: Host = HOST) -> Verdict:
    (told,) = planned(instance, policy or FleetPolicy(), other=other).verdicts
    return told


def test_an_instance_that_nothing_keeps_is_moved_live() -> None:
    plan = planned(PLAIN, FleetPolicy())

    assert plan.verdicts == ()
    assert [(m.instance, m.way) for m in plan.moves] == [("i", Way.LIVE)]


@pytest.mark.parametrize(
    ("state", "way"),
    [
        (State.STOPPED, Way.COLD),
        (State.SUSPENDED, Way.IN_PLACE),
        (State.RESCUED, Way.BLOCKED),
        (State.RESIZED, Way.BLOCKED),
        (State.ERROR, Way.BLOCKED),
        (State.BUSY, Way.BLOCKED),
    ],
)
def test_the_state_decides_what_can_be_done(state: State, way: Way) -> None:
    told = verdict(replace(PLAIN, state=state))

    assert told.way is way
    assert bool(told.remedy) == (way is Way.BLOCKED)


@pytest.mark.parametrize(
    ("wish", "way"),
    [("cold", Way.COLD), ("stop", Way.STOP), ("ask", Way.ASK), ("never", Way.ASK), ("perhaps", Way.ASK)],
)
def test_the_owner_is_heard_by_a_tag(wish: str, way: Way) -> None:
    assert verdict(replace(PLAIN, wish=wish)).way is way


@pytest.mark.parametrize(
    ("consent", "way"),
    [(Consent(), Way.ASK), (Consent(cold=True), Way.COLD), (Consent(stop=True), Way.STOP)],
)
def test_what_cannot_be_moved_live_goes_as_its_project_agreed(consent: Consent, way: Way) -> None:
    policy = FleetPolicy(projects={"p": consent})
    other = replace(HOST, devices={"gpu": 1})

    told = verdict(replace(PLAIN, flavor=FlavorName("gpu")), policy, other=other)

    assert told.way is way
    assert "devices of its host (gpu)" in told.reason


def test_an_instance_whose_processor_no_other_host_has_is_not_moved_live() -> None:
    told = verdict(replace(PLAIN, cpu="old"), other=replace(HOST, cpus=frozenset({"new"})))

    assert told.way is Way.ASK
    assert told.reason == "no other host of its pool runs its CPU model old"


def test_a_virtual_tpm_is_its_owners_even_where_cold_moves_are_agreed() -> None:
    assert verdict(replace(PLAIN, vtpm=True), FleetPolicy(consent=Consent(cold=True))).way is Way.ASK


def test_a_migration_that_would_never_end_is_asked_about_or_moved_cold() -> None:
    busy = replace(PLAIN, dirty_mib_s=5000, used_mib=100_000)

    assert verdict(busy).way is Way.ASK
    assert verdict(busy, FleetPolicy(consent=Consent(cold=True))).way is Way.COLD
    assert verdict(busy, FleetPolicy(consent=Consent(post_copy=True))).way is Way.LIVE


def test_a_longer_notice_of_either_is_given() -> None:
    policy = FleetPolicy(consent=Consent(cold=True, notice_h=48))

    assert verdict(replace(PLAIN, wish="cold", notice_h=24), policy).notice_h == 48


def test_an_instance_that_waits_for_somebody_holds_its_host_and_no_other() -> None:
    plan = planned(replace(PLAIN, wish="ask"), FleetPolicy())

    assert [held.host for held in plan.held] == [A]
    assert {turn.host for turn in plan.turns} == {B, C}


def test_only_hosts_that_are_to_be_emptied_are_judged() -> None:
    plan = planned(replace(PLAIN, wish="ask"), FleetPolicy(only=(B,)))

    assert (plan.verdicts, plan.held) == ((), ())
    assert [turn.host for turn in plan.turns] == [B]


def test_a_stopped_instance_stays_and_its_host_is_worked_on() -> None:
    plan = planned(replace(PLAIN, wish="stop"), FleetPolicy())

    assert plan.moves == ()
    assert {turn.host for turn in plan.turns} == {A, B, C}


def test_a_patch_in_place_moves_nothing() -> None:
    plan = planned(PLAIN, FleetPolicy(in_place=True))

    assert plan.moves == ()
    assert plan.verdicts[0].way is Way.IN_PLACE


def test_what_is_on_a_dead_host_is_evacuated_and_not_moved() -> None:
    fleet = Fleet({A: replace(HOST, up=False), B: HOST}, FLAVORS, (PLAIN,))

    plan = plan_fleet(fleet, FleetPolicy())

    assert "openstack server evacuate i" in plan.verdicts[0].remedy
    assert [turn.host for turn in plan.turns] == [B]


@pytest.mark.parametrize("stays", [{"state": State.SUSPENDED}, {"wish": "stop"}])
def test_a_group_that_is_to_be_together_is_not_parted_by_one_that_stays(stays: dict[str, Any]) -> None:
    together = GroupName("g")
    one, other = (replace(PLAIN, id=InstanceId(name), group=together) for name in ("one", "other"))
    fleet = Fleet(
        {A: HOST, B: HOST, C: HOST}, FLAVORS, (one, replace(other, **stays)), {together: Group(Rule.TOGETHER)}
    )

    plan = plan_fleet(fleet, FleetPolicy())

    assert plan.moves == ()
    (held,) = plan.held
    (told,) = held.because
    assert (held.host, told.instance, told.way) == (A, "one", Way.ASK)
    assert told.reason == "it must be on one host with other, which stays where it is"
    assert told.remedy == "let it stay, too: openstack server set --tag maintenance=stop one"
    assert not verify_fleet(document_of(fleet, FleetPolicy()), plan_document(plan))
