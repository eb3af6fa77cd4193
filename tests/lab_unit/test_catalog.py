"""Claims about filling a new Keystone, against one that is played."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl

import pytest

from skylift.gate.lab.hostside.catalog import Keystone, furnish, populate

_WANTED = {
    "region": "RegionOne",
    "services": [
        {"user": "glance", "password": "planted", "type": "image", "url": "http://vip:9292"},
        {"user": "placement", "password": "planted", "type": "placement", "url": "http://vip:8778"},
    ],
}


@dataclass(slots=True)
class Played(Keystone):
    """Keeps what is made, and finds it by the fields of a query."""

    kept: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    granted: set[str] = field(default_factory=set)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[dict[str, Any], str]:
        kind, _, query = path.lstrip("/").partition("?")
        if method == "PUT":
            self.granted.add(path)
            return {}, ""
        things = self.kept.setdefault(kind, [])
        if body is not None:
            (one,) = body.values()
            if kind.endswith("/action") and one in [_without_id(thing) for thing in things]:
                raise HTTPError(path, HTTPStatus.CONFLICT, "", Message(), None)
            things.append({**one, "id": str(next(self.numbers))})
            return {kind.removesuffix("s"): things[-1]}, ""
        wanted = dict(parse_qsl(query))
        return {kind: [one for one in things if wanted.items() <= one.items()]}, ""


def _without_id(thing: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in thing.items() if name != "id"}


def test_every_service_gets_its_user_its_roles_and_its_endpoints() -> None:
    keystone = Played("http://vip:5000/v3")

    populate(keystone, _WANTED)

    endpoints = {(one["interface"], one["url"]) for one in keystone.kept["endpoints"]}
    assert endpoints == {
        (interface, url)
        for interface in ("public", "internal", "admin")
        for url in ("http://vip:9292", "http://vip:8778")
    }
    assert [one["name"] for one in keystone.kept["users"]] == ["glance", "placement"]
    assert len(keystone.granted) == 4


def test_a_second_time_makes_nothing() -> None:
    keystone = Played("http://vip:5000/v3")
    populate(keystone, _WANTED)
    made = keystone.changed

    populate(keystone, _WANTED)

    assert keystone.changed == made


def test_a_domain_gets_an_administrator_of_its_own() -> None:
    keystone = Played("http://vip:5000/v3")
    heat = {"name": "heat", "admin": "heat_domain_admin", "password": "planted"}

    populate(keystone, _WANTED | {"domains": [heat], "roles": ["heat_stack_user"]})

    (domain,) = keystone.kept["domains"]
    admin = next(one for one in keystone.kept["users"] if one["name"] == "heat_domain_admin")
    assert admin["domain_id"] == domain["id"]
    assert any(path.startswith(f"/domains/{domain['id']}/users/{admin['id']}/") for path in keystone.granted)
    assert "heat_stack_user" in {one["name"] for one in keystone.kept["roles"]}


def test_a_thing_is_made_once_and_known_to_those_after_it() -> None:
    keystone = Played("http://vip:5000/v3")
    things = [
        {"as": "net", "kind": "network", "list": "networks", "wanted": {"name": "a"}},
        {"as": "sub", "kind": "subnet", "list": "subnets", "wanted": {"name": "a", "network_id": "$net"}},
    ]

    for _ in range(2):
        furnish(keystone, things)

    (network,), (subnet,) = keystone.kept["networks"], keystone.kept["subnets"]
    assert subnet["network_id"] == network["id"]
    assert keystone.changed == 2


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_asked_of_a_thing_names_it_and_may_be_so_already(times: int) -> None:
    """A build that was killed between the two goes on."""
    keystone = Played("http://vip:5000/v3")
    zone = {
        "as": "zone",
        "kind": "aggregate",
        "list": "aggregates",
        "wanted": {"name": "a"},
        "then": [("aggregates/$zone/action", {"add_host": {"host": "cmp1"}})],
    }

    for _ in range(times):
        furnish(keystone, [zone])

    (made,) = keystone.kept["aggregates"]
    assert [one["host"] for one in keystone.kept[f"aggregates/{made['id']}/action"]] == ["cmp1"]
