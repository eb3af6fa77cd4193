"""A guest behind a router of its own, and who carries that router and the DHCP of its network.

All of it is told by Neutron's API, past everything that is ours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.lab.core_cloud import NEUTRON, NOVA, CoreCloud

from skylift.gate.lab.commands import poll
from skylift.gate.lab.host import LabProblem

NAME = "behind-a-router"
_CIDR = "192.168.77.0/24"
_MAC = "fa:16:3e:00:77:{:02x}"
"""None of those that a guest takes its address from: it asks by DHCP."""
_DHCP = "network:dhcp"
_UP_S = 180
_LOOK_S = 1.0
"""Two questions each time, of a Neutron that has two cores for all it does."""


@dataclass(frozen=True, slots=True)
class Routed:
    """What is carried by agents on network hosts."""

    network: str
    router: str


@dataclass(frozen=True, slots=True)
class Carriers:
    """The hosts of the agents that are to carry both, at one moment, in seconds since 1970."""

    moment: float
    router: frozenset[str]
    network: frozenset[str]

    @property
    def hosts(self) -> frozenset[str]:
        """Those of either."""
        return self.router | self.network


def last_before(seen: Sequence[Carriers], moment: float) -> Carriers:
    """The newest of them that is older than ``moment``.

    Raises:
        ValueError: there is none.
    """
    return max((one for one in seen if one.moment <= moment), key=lambda one: one.moment)


def a_network_with_a_way_out(cloud: CoreCloud) -> Routed:
    """A network with a router to the outside; made if it is not there, and up."""
    network = _made(cloud, "network", {"name": NAME})
    known = {"name": NAME, "network_id": network, "ip_version": 4, "cidr": _CIDR}
    subnet = _made(cloud, "subnet", known)
    outside = {"network_id": cloud.network("provider")}
    router = _made(cloud, "router", {"name": NAME, "external_gateway_info": outside})
    if not _ports(cloud, device_id=router, device_owner="network:router_interface"):
        cloud.ask("PUT", f"{NEUTRON}/routers/{router}/add_router_interface", {"subnet_id": subnet})
    assert poll(lambda: _is_up(cloud, network), limit_s=_UP_S, every_s=2), "no agent serves its DHCP"
    return Routed(network, router)


def a_guest_inside(cloud: CoreCloud, routed: Routed, number: int) -> str:
    """The floating address of a guest that asks for its own by DHCP; booted if it is not there, it counts."""
    name = f"{NAME}-{number}"
    wanted = {"network_id": routed.network, "mac_address": _MAC.format(number)}
    port = _made(cloud, "port", {"name": name, **wanted, "port_security_enabled": False})
    held = cloud.ask("GET", f"{NEUTRON}/floatingips?port_id={port}")["floatingips"]
    if not held:
        asked = {"floating_network_id": cloud.network("provider"), "port_id": port}
        held = [cloud.ask("POST", f"{NEUTRON}/floatingips", {"floatingip": asked})["floatingip"]]
    there = cloud.servers()
    server = there.get(name) or cloud.boot(name, zone="real", networks=[{"port": port}])
    address = str(held[0]["floating_ip_address"])
    assert cloud.settled(f"{NOVA}/servers/{server}", "server") == "ACTIVE", name
    assert cloud.counts(address), f"{name} at {address} does not count"
    return address


def carriers(cloud: CoreCloud, routed: Routed) -> Carriers:
    """Who is to carry both now."""
    moment = time.time()
    routers = cloud.ask("GET", f"{NEUTRON}/routers/{routed.router}/l3-agents")["agents"]
    networks = cloud.ask("GET", f"{NEUTRON}/networks/{routed.network}/dhcp-agents")["agents"]
    return Carriers(moment, _hosts(routers), _hosts(networks))


class CarriersSeen:
    """Asks who carries both again and again, beside whatever else goes on."""

    def __init__(self, cloud: CoreCloud, routed: Routed, limit_s: float) -> None:
        self._cloud, self._routed, self._limit_s = CoreCloud(cloud.lab), routed, limit_s
        self._over = threading.Event()
        self._seen: list[Carriers] = []
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def begin(self) -> None:
        """Start."""
        self._thread.start()

    def end(self) -> tuple[Carriers, ...]:
        """Stop, and tell what was seen, in its order."""
        self._over.set()
        self._thread.join()
        return tuple(self._seen)

    def _look_on(self) -> None:
        poll(self._look, limit_s=self._limit_s, every_s=_LOOK_S)

    def _look(self) -> bool:
        with suppress(LabProblem):  # an answer that failed is judged by the probes; here the next one tells
            self._seen.append(carriers(self._cloud, self._routed))
        return self._over.is_set()


def _made(cloud: CoreCloud, kind: str, wanted: dict[str, Any]) -> str:
    """The id of the one that is called so."""
    found = cloud.ask("GET", f"{NEUTRON}/{kind}s?name={wanted['name']}")[f"{kind}s"]
    one = found[0] if found else cloud.ask("POST", f"{NEUTRON}/{kind}s", {kind: wanted})[kind]
    return str(one["id"])


def _ports(cloud: CoreCloud, **of: str) -> list[dict[str, Any]]:
    query = "&".join(f"{key}={value}" for key, value in of.items())
    found: list[dict[str, Any]] = cloud.ask("GET", f"{NEUTRON}/ports?{query}")["ports"]
    return found


def _is_up(cloud: CoreCloud, network: str) -> bool:
    return any(port["status"] == "ACTIVE" for port in _ports(cloud, network_id=network, device_owner=_DHCP))


def _hosts(agents: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(str(agent["host"]) for agent in agents)
