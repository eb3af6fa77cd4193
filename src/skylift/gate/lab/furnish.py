"""What a new cloud needs before its first guest: computes that are known, a network, an image, a flavor."""

from __future__ import annotations

import json
import shutil
from typing import Any

from skylift.gate.lab import guest
from skylift.gate.lab.commands import poll
from skylift.gate.lab.components import NOVA
from skylift.gate.lab.configure import cloud_facts
from skylift.gate.lab.host import BRIDGE_ADDRESS, DEPOT_PORT, VIP, Lab, LabProblem, run
from skylift.gate.lab.openstack import IDENTITY_URL, count, run_as, run_program
from skylift.gate.lab.services import GLANCE, Role

PROVIDER = "10.78.0.0/16"
_ZONES: dict[str, Role] = {"real": "compute", "fake": "fake-compute"}
"""The availability zones, by the role of their hosts; where no zone is asked for, guests are real."""

_FIRST_S, _REGISTER_S = 60, 180
REPORTING = {
    # By service: its rows, when each was written, and for how many seconds it may be silent.
    "nova-super-conductor": ("nova_cell0.services WHERE `binary` = 'nova-conductor'", "last_seen_up", 45),
    "nova-scheduler": ("nova_cell0.services WHERE `binary` = 'nova-scheduler'", "last_seen_up", 45),
    "nova-conductor": ("nova.services WHERE `binary` = 'nova-conductor'", "last_seen_up", 45),
    "nova-compute": ("nova.services WHERE `binary` = 'nova-compute'", "last_seen_up", 45),
    "cinder-scheduler": ("cinder.services WHERE `binary` = 'cinder-scheduler'", "updated_at", 45),
    "cinder-volume": ("cinder.services WHERE `binary` = 'cinder-volume'", "updated_at", 45),
    "cinder-backup": ("cinder.services WHERE `binary` = 'cinder-backup'", "updated_at", 45),
    "heat-engine": ("heat.service WHERE `binary` = 'heat-engine'", "updated_at", 120),
    **{
        f"neutron-{agent}": (f"neutron.agents WHERE `binary` = 'neutron-{agent}'", "heartbeat_timestamp", 45)
        for agent in ("openvswitch-agent", "l3-agent", "dhcp-agent", "metadata-agent")
    },
}


def registered(lab: Lab) -> bool:
    """Whether every compute host belongs to its cell, and all that reports was heard of just now."""
    mapped = count(lab, "SELECT COUNT(*) FROM nova_api.host_mappings")
    return mapped >= _number(lab, "nova-compute") and not _silent(lab)


def register(lab: Lab) -> None:
    """Wait until all that reports has told of itself, and map the computes.

    What is silent for a minute is started again: an agent of Neutron that began while the message bus
    came about was seen to wait for ever.

    Raises:
        LabProblem: a service is silent after three minutes more, such as one that ends whenever it starts.
    """
    if not poll(lambda: not _silent(lab), limit_s=_FIRST_S, every_s=2):
        silent = _silent(lab)
        for service in (one for one in lab.profile.services if one.name in silent):
            for host in lab.having(*service.roles):
                run(host, f"systemctl restart {service.unit_name}.service", timeout_s=_REGISTER_S)
    if not poll(lambda: not _silent(lab), limit_s=_REGISTER_S, every_s=2):
        told = ", ".join(_silent(lab))
        raise LabProblem(f"{told} did not report from all hosts within {_REGISTER_S} s")
    run_as(lab.controllers[0], NOVA, "nova-manage cell_v2 discover_hosts")


def furnished(lab: Lab) -> bool:
    """Whether all of it is there; the last that is made tells."""
    return count(
        lab, "SELECT COUNT(*) FROM glance.images WHERE status = 'active' AND name = 'guest'"
    ) > 0 and count(lab, "SELECT COUNT(*) FROM nova_api.aggregate_hosts") >= len(lab.having(*_ZONES.values()))


