"""The witnesses of the services that not every cloud has: a router, a volume, a server and a stack.

They are an administrator's, and found by their names: what is asked for takes its time, so each is made
by looking, again and again, what there is of it already.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from skylift.model.sample import CONTENT, TIMEOUT
from skylift.probe.access import CINDER, HEAT, NEUTRON, NOVA
from skylift.probe.choice import Choice, Wanted, choose
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered
from skylift.probe.guest import Guest, counted, ping
from skylift.probe.stack import small_stack
from skylift.probe.volume import SIZE_GIB

Made = dict[str, Any]
"""What is written down of one witness: its name, its id when it is known, and what belongs to it."""

SUBNET = "198.51.100.0/24"
"""Of the router's own network; a range for documentation, so that it is nobody's."""
_ABSENT = 404
_GONE = (202, 204, _ABSENT)
_BUSY, _CONFLICT = 400, 409
_REMOVAL_S = 15
_LOOK_EVERY_S = 0.5
_GUEST_S = 120.0
"""How long a server that is active may take to answer a ping: then it is none that can be reached."""
_COUNTER_S = 30.0
"""How much longer it may take to tell a count: then its image counts nothing."""


class Witness(NamedTuple):
    """How one is made, looked at and removed."""

    api: str
    make: Callable[[Client, Mapping[str, Made]], str]
    """Makes what is missing, and says what it still waits for."""
    fault: Callable[[Client, Mapping[str, Made]], str]
    remove: Callable[[Client, str], None]
    """Removes all of that name."""


def intended(client: Client, name: str, wanted: Wanted, without: frozenset[str]) -> dict[str, Made]:
    """What is to be made in a cloud that offers what ``client`` found, called ``name``."""
    these: dict[str, Made] = {
        kind: {"name": name, "id": ""}
        for kind, one in WITNESSES.items()
        if one.api in client.urls and kind not in without
    }
    if "router" in these and not _knows(client, "/routers"):
        del these["router"]
    if "server" in these:
        choices = choices_for(client, wanted)
        if choices:
            these["server"] |= choices[0]._asdict()
        else:
            del these["server"]
    return these


def choices_for(client: Client, wanted: Wanted) -> list[Choice]:
    """What a server is made of; empty if the cloud has nothing that boots."""
    return choose(_look(client), client.urls, client.token.project_id, wanted) or []


def _look(client: Client) -> Callable[[str, str, str], list[dict[str, Any]]]:
    return lambda api, path, key: list(client.get(api, path).json()[key])


def _knows(client: Client, path: str) -> bool:
    """Whether this neutron has what an extension adds, such as routers or security groups."""
    return client.get(NEUTRON, f"{path}?limit=1", 200, _ABSENT).status != _ABSENT


def _named(client: Client, api: str, path: str, name: str) -> list[dict[str, Any]]:
    """The things at ``path`` that have exactly this name."""
    key = path.strip("/").partition("/")[0].replace("-", "_")
    listed = client.get(api, f"{path}?name={quote(name)}").json()[key]
    return [thing for thing in listed if thing.get("stack_name", thing.get("name")) == name]


def _once(client: Client, api: str, path: str, single: str, **declared: Any) -> dict[str, Any]:
    """The thing of this name, made if there is none."""
    for found in _named(client, api, path, declared["name"]):
        return found
    made = client.call("POST", api, path.replace("/detail", ""), (201, 202), body={single: declared})
    thing: dict[str, Any] = made.json()[single]
    return thing


def _failed(client: Client, api: str, path: str, what: str) -> Unanswered:
    """Remove what ended in an error, so that the next try makes a new one, and say so."""
    client.call("DELETE", api, path, _GONE)
    return Unanswered(CONTENT, f"the witness {what} and was removed")


def make_router(client: Client, these: Mapping[str, Made]) -> str:
    """A network with a subnet, and a router with a port on it."""
    mine = these["router"]
    name = mine["name"]
    mine["network"] = _once(client, NEUTRON, "/networks", "network", name=name)["id"]
    known = {"network_id": mine["network"], "ip_version": 4, "cidr": SUBNET}
    mine["subnet"] = _once(client, NEUTRON, "/subnets", "subnet", name=name, **known)["id"]
    mine["id"] = _once(client, NEUTRON, "/routers", "router", name=name)["id"]
    if not _ports(client, mine["id"]):
        joined = {"subnet_id": mine["subnet"]}
        client.call("PUT", NEUTRON, f"/routers/{mine['id']}/add_router_interface", (200,), body=joined)
    return ""


def _ports(client: Client, router: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get(NEUTRON, f"/ports?device_id={router}").json()["ports"]
    return listed


def _router_fault(client: Client, these: Mapping[str, Made]) -> str:
    mine = these["router"]
    found = client.get(NEUTRON, f"/routers/{mine['id']}").json()["router"]
    if found["name"] != mine["name"] or found["status"] != "ACTIVE":
        return f"its name is {found['name']} and its state {found['status']}"
    held = {ip["subnet_id"] for port in _ports(client, mine["id"]) for ip in port["fixed_ips"]}
    return "" if mine["subnet"] in held else "it has no port on its network any more"


def remove_router(client: Client, name: str) -> None:
    """The router, its port, and its network with all that is on it."""
    for router in _named(client, NEUTRON, "/routers", name):
        for port in _ports(client, router["id"]):
            left = {"port_id": port["id"]}
            path = f"/routers/{router['id']}/remove_router_interface"
            client.call("PUT", NEUTRON, path, (200, _ABSENT), body=left)
        client.call("DELETE", NEUTRON, f"/routers/{router['id']}", _GONE)
    for network in _named(client, NEUTRON, "/networks", name):
        client.call("DELETE", NEUTRON, f"/networks/{network['id']}", _GONE)


def make_volume(client: Client, these: Mapping[str, Made]) -> str:
    """An empty volume, which the server takes when it is made."""
    mine = these["volume"]
    found = _once(client, CINDER, "/volumes/detail", "volume", name=mine["name"], size=SIZE_GIB)
    mine["id"], mine["status"] = found["id"], str(found["status"])
    if mine["status"].startswith("error"):
        raise _failed(client, CINDER, f"/volumes/{mine['id']}", f"volume ended in {mine['status']}")
    return "" if mine["status"] in {"available", "in-use"} else f"the volume is {mine['status']}"


def _volume_fault(client: Client, these: Mapping[str, Made]) -> str:
    found = client.get(CINDER, f"/volumes/{these['volume']['id']}").json()["volume"]
    if "server" not in these:
        return "" if found["status"] == "available" else f"it is {found['status']}"
    held = [held["server_id"] for held in found["attachments"]]
    well = found["status"] == "in-use" and held == [these["server"]["id"]]
    return "" if well else f"it is {found['status']}, attached to {', '.join(held) or 'no server'}"


def remove_volume(client: Client, name: str) -> None:
    """The volume, whose server is gone.

    Raises:
        Unanswered: it is not free yet.
    """
    for volume in _named(client, CINDER, "/volumes/detail", name):
        said = client.call("DELETE", CINDER, f"/volumes/{volume['id']}", (*_GONE, _BUSY))
        if said.status == _BUSY:
            raise Unanswered(TIMEOUT, f"the volume {name} is {volume['status']}")


def make_server(client: Client, these: Mapping[str, Made]) -> str:
    """A server with a port that lets everything in, and with the volume; then wait for its guest.

    Where there is no network that servers can be put on, it is on the router's own, and nobody reaches it.
    """
    waits = boot_server(client, these)
    return waits or (_meet(these["server"]) if these["server"].get("address") else "")


def boot_server(client: Client, these: Mapping[str, Made]) -> str:
    """The same until it is active; on the host that its ``host`` names, if it has one."""
    mine = these["server"]
    network = mine["network"] or these.get("router", {}).get("network", "")
    if network:
        _make_port(client, mine, network)
    found = _named(client, NOVA, "/servers/detail", mine["name"])
    if not found:
        if these.get("volume", {}).get("status", "available") != "available":
            return "the server waits for its volume"
        asked = {"server": _declared(mine, these.get("volume"))}
        client.call("POST", NOVA, "/servers", (202,), body=asked)
        return "the server is asked for"
    mine["id"], status = found[0]["id"], found[0]["status"]
    if status == "ERROR":
        why = found[0].get("fault", {}).get("message", "no reason is told")
        raise _failed(client, NOVA, f"/servers/{mine['id']}", f"server ended in ERROR ({why})")
    return "" if status == "ACTIVE" else f"the server is in {status}"


def _declared(mine: Made, volume: Made | None) -> dict[str, Any]:
    server = Choice(mine["flavor"], mine["image"], mine["network"]).server(mine["name"])
    if mine.get("port"):
        server["networks"] = [{"port": mine["port"]}]
    if mine.get("host"):
        server["host"] = mine["host"]
    if volume:
        image = {"boot_index": 0, "uuid": mine["image"], "source_type": "image", "destination_type": "local"}
        more = {"boot_index": -1, "uuid": volume["id"], "source_type": "volume", "destination_type": "volume"}
        server["block_device_mapping_v2"] = [image | {"delete_on_termination": True}, more]
    return server


def _make_port(client: Client, mine: Made, network: str) -> None:
    found = client.get(NEUTRON, f"/networks/{network}").json()["network"]
    declared: dict[str, Any] = {"name": mine["name"], "network_id": network}
    if found.get("port_security_enabled", True) and _knows(client, "/security-groups"):
        group = _once(client, NEUTRON, "/security-groups", "security_group", name=mine["name"])["id"]
        rule = {"security_group_id": group, "direction": "ingress", "ethertype": "IPv4"}
        body = {"security_group_rule": rule}
        client.call("POST", NEUTRON, "/security-group-rules", (201, _CONFLICT), body=body)
        declared["security_groups"] = [group]
    port = _once(client, NEUTRON, "/ports", "port", **declared)
    mine["port"] = port["id"]
    addresses = [ip["ip_address"] for ip in port["fixed_ips"] if "." in ip["ip_address"]]
    mine["address"] = addresses[0] if addresses and mine["network"] else ""


def _meet(mine: Made) -> str:
    """Wait, but not for ever, until the guest answers: what answers now must answer after the run."""
    now = time.time()
    guest = Guest(mine["id"], mine["address"])
    mine.setdefault("active_at", now)
    if "pings_from" not in mine:
        try:
            ping(guest.address)
        except Unanswered:
            over = now - mine["active_at"] > _GUEST_S
            return "" if over else f"the guest at {guest.address} does not answer yet"
        mine["pings_from"] = now
    try:
        mine["count"] = counted(guest, time.monotonic() + 2)
    except Unanswered:
        mine["count"] = None
    silent = mine["count"] is None and now - mine["pings_from"] <= _COUNTER_S
    return f"the guest at {guest.address} does not count yet" if silent else ""


def _server_fault(client: Client, these: Mapping[str, Made]) -> str:
    mine = these["server"]
    found = client.get(NOVA, f"/servers/{mine['id']}").json()["server"]
    if found["name"] != mine["name"] or found["status"] != "ACTIVE":
        return f"its name is {found['name']} and its state {found['status']}"
    if not mine.get("port"):
        return ""
    port = client.get(NEUTRON, f"/ports/{mine['port']}").json()["port"]
    held = {ip["ip_address"] for ip in port["fixed_ips"]}
    same = port["device_id"] == mine["id"] and mine["address"] in {*held, ""}
    return "" if same else "its port is another server's, or has another address"


def remove_server(client: Client, name: str) -> None:
    """The server, and when it is gone its port.

    Raises:
        Unanswered: it is not gone yet.
    """
    left = _named(client, NOVA, "/servers/detail", name)
    for server in left:
        client.call("DELETE", NOVA, f"/servers/{server['id']}", _GONE)
    end = time.monotonic() + _REMOVAL_S
    while left:
        if time.monotonic() > end:
            raise Unanswered(TIMEOUT, f"the server {name} is still being removed")
        threading.Event().wait(_LOOK_EVERY_S)
        left = _named(client, NOVA, "/servers/detail", name)
    if NEUTRON in client.urls:
        groups = ("/security-groups",) if _knows(client, "/security-groups") else ()
        for path in ("/ports", *groups):
            for thing in _named(client, NEUTRON, path, name):
                client.call("DELETE", NEUTRON, f"{path}/{thing['id']}", _GONE)


def make_stack(client: Client, these: Mapping[str, Made]) -> str:
    """A stack whose one resource is a secret, which heat has to keep."""
    mine = these["stack"]
    found = _named(client, HEAT, "/stacks", mine["name"])
    if not found:
        client.call("POST", HEAT, "/stacks", (201,), body=small_stack(mine["name"]))
        return "the stack is asked for"
    mine["id"], status = found[0]["id"], str(found[0]["stack_status"])
    path = f"/stacks/{mine['name']}/{mine['id']}"
    if status.endswith("_FAILED"):
        raise _failed(client, HEAT, path, f"stack ended in {status}")
    if status != "CREATE_COMPLETE":
        return f"the stack is in {status}"
    mine["outputs"] = _outputs(client.get(HEAT, path).json()["stack"])
    return ""


def _outputs(stack: Mapping[str, Any]) -> dict[str, Any]:
    return {each["output_key"]: each["output_value"] for each in stack["outputs"]}


def _stack_fault(client: Client, these: Mapping[str, Made]) -> str:
    mine = these["stack"]
    found = client.get(HEAT, f"/stacks/{mine['name']}/{mine['id']}").json()["stack"]
    if found["stack_status"] != "CREATE_COMPLETE":
        return f"it is in {found['stack_status']}"
    return "" if _outputs(found) == mine["outputs"] else "what it keeps is another"


def remove_stack(client: Client, name: str) -> None:
    """The stack; heat goes on by itself."""
    for stack in _named(client, HEAT, "/stacks", name):
        client.call("DELETE", HEAT, f"/stacks/{name}/{stack['id']}", _GONE)


WITNESSES: Mapping[str, Witness] = {
    "router": Witness(NEUTRON, make_router, _router_fault, remove_router),
    "volume": Witness(CINDER, make_volume, _volume_fault, remove_volume),
    "server": Witness(NOVA, make_server, _server_fault, remove_server),
    "stack": Witness(HEAT, make_stack, _stack_fault, remove_stack),
}
"""In the order in which they are made; they are removed the other way round."""
