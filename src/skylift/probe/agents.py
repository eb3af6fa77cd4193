"""Neutron's agents and what they carry, by its own API.

Source: networking API, Agents; L3 agent scheduler; DHCP agent scheduler. Read in neutron 2025.1:
db/l3_agentschedulers_db.py (what may be on which agent), db/l3_hamode_db.py (``ha_state``),
api/rpc/handlers/l3_rpc.py (a router's ports are bound to the host of the agent that took it).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from skylift.model.sample import CONTENT
from skylift.probe.access import NEUTRON
from skylift.probe.client import Client
from skylift.probe.exchange import Answer, Unanswered
from skylift.probe.fleet import Part

L3, DHCP, GATEWAY = "L3 agent", "DHCP agent", "OVN Controller Gateway agent"
KINDS = (L3, DHCP, GATEWAY)
"""Kinds of agent that are told, in Neutron's words."""
_THINGS = {L3: ("routers", "l3-agents", "l3-routers"), DHCP: ("networks", "dhcp-agents", "dhcp-networks")}
"""By kind: what is carried, its agents, and what is on an agent, as paths have them."""
_ROUTER = "network:router_interface"
_REPLICATED = "network:ha_router_replicated_interface"
_CENTRAL = "network:router_centralized_snat"
_OUTSIDE = "network:router_gateway"
_NEEDED_S = 3.0
"""Another thing is not looked at if less time than this is left."""
_DESCRIPTION_MAX = 255


def agents(client: Client) -> list[dict[str, Any]]:
    """All of these kinds; none if the cloud has no Neutron."""
    if NEUTRON not in client.urls:
        return []
    found: list[Mapping[str, Any]] = []
    more = True
    while more:
        marker = f"&marker={found[-1]['id']}" if found else ""
        page = client.get(NEUTRON, f"/agents?sort_key=id&sort_dir=asc{marker}").json()
        found += page["agents"]
        more = any(link["rel"] == "next" for link in page.get("agents_links", ())) and bool(page["agents"])
    return [_agent(one) for one in found if one["agent_type"] in KINDS]


def _agent(one: Mapping[str, Any]) -> dict[str, Any]:
    said = one.get("configurations") or {}
    return {
        "id": one["id"],
        "kind": one["agent_type"],
        "host": one["host"],
        "alive": one["alive"],
        "open": one["admin_state_up"],
        "description": one.get("description") or "",
        "mode": said.get("agent_mode", "legacy") if one["agent_type"] == L3 else "",
        "zone": one.get("availability_zone") or "",
        "load": said.get("routers" if one["agent_type"] == L3 else "networks", 0),
        "started_at": one["started_at"],
        "heartbeat_at": one["heartbeat_timestamp"],
    }


def carried(client: Client, kind: str, agent: str, *, after: str = "") -> Part:
    """What is assigned to an agent, as much of it as there is time for, from ``after`` on."""
    what, _, on_agent = _THINGS[kind]
    listed = client.get(NEUTRON, f"/agents/{agent}/{on_agent}").json()[what]
    found: list[dict[str, Any]] = []
    for one in sorted((one for one in listed if one["id"] > after), key=lambda one: str(one["id"])):
        if found and client.until - time.monotonic() < _NEEDED_S:
            return Part(found, after)
        told = _carried(client, kind, one)
        after = one["id"]
        # Since it was listed, somebody else may have given it to another agent.
        if told is not None and any(on["id"] == agent for on in told["on"]):
            found.append(told)
    return Part(found, "")


def find(client: Client, kind: str, name: str) -> dict[str, Any] | None:
    """One router or network, wherever it is."""
    what = _THINGS[kind][0]
    answer = client.get(NEUTRON, f"/{what}/{quote(name)}", 200, 404)
    return _carried(client, kind, answer.json()[what[:-1]]) if answer.status == _FOUND else None


_FOUND, _GONE = 200, 404


def _carried(client: Client, kind: str, one: Mapping[str, Any]) -> dict[str, Any] | None:
    answer = _assigned(client, kind, one["id"])
    if answer.status == _GONE:
        return None
    on = [{"id": a["id"], "active": a.get("ha_state") in {None, "active"}} for a in answer.json()["agents"]]
    ports = list(_ports(client, kind, one))
    shut = kind == L3 and not one.get("admin_state_up", True)
    return {
        "id": one["id"],
        "kind": kind,
        "ha": bool(one.get("ha")),
        "distributed": bool(one.get("distributed")),
        "zones": list(one.get("availability_zone_hints") or ()),
        "on": on,
        "served": sorted(_served(kind, ports)),
        "quiet": shut or not ports,
    }