def furnish(lab: Lab) -> None:
    """Make what is missing, over the APIs through the VIP."""
    for name in (guest.KERNEL, guest.INITRD, guest.DISK):
        shutil.copyfile(guest.image().path / name, lab.depot / name)
    wanted = {
        "url": IDENTITY_URL,
        "password": cloud_facts(lab).passwords.admin,
        "things": [*_network(), *_images(), *_computes(lab)],
    }
    run_program(lab.client, "catalog", json.dumps(wanted))


def _silent(lab: Lab) -> list[str]:
    """The services that not all of their hosts were heard of."""
    there = {service.name for service in lab.profile.services}
    return [name for name in REPORTING if name in there and _heard(lab, name) < _number(lab, name)]


def _heard(lab: Lab, service: str) -> int:
    rows, written, alive_s = REPORTING[service]
    query = f"SELECT COUNT(*) FROM {rows} AND {written} > UTC_TIMESTAMP() - INTERVAL {alive_s} SECOND"  # noqa: S608 - our own words
    return count(lab, query)


def _number(lab: Lab, service: str) -> int:
    """On how many hosts it runs."""
    (one,) = (each for each in lab.profile.services if each.name == service)
    return len(lab.having(*one.roles))


def _network() -> list[dict[str, Any]]:
    neutron = f"http://{VIP}:9696/v2.0"
    return [
        {
            "as": "provider",
            "kind": "network",
            "list": f"{neutron}/networks",
            "wanted": {
                "name": "provider",
                "shared": True,
                "router:external": True,
                "provider:network_type": "flat",
                "provider:physical_network": "physnet1",
            },
        },
        {
            "as": "subnet",
            "kind": "subnet",
            "list": f"{neutron}/subnets",
            "wanted": {
                "name": "provider",
                "network_id": "$provider",
                "ip_version": 4,
                "cidr": PROVIDER,
                "gateway_ip": None,
                "enable_dhcp": True,
                # The rest is for guests whose address follows from their MAC.
                "allocation_pools": [{"start": "10.78.200.1", "end": "10.78.249.250"}],
            },
        },
    ]


def _images() -> list[dict[str, Any]]:
    depot = f"http://{BRIDGE_ADDRESS}:{DEPOT_PORT}"
    images = f"http://{VIP}:{GLANCE.port}/v2/images"
    plain = {"visibility": "public", "container_format": "bare", "disk_format": "raw"}
    parts = [
        ("kernel", guest.KERNEL, {"container_format": "aki", "disk_format": "aki"}),
        ("initrd", guest.INITRD, {"container_format": "ari", "disk_format": "ari"}),
        (
            "guest",
            guest.DISK,
            {"kernel_id": "$kernel", "ramdisk_id": "$initrd", "os_command_line": "console=ttyS0 quiet"},
        ),
    ]
    return [
        {
            "as": name,
            "kind": "image",
            "bare": True,
            "list": images,
            "wanted": {"name": name} | plain | special,
            "content": f"{depot}/{file}",
        }
        for name, file, special in parts
    ]


def _computes(lab: Lab) -> list[dict[str, Any]]:
    nova = f"http://{VIP}:8774/v2.1"
    return [
        {
            "as": "flavor",
            "kind": "flavor",
            "list": f"{nova}/flavors",
            "wanted": {"name": "tiny", "id": "tiny", "ram": 128, "vcpus": 1, "disk": 0},
        },
        *(
            {
                "as": f"zone-{zone}",
                "kind": "aggregate",
                "list": f"{nova}/os-aggregates",
                "wanted": {"name": zone, "availability_zone": zone},
                "then": [
                    (f"{nova}/os-aggregates/$zone-{zone}/action", {"add_host": {"host": host.name}})
                    for host in lab.having(role)
                ],
            }
            for zone, role in _ZONES.items()
            if lab.having(role)
        ),
    ]
