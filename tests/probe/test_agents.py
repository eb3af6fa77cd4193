"""Neutron's agents are told as they are, closed with their description kept, and given things once."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from skylift.probe import agents
from skylift.probe.access import Access
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered
from skylift.testing.api_standin import ApiStandIn, Exchange
from skylift.testing.core_standin import CORE

PREFIX = CORE["network"] + "/v2.0"
KEEP = "; before: "
L3, DHCP = agents.L3, agents.DHCP


def agent(name: str, kind: str, host: str, **more: Any) -> dict[str, Any]:
    """As neutron/db/agents_db.py makes one, with more than is read of it."""
    said = {"agent_mode": "legacy", "routers": 3} if kind == L3 else {"networks": 2}
    return {
        "id": name,
        "agent_type": kind,
        "host": host,
        "alive": True,
        "admin_state_up": True,
        "description": None,
        "availability_zone": "nova",
        "configurations": said,
        "started_at": "2026-11-25 09:00:00",
        "heartbeat_timestamp": "2026-11-25 09:05:30",
        "binary": "neutron-agent",
        **more,
    }


def port(owner: str, host: str, status: str = "ACTIVE", **more: Any) -> dict[str, Any]:
    return {"id": "p", "device_owner": owner, "binding:host_id": host, "status": status, **more}


class Neutron:
    """Answers by path as Neutron does."""

    def __init__(self, apis: ApiStandIn) -> None:
        apis.offered |= CORE
        apis.fault = self.answer
        self.access = Access(f"{apis.url}/identity/v3", "admin", "right", "admin")
        self.agents = {
            one["id"]: one
            for one in (
                agent("a", L3, "net1"),
                agent("b", L3, "net2"),
                agent("c", DHCP, "net1", description="rack 7"),
                agent("d", "Open vSwitch agent", "net1"),
            )
        }
        self.bound: dict[str, list[str]] = {"r": ["a"], "n": ["c"]}
        self.ha_state: dict[tuple[str, str], str] = {}
        self.ports: list[dict[str, Any]] = []
        self.router: dict[str, Any] = {"admin_state_up": True, "ha": False, "distributed": False}
        self.refuses = False
        self.sent: list[tuple[str, str, Any]] = []
        self.page = 10

    def client(self, seconds: float = 120) -> Client:
        return Client(self.access, time.monotonic() + seconds)

    def answer(self, one: Exchange) -> bool:
        asked = urlsplit(one.path)
        if not asked.path.startswith(PREFIX):
            return False
        path, query = asked.path.removeprefix(PREFIX).strip("/").split("/"), dict(parse_qsl(asked.query))
        if one.command != "GET":
            one.answer(*self._changed(one.command, path, json.loads(one.sent) if one.sent else None))
        else:
            one.answer(*self._told(path, query))
        return True

    def _told(self, path: list[str], query: dict[str, str]) -> tuple[Any, ...]:
        match path:
            case ["agents"]:
                names = sorted(n for n in self.agents if n > query.get("marker", ""))
                page = [self.agents[n] for n in names[: self.page]]
                more = {"agents_links": [{"rel": "next", "href": "x"}]} if len(names) > self.page else {}
                return 200, {"agents": page, **more}
            case ["agents", name]:
                return 200, {"agent": self.agents[name]}
            case ["agents", name, "l3-routers"]:
                return 200, {
                    "routers": [self._router(r) for r in self.bound if name in self.bound[r] and r != "n"]
                }
            case ["agents", name, "dhcp-networks"]:
                return 200, {"networks": [{"id": "n"}] if name in self.bound["n"] else []}
            case ["routers" | "networks", thing] if thing in self.bound:
                return 200, ({"router": self._router(thing)} if thing != "n" else {"network": {"id": "n"}})
            case ["routers" | "networks", thing, _] if thing in self.bound:
                on = [{"id": a, **self._state(thing, a)} for a in self.bound[thing]]
                return 200, {"agents": on}
            case ["ports"]:
                return 200, {"ports": self.ports}
            case _:
                return 404, {"NeutronError": {}}

    def _router(self, name: str) -> dict[str, Any]:
        return {"id": name, **self.router}

    def _state(self, thing: str, name: str) -> dict[str, str]:
        return {"ha_state": self.ha_state[thing, name]} if (thing, name) in self.ha_state else {}

    def _changed(self, verb: str, path: list[str], sent: Any) -> tuple[Any, ...]:
        self.sent.append((verb, "/".join(path), sent))
        if verb == "PUT":
            self.agents[path[1]] |= sent["agent"]
            return 200, {"agent": self.agents[path[1]]}
        name = path[1]
        if verb == "POST":
            thing = next(iter(sent.values()))
            if self.refuses or name in self.bound.get(thing, [name]):
                return 409, {"NeutronError": {"message": "it is hosted already"}}
            self.bound[thing].append(name)
            return 201, {}
        if name not in self.bound[path[3]]:
            return 409, {"NeutronError": {"message": "it is not hosted"}}
        self.bound[path[3]].remove(name)
        return (204,)


@pytest.fixture
def neutron(apis: ApiStandIn) -> Neutron:
    return Neutron(apis)


def test_agents_that_carry_something_are_told_page_by_page_and_no_others(neutron: Neutron) -> None:
    neutron.page = 2

    found = agents.agents(neutron.client())

    assert [(one["id"], one["mode"], one["load"]) for one in found] == [
        ("a", "legacy", 3),
        ("b", "legacy", 3),
        ("c", "", 2),
    ]
    assert (found[0]["description"], found[2]["description"]) == ("", "rack 7")


def test_a_cloud_without_neutron_has_no_agents(apis: ApiStandIn) -> None:
    access = Access(f"{apis.url}/identity/v3", "admin", "right", "admin")

    assert agents.agents(Client(access)) == []


def test_a_router_is_up_where_all_its_ports_are_bound_whatever_its_gateways_status_says(
    neutron: Neutron,
) -> None:
    neutron.ports = [port("network:router_interface", "net1"), port("network:router_gateway", "net1", "DOWN")]
    (up,) = agents.carried(neutron.client(), L3, "a").things
    neutron.ports[0]["binding:host_id"] = "net2"
    (moving,) = agents.carried(neutron.client(), L3, "a").things
    neutron.ports = [port("network:router_interface", "net1", "DOWN")]
    (down,) = agents.carried(neutron.client(), L3, "a").things

    assert (up["served"], up["quiet"], up["on"]) == (["net1"], False, [{"id": "a", "active": True}])
    assert (moving["served"], down["served"]) == ([], [])


def test_a_router_without_ports_or_shut_by_its_owner_has_nothing_to_be_up(neutron: Neutron) -> None:
    (bare,) = agents.carried(neutron.client(), L3, "a").things
    neutron.ports = [port("network:router_interface", "net1")]
    neutron.router["admin_state_up"] = False
    (shut,) = agents.carried(neutron.client(), L3, "a").things

    assert (bare["quiet"], shut["quiet"]) == (True, True)


def test_of_a_distributed_router_its_central_ports_alone_count(neutron: Neutron) -> None:
    neutron.router["distributed"] = True
    neutron.ports = [
        port("network:router_interface_distributed", ""),
        port("network:router_centralized_snat", "net1"),
    ]

    (found,) = agents.carried(neutron.client(), L3, "a").things

    assert (found["served"], found["distributed"]) == (["net1"], True)


def test_of_a_highly_available_router_it_is_told_where_it_is_active(neutron: Neutron) -> None:
    neutron.router["ha"] = True
    neutron.bound["r"] = ["a", "b"]
    neutron.ha_state = {("r", "a"): "standby", ("r", "b"): "active"}

    (found,) = agents.carried(neutron.client(), L3, "a").things

    assert found["on"] == [{"id": "a", "active": False}, {"id": "b", "active": True}]


def test_dhcp_is_up_on_each_host_whose_port_is(neutron: Neutron) -> None:
    neutron.ports = [port("network:dhcp", "net1"), port("network:dhcp", "net2", "DOWN")]

    (found,) = agents.carried(neutron.client(), DHCP, "c").things

    assert (found["served"], found["kind"]) == (["net1"], DHCP)


def test_what_there_is_no_time_for_goes_on_where_it_ended(neutron: Neutron) -> None:
    neutron.bound |= {name: ["a"] for name in ("r1", "r2", "r3")}

    first = agents.carried(neutron.client(2), L3, "a")
    rest = agents.carried(neutron.client(), L3, "a", after=first.after)

    assert ([t["id"] for t in first.things], first.after) == (["r"], "r")
    assert ([t["id"] for t in rest.things], rest.after) == (["r1", "r2", "r3"], "")


def test_what_is_not_there_is_none(neutron: Neutron) -> None:
    assert agents.find(neutron.client(), L3, "zz") is None
    assert agents.find(neutron.client(), DHCP, "n") is not None


def test_what_is_so_already_is_no_refusal_and_what_is_not_is_told(neutron: Neutron) -> None:
    client = neutron.client()

    agents.assign(client, L3, "a", "r")
    agents.release(client, L3, "b", "r")
    neutron.refuses = True
    with pytest.raises(Unanswered, match="409") as caught:
        agents.assign(client, L3, "b", "r")

    assert not caught.value.passing
    assert [(verb, path) for verb, path, _ in neutron.sent][:2] == [
        ("POST", "agents/a/l3-routers"),
        ("DELETE", "agents/b/l3-routers/r"),
    ]


def test_closing_keeps_the_description_and_opening_gives_it_back(neutron: Neutron) -> None:
    client = neutron.client()

    agents.close(client, "c", "ours, since 9", KEEP)
    agents.close(client, "c", "another's, since 10", KEEP)
    closed = dict(neutron.agents["c"])
    agents.open_again(client, "c", ("another's",), KEEP)
    agents.open_again(client, "c", (), KEEP)
    still = dict(neutron.agents["c"])
    agents.open_again(client, "c", ("another's", "ours, since "), KEEP)

    assert (closed["admin_state_up"], closed["description"]) == (False, "ours, since 9; before: rack 7")
    assert still == closed
    assert (neutron.agents["c"]["admin_state_up"], neutron.agents["c"]["description"]) == (True, "rack 7")
    assert len(neutron.sent) == 2


def test_a_description_that_leaves_no_room_is_told_and_nothing_is_closed(neutron: Neutron) -> None:
    neutron.agents["c"]["description"] = "x" * 250

    with pytest.raises(Unanswered, match="is longer than"):
        agents.close(neutron.client(), "c", "ours, since 9", KEEP)

    assert neutron.sent == []
