"""What Nova and Placement answer becomes a fleet, and nothing is guessed that they do not tell."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.fleet.fleet import Fleet, Instance, Rule, State
from skylift.fleet.nova import fleet_from
from skylift.fleet.planner import plan_fleet
from skylift.model.fleet_policy import FleetPolicy
from skylift.ports import ComputeSeen

INVENTORIES = {
    "VCPU": {"total": 64, "reserved": 4, "allocation_ratio": 4.0},
    "MEMORY_MB": {"total": 524288, "reserved": 8192, "allocation_ratio": 1.0},
    "DISK_GB": {"total": 1000, "reserved": 0, "allocation_ratio": 1.0},
}


def server(name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "tenant_id": "p",
        "image": {"id": "img"},
        "OS-EXT-SRV-ATTR:host": "cmp1",
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": None,
        "OS-EXT-AZ:availability_zone": "az1",
        "pinned_availability_zone": None,
        "flavor": {"original_name": "m", "vcpus": 2, "ram": 4096, "disk": 20, "ephemeral": 0, "swap": 0},
        **more,
    }


def flavor(**specs: str) -> dict[str, Any]:
    return {**server("x")["flavor"], "extra_specs": specs}


def seen(*servers: dict[str, Any], members: tuple[str, ...] = ()) -> Fleet:
    services = [
        {"binary": "nova-compute", "host": f"cmp{n}", "zone": "az1", "state": "up", "status": "enabled"}
        for n in (1, 2, 3)
    ]
    services[2] |= {"state": "down", "status": "disabled"}
    return fleet_from(
        ComputeSeen(
            servers,
            (*services, {"binary": "nova-scheduler", "host": "ctl1", "zone": "internal"}),
            ({"name": "fast", "hosts": ["cmp2"], "metadata": {"ssd": "true", "trait:X": "required"}},),
            (
                {"id": "g1", "policy": "anti-affinity", "members": [*members]},
                {"id": "g2", "policy": "soft-affinity", "members": ["another"]},
            ),
            tuple({"name": f"cmp{n}.example.org", "uuid": f"u{n}"} for n in (1, 2, 3)),
            {f"u{n}": INVENTORIES for n in (1, 2, 3)},
            {"u2": ("HW_CPU_X86_AVX512F",), "u3": ("COMPUTE_STATUS_DISABLED",)},
        ),
        shared_storage=False,
    )


def one(members: tuple[str, ...] = (), **more: Any) -> Instance:
    (instance,) = seen(server("i", **more), members=members).instances
    return instance


def test_hosts_offer_what_placement_would_let_be_taken() -> None:
    hosts = seen().hosts

    assert (hosts["cmp1"].vcpus, hosts["cmp1"].ram_mib, hosts["cmp1"].disk_gib) == (240, 516096, 1000)  # type: ignore[index]
    assert set(hosts) == {"cmp1", "cmp2", "cmp3"}


def test_services_traits_and_aggregates_are_of_their_hosts() -> None:
    of = {str(name): host for name, host in seen().hosts.items()}

    assert (of["cmp3"].up, of["cmp3"].closed, of["cmp1"].up) == (False, True, True)
    assert of["cmp2"].traits == {"HW_CPU_X86_AVX512F"}
    assert of["cmp3"].traits == frozenset(), "that Nova closed it is no trait of what it can do"
    assert of["cmp2"].aggregates == ("fast",)
    assert seen().aggregates["fast"].isolated


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, State.ACTIVE),
        ({"OS-EXT-STS:vm_state": "stopped"}, State.STOPPED),
        ({"OS-EXT-STS:task_state": "migrating"}, State.BUSY),
        ({"OS-EXT-STS:vm_state": "building"}, State.BUSY),
    ],
)
def test_a_state_that_is_not_known_is_taken_for_busy(more: dict[str, Any], state: State) -> None:
    assert one(**more).state is state


def test_an_instance_without_a_host_is_left_out() -> None:
    assert seen(server("i", **{"OS-EXT-SRV-ATTR:host": None})).instances == ()


def test_an_instance_on_a_host_that_placement_does_not_know_is_left_out() -> None:
    assert seen(server("i", **{"OS-EXT-SRV-ATTR:host": "ironic1"})).instances == ()


def test_a_notice_that_cannot_be_read_asks_for_none() -> None:
    assert one(metadata={"maintenance_notice_h": "soon"}).notice_h == 0


def test_a_disk_of_the_host_is_copied_and_a_volume_is_not() -> None:
    assert one().disk_copied
    assert not one(image="").disk_copied
    sizes = {str(name): of.disk_gib for name, of in seen(server("a"), server("b", image="")).flavors.items()}
    assert sizes == {"m": 20, "m on a volume": 0}


def test_the_zone_is_kept_where_nova_does_not_say_who_asked_for_it() -> None:
    older = server("i")
    del older["pinned_availability_zone"]

    assert one().zone == ""
    assert one(pinned_availability_zone="az1").zone == "az1"
    assert seen(older).instances[0].zone == "az1"


def test_a_flavor_asks_for_what_its_extra_specs_say() -> None:
    asked = flavor(
        **{
            "trait:A": "required",
            "trait:B": "forbidden",
            "aggregate_instance_extra_specs:ssd": "true",
            "pci_passthrough:alias": "gpu:2,nic",
            "hw:cpu_policy": "dedicated",
            "hw:numa_nodes": "2",
        }
    )

    (found,) = seen(server("i", flavor=asked)).flavors.values()

    assert (found.traits, found.without) == (frozenset({"A"}), frozenset({"B"}))
    assert found.aggregate == "fast"
    assert (found.devices, found.cells) == ({"gpu": 2, "nic": 1}, 2)


def test_owners_groups_and_tpms_are_read() -> None:
    told = one(
        tags=["maintenance=cold", "blue"],
        metadata={"maintenance": "live", "maintenance_notice_h": "48"},
        members=("j", "i"),
        flavor=flavor(**{"hw:tpm_version": "2.0"}),
    )

    assert (told.wish, told.notice_h, told.group, told.vtpm) == ("cold", 48, "g1", True)
    assert [group.rule for group in seen().groups.values()] == [Rule.APART, Rule.RATHER_TOGETHER]


def test_what_was_read_can_be_planned() -> None:
    plan = plan_fleet(seen(server("i"), server("j")), FleetPolicy())

    assert [turn.host for turn in plan.turns] == ["cmp2"]
    assert [(held.host, held.because[0].reason) for held in plan.held] == [
        ("cmp1", "no other host may take it")
    ]