def _ports(client: Client, kind: str, one: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those of its ports that are up where it is carried."""
    if kind == DHCP:
        query, owners = f"network_id={one['id']}&device_owner=network:dhcp", {"network:dhcp"}
    else:
        query = f"device_id={one['id']}"
        owners = {_CENTRAL, _OUTSIDE} if one.get("distributed") else {_ROUTER, _REPLICATED, _OUTSIDE}
    for port in client.get(NEUTRON, f"/ports?{query}").json()["ports"]:
        if port["device_owner"] in owners and port.get("admin_state_up", True):
            yield port


def _served(kind: str, ports: list[Mapping[str, Any]]) -> set[str]:
    """The hosts on which DHCP is up; or the one that all of a router's ports are bound to, and are up.

    A gateway's own status says nothing: where its bridge is not the agent's, nobody ever sets it.
    """
    hosts = {str(port.get("binding:host_id") or "") for port in ports}
    up = [port for port in ports if port["status"] == "ACTIVE" or port["device_owner"] == _OUTSIDE]
    if kind == DHCP:
        return {str(port["binding:host_id"]) for port in up}
    return hosts - {""} if len(hosts) == 1 and len(up) == len(ports) else set()


def assign(client: Client, kind: str, agent: str, name: str) -> None:
    """Let an agent carry it, too.

    Raises:
        Unanswered: it cannot be carried there, or another agent must give it up first.
    """
    what, _, on_agent = _THINGS[kind]
    body = {f"{what[:-1]}_id": name}
    answer = client.call("POST", NEUTRON, f"/agents/{agent}/{on_agent}", (201, 409), body=body)
    _unless(client, kind, (agent, name), answer, wanted=True)


def release(client: Client, kind: str, agent: str, name: str) -> None:
    """Let an agent give it up.

    Raises:
        Unanswered: it still has it.
    """
    path = f"/agents/{agent}/{_THINGS[kind][2]}/{name}"
    answer = client.call("DELETE", NEUTRON, path, (204, 404, 409))
    _unless(client, kind, (agent, name), answer, wanted=False)


def _unless(client: Client, kind: str, which: tuple[str, str], answer: Answer, *, wanted: bool) -> None:
    """What was refused is well if it is so already."""
    agent, name = which
    if answer.status not in {404, 409}:
        return
    now = _assigned(client, kind, name)
    there = now.status == _FOUND and any(a["id"] == agent for a in now.json()["agents"])
    if there is not wanted:
        said = answer.body[:200].decode(errors="replace")
        raise Unanswered(CONTENT, f"neutron answered {answer.status}: {said}", answer.status)


def _assigned(client: Client, kind: str, name: str) -> Answer:
    what, agents_of, _ = _THINGS[kind]
    return client.get(NEUTRON, f"/{what}/{name}/{agents_of}", _FOUND, _GONE)


def close(client: Client, agent: str, reason: str, keep: str) -> None:
    """Close it with this reason, unless it is closed already; its description is kept after ``keep``.

    Raises:
        Unanswered: the API did not do it, or the description leaves no room for the reason.
    """
    seen = _seen(client, agent)
    if not seen["admin_state_up"]:
        return
    before = seen.get("description") or ""
    written = reason + (f"{keep}{before}" if before else "")
    if len(written) > _DESCRIPTION_MAX:
        room = _DESCRIPTION_MAX - len(reason) - len(keep)
        raise Unanswered(CONTENT, f"the description of agent {agent} is longer than {room} characters")
    _change(client, agent, {"admin_state_up": False, "description": written})


def open_again(client: Client, agent: str, marks: tuple[str, ...], keep: str) -> None:
    """Open it, if its description begins with one of ``marks``, and give it the one that it had."""
    seen = _seen(client, agent)
    said = seen.get("description") or ""
    if not seen["admin_state_up"] and marks and said.startswith(marks):
        _change(client, agent, {"admin_state_up": True, "description": said.partition(keep)[2]})


def _seen(client: Client, agent: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = client.get(NEUTRON, f"/agents/{agent}").json()["agent"]
    return found


def _change(client: Client, agent: str, how: Mapping[str, Any]) -> None:
    client.call("PUT", NEUTRON, f"/agents/{agent}", (200,), body={"agent": how})
