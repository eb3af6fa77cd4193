"""A pool that no plan can do is refused with a proof, and the fix that is named is one (row 87)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from skylift.fleet.document import document_of, plan_document
from skylift.fleet.fleet import Flavor, FlavorName, Fleet, Group, GroupName, Host, Instance, InstanceId, Rule
from skylift.fleet.plan import Resource
from skylift.fleet.planner import plan_fleet
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName
from skylift.verifier.fleet.verify import verify_fleet

GIB = 1024
FLAVORS = {FlavorName(f"m{gib}"): Flavor(1, gib * GIB) for gib in (2, 8, 32)}


def full(sizes: dict[str, list[int]], ram_gib: int = 64) -> Fleet:
    """Hosts of one size with instances of these sizes on them."""
    instances = [
        Instance(InstanceId(f"{host}-{n}"), HostName(host), FlavorName(f"m{gib}"))
        for host, gibs in sizes.items()
        for n, gib in enumerate(gibs)
    ]
    return Fleet({HostName(h): Host(64, ram_gib * GIB) for h in sizes}, FLAVORS, tuple(instances))


def test_a_full_pool_is_refused_with_what_is_missing() -> None:
    (proof,) = plan_fleet(full({"a": [32, 8], "b": [32, 8]}), FleetPolicy()).refused

    assert proof.resource is Resource.RAM
    assert proof.spare == 16 * GIB
    assert "takes 40960 MiB of memory, and the other hosts of its pool have 24576 free" in proof.sentence


def test_the_fewest_instances_are_named_that_would_do() -> None:
    (proof,) = plan_fleet(full({"a": [32, 8, 8], "b": [32, 8]}), FleetPolicy()).refused

    assert len(proof.instead) == 1


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from([2, 8, 32]), max_size=6), min_size=2, max_size=5))
def test_the_fix_that_a_proof_names_takes_the_proof_away(loads: list[list[int]]) -> None:
    fleet = full({f"h{n}": load for n, load in enumerate(loads) if sum(load) <= 64})
    if len(fleet.hosts) < 2:
        return
    plan = plan_fleet(fleet, FleetPolicy())
    assert verify_fleet(document_of(fleet, FleetPolicy()), plan_document(plan)) == ()
    for proof in plan.refused:
        if proof.resource is not Resource.RAM or "not even" in proof.sentence:
            continue
        gone = replace(fleet, instances=tuple(i for i in fleet.instances if i.id not in proof.instead))
        more = replace(fleet, hosts={**fleet.hosts, HostName("spare"): Host(64, proof.spare, done=True)})

        assert not [p for p in plan_fleet(gone, FleetPolicy()).refused if p.named == proof.named and p.spare]
        assert not [p for p in plan_fleet(more, FleetPolicy()).refused if p.resource is Resource.RAM]


def test_a_group_with_a_member_on_every_host_is_refused() -> None:
    fleet = full({"a": [2], "b": [2], "c": [2]})
    group = {GroupName("g"): Group(Rule.APART)}
    members = tuple(replace(i, group=GroupName("g")) for i in fleet.instances)

    (proof,) = plan_fleet(replace(fleet, groups=group, instances=members), FleetPolicy()).refused

    assert proof.resource is None
    assert "group g keeps its 3 members apart, and only 3 hosts may take them" in proof.sentence


def test_an_instance_that_fits_no_host_is_named() -> None:
    fleet = full({"a": [32], "b": []})
    small = {**fleet.hosts, HostName("b"): Host(64, 16 * GIB), HostName("c"): Host(64, 60 * GIB)}
    (proof,) = plan_fleet(replace(fleet, hosts=small), FleetPolicy(headroom_percent=60)).refused

    assert "fits on no host that may take it" in proof.sentence or proof.spare > 0


def test_a_refused_pool_does_not_keep_another_from_its_plan() -> None:
    tight, loose = full({"a": [32, 8], "b": [32, 8]}), full({"c": [2], "d": [2]})
    hosts = {**{n: replace(h, zone="tight") for n, h in tight.hosts.items()}, **loose.hosts}
    instances = tuple(replace(i, zone="tight") for i in tight.instances) + tuple(
        replace(i, zone="nova") for i in loose.instances
    )

    plan = plan_fleet(Fleet(hosts, FLAVORS, instances), FleetPolicy())

    assert len(plan.refused) == 1
    assert {turn.host for turn in plan.turns} == {"c", "d"}
