"""A core cloud has what a cloud is for: guests, networks, volumes, stacks, a dashboard, all of them real."""

from __future__ import annotations

from typing import Any

import pytest
from tests.lab.core_cloud import (
    CINDER,
    DASHBOARD,
    HEAT,
    NEUTRON,
    NOVA,
    CoreCloud,
    answers_ping,
    comes_true,
)

from skylift.gate.lab.host import Lab, run

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(1800)]

REAL = {"cmp1": "10.78.1.1", "cmp2": "10.78.2.1"}
"""Hosts with QEMU, and the address of the guest that each gets."""


@pytest.fixture(scope="module")
def cloud(core_lab: Lab) -> CoreCloud:
    return CoreCloud(core_lab)


@pytest.fixture(scope="module")
def guests(cloud: CoreCloud) -> dict[str, str]:
    """By host, the server that was asked to run there, now or by an earlier run on the same lab."""
    network, there = cloud.network("provider"), cloud.servers()
    for host, address in REAL.items():
        if f"on-{host}" not in there:
            port = cloud.port(network, address=address)
            networks = [{"port": port["id"]}]
            there[f"on-{host}"] = cloud.boot(f"on-{host}", zone=f"real:{host}", networks=networks)
    return {host: there[f"on-{host}"] for host in REAL}


@pytest.mark.parametrize("host", REAL)
def test_a_guest_runs_where_it_was_asked_to_and_counts(
    cloud: CoreCloud, guests: dict[str, str], host: str
) -> None:
    url = f"{NOVA}/servers/{guests[host]}"

    assert cloud.settled(url, "server") == "ACTIVE"
    assert cloud.ask("GET", url)["server"]["OS-EXT-SRV-ATTR:host"] == host
    assert answers_ping(cloud.lab.client, REAL[host])
    assert cloud.counts(REAL[host])


def test_a_guest_gets_its_address_by_dhcp(cloud: CoreCloud) -> None:
    port = cloud.port(cloud.network("provider"))
    address = port["fixed_ips"][0]["ip_address"]

    server = cloud.boot("by-dhcp", zone="real", networks=[{"port": port["id"]}])

    assert cloud.settled(f"{NOVA}/servers/{server}", "server") == "ACTIVE"
    assert cloud.counts(address)


def test_a_router_answers_on_the_outside(cloud: CoreCloud) -> None:
    network = cloud.ask("POST", f"{NEUTRON}/networks", {"network": {"name": "inside"}})["network"]["id"]
    wanted = {"network_id": network, "ip_version": 4, "cidr": "192.168.9.0/24"}
    subnet = cloud.ask("POST", f"{NEUTRON}/subnets", {"subnet": wanted})["subnet"]["id"]
    outside = {"network_id": cloud.network("provider")}
    router = cloud.ask(
        "POST", f"{NEUTRON}/routers", {"router": {"name": "way-out", "external_gateway_info": outside}}
    )["router"]
    cloud.ask("PUT", f"{NEUTRON}/routers/{router['id']}/add_router_interface", {"subnet_id": subnet})
    (place,) = router["external_gateway_info"]["external_fixed_ips"]

    assert answers_ping(cloud.lab.client, place["ip_address"])


def test_a_volume_is_attached_to_a_guest_that_writes_to_it(cloud: CoreCloud, guests: dict[str, str]) -> None:
    volume = _volume(cloud, "written-to")
    attach = {"volumeAttachment": {"volumeId": volume}}

    cloud.ask("POST", f"{NOVA}/servers/{guests['cmp1']}/os-volume_attachments", attach)

    assert _settled_volume(cloud, volume) == "in-use"
    assert _written(cloud, volume)


def test_a_volume_is_backed_up(cloud: CoreCloud) -> None:
    volume = _volume(cloud, "saved")
    wanted = {"backup": {"volume_id": volume, "name": "saved"}}

    backup = cloud.ask("POST", f"{CINDER}/{cloud.project}/backups", wanted)["backup"]["id"]

    assert cloud.settled(f"{CINDER}/{cloud.project}/backups/{backup}", "backup") == "available"


def test_a_stack_makes_what_it_describes(cloud: CoreCloud) -> None:
    template: dict[str, Any] = {
        "heat_template_version": "2018-08-31",
        "resources": {
            "net": {"type": "OS::Neutron::Net", "properties": {"name": "of-a-stack"}},
            "word": {"type": "OS::Heat::RandomString"},
        },
    }
    stacks = f"{HEAT}/{cloud.project}/stacks"

    stack = cloud.ask("POST", stacks, {"stack_name": "two-things", "template": template})["stack"]["id"]

    assert cloud.settled(f"{stacks}/two-things/{stack}", "stack") == "CREATE_COMPLETE"
    assert cloud.network("of-a-stack")


def test_the_dashboard_shows_where_to_sign_in(cloud: CoreCloud) -> None:
    page = run(cloud.lab.client, f"curl -fsS --max-time 60 {DASHBOARD}/auth/login/", timeout_s=90)

    assert 'name="password"' in page


def test_a_guest_moves_to_another_host_and_goes_on_counting(cloud: CoreCloud, guests: dict[str, str]) -> None:
    server, address = guests["cmp2"], REAL["cmp2"]
    before = cloud.counter(address)
    move = {"os-migrateLive": {"host": "cmp1", "block_migration": "auto"}}

    cloud.ask("POST", f"{NOVA}/servers/{server}/action", move)

    assert cloud.settled(f"{NOVA}/servers/{server}", "server") == "ACTIVE"
    assert cloud.ask("GET", f"{NOVA}/servers/{server}")["server"]["OS-EXT-SRV-ATTR:host"] == "cmp1"
    assert cloud.counter(address) > before


def _volume(cloud: CoreCloud, name: str) -> str:
    wanted = {"volume": {"name": name, "size": 1}}
    made = cloud.ask("POST", f"{CINDER}/{cloud.project}/volumes", wanted)["volume"]["id"]
    assert _settled_volume(cloud, made) == "available"
    return str(made)


def _settled_volume(cloud: CoreCloud, volume: str) -> str:
    return cloud.settled(f"{CINDER}/{cloud.project}/volumes/{volume}", "volume")


def _written(cloud: CoreCloud, volume: str) -> bool:
    """Whether the guest's count stands at the beginning of the volume, on the share that holds it."""
    script = f"head -c 8 /srv/shared/volumes/volume-{volume} | grep -aq '^[0-9]'"
    return comes_true(cloud.lab.controllers[0], script)
