"""Hosts, instances and migrations are read whole, page by page; what is not known whole is not told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from skylift.probe import fleet, moves
from skylift.probe.access import Access
from skylift.probe.choice import Wanted
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered
from skylift.testing.api_standin import ApiStandIn, Exchange
from skylift.testing.core_standin import CORE

MAX_LIMIT = 3
"""As Nova's ``max_limit``: pages are no longer than this, whatever is asked for."""


def server(number: int, **more: Any) -> dict[str, Any]:
    """As nova/api/openstack/compute/views/servers.py writes one, with more than is read of it."""
    return {
        "id": f"s{number:02}",
        "name": "theirs",
        "tenant_id": "p",
        "status": "ACTIVE",
        "image": {"id": "img", "links": []},
        "addresses": {"net": [{"addr": "10.0.0.9"}]},
        "flavor": {"original_name": "m", "vcpus": 1, "ram": 64, "disk": 0, "ephemeral": 0, "swap": 0},
        "OS-EXT-SRV-ATTR:host": "cmp1",
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": None,
        "OS-EXT-AZ:availability_zone": "az1",
        "pinned_availability_zone": None,
        "metadata": {"maintenance": "cold", "secret": "theirs"},
        "tags": ["maintenance=live", "blue"],
        **more,
    }


def migration(number: int, status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "uuid": f"m{number:02}",
        "instance_uuid": "s01",
        "source_compute": "cmp1",
        "dest_compute": "cmp2",
        "migration_type": "live-migration",
        "status": status,
        "created_at": "2026-11-25T09:00:00.000000",
        **more,
    }


class Nova:
    """Answers by path as Nova and Placement do, each page with a link to the next."""

    def __init__(self, apis: ApiStandIn) -> None:
        apis.offered |= CORE
        apis.fault = self.answer
        self.access = Access(f"{apis.url}/identity/v3", "admin", "right", "admin")
        self.servers = [server(n) for n in range(1, 8)]
        self.services: list[dict[str, Any]] = [
            {"id": "u1", "binary": "nova-compute", "host": "cmp1", "status": "enabled", "state": "up"}
        ]
        self.migrations: list[dict[str, Any]] = []
        self.progress: list[dict[str, Any]] = []
        self.groups = [{"id": f"g{n}", "policy": "affinity", "members": [], "rules": {}} for n in range(5)]
        self.sent: list[tuple[str, str, Any, str]] = []
        self.status = 202

    def client(self, seconds: float = 120, versions: str = fleet.VERSIONS) -> Client:
        return Client(self.access, time.monotonic() + seconds, versions=versions)

    def answer(self, one: Exchange) -> bool:
        asked = urlsplit(one.path)
        query = dict(parse_qsl(asked.query))
        path = asked.path.removeprefix("/compute/v2.1")
        answers: dict[str, Callable[[], Any]] = {
            "/servers/detail": lambda: self._page("servers", self.servers, query, "id"),
            "/os-services": lambda: {"services": self.services},
            "/os-aggregates": lambda: {"aggregates": [{"name": "a", "hosts": [], "metadata": {}, "id": 1}]},
            "/os-server-groups": lambda: self._groups(query),
            "/os-migrations": lambda: self._page("migrations", self._wanted(query), query, "uuid"),
            "/servers/s01/migrations": lambda: {"migrations": self.progress},
        }
        if one.command != "GET" and path.startswith("/servers"):
            sent = json.loads(one.sent) if one.sent else None
            self.sent.append((one.command, path, sent, one.headers["OpenStack-API-Version"]))
            one.answer(self.status)
            return True
        if path not in answers:
            return False
        one.answer(200, answers[path]())
        return True

    def _wanted(self, query: dict[str, str]) -> list[dict[str, Any]]:
        keys = {k: v for k, v in query.items() if k in {"status", "instance_uuid"}}
        return [m for m in self.migrations if keys.items() <= m.items()]

    def _groups(self, query: dict[str, str]) -> dict[str, Any]:
        begins = int(query["offset"])
        return {"server_groups": self.groups[begins : begins + MAX_LIMIT]}

    def _page(self, name: str, of: list[dict[str, Any]], query: dict[str, str], key: str) -> dict[str, Any]:
        keys = [one[key] for one in of]
        begins = keys.index(query["marker"]) + 1 if "marker" in query else 0
        page = of[begins : begins + min(int(query["limit"]), MAX_LIMIT)]
        more = begins + len(page) < len(of)
        return {name: page, **({f"{name}_links": [{"rel": "next", "href": "x"}]} if more else {})}


@pytest.fixture
def nova(apis: ApiStandIn) -> Nova:
    return Nova(apis)


def test_servers_are_read_to_the_last_page(nova: Nova, apis: ApiStandIn) -> None:
    found = fleet.part(nova.client(), "servers")

    assert ([s["id"] for s in found.things], found.after) == ([f"s{n:02}" for n in range(1, 8)], "")
    pages = [path for _, path in apis.asked if "/servers/detail" in path]
    assert len(pages) == 3
    assert all("all_tenants=1" in path and "sort_key=uuid" in path for path in pages)


def test_what_there_is_no_time_for_goes_on_where_it_ended(nova: Nova) -> None:
    first = fleet.part(nova.client(5), "servers")
    rest = fleet.part(nova.client(), "servers", after=first.after)

    assert (len(first.things), first.after) == (MAX_LIMIT, "s03")
    assert [s["id"] for s in rest.things] == ["s04", "s05", "s06", "s07"]


def test_of_a_server_only_what_is_read_leaves_the_vantage_host(nova: Nova) -> None:
    (first, *_) = fleet.part(nova.client(), "servers").things

    assert "addresses" not in first
    assert "name" not in first
    assert (first["metadata"], first["tags"]) == ({"maintenance": "cold"}, ["maintenance=live"])
    assert first["image"] is True


def test_a_server_is_ours_by_its_name_and_its_project(nova: Nova) -> None:
    """Anybody may call a server of theirs so."""
    own = nova.client().token.project_id
    nova.servers = [
        server(1, name="skylift-canary-1-cmp1", tenant_id=own),
        server(2, name="skylift-canary-1-cmp1", tenant_id="theirs"),
        server(3, name="theirs", tenant_id=own),
    ]

    found = fleet.part(nova.client(), "servers").things

    assert [one.get("ours", False) for one in found] == [True, False, False]


def test_a_cell_that_does_not_answer_is_no_empty_cell(nova: Nova) -> None:
    """Source: views/servers.py, _show_from_down_cell, and services.py, from 2.69 on."""
    nova.servers.append({"id": "s09", "status": "UNKNOWN", "tenant_id": "p", "created": "x", "links": []})

    with pytest.raises(Unanswered, match="a cell of nova does not answer") as caught:
        fleet.part(nova.client(), "servers")

    assert caught.value.passing


def test_nor_is_it_one_without_hosts(nova: Nova) -> None:
    nova.services.append({"binary": "nova-compute", "host": "cmp7", "status": "UNKNOWN"})

    with pytest.raises(Unanswered, match="cmp7"):
        fleet.part(nova.client(), "services")


def test_a_user_who_is_no_administrator_is_told_so(nova: Nova) -> None:
    del nova.servers[0]["OS-EXT-SRV-ATTR:host"]

    with pytest.raises(Unanswered, match="no administrator") as caught:
        fleet.part(nova.client(), "servers")

    assert not caught.value.passing


def test_groups_are_counted_by_an_offset(nova: Nova) -> None:
    assert [g["id"] for g in fleet.part(nova.client(), "groups").things] == [f"g{n}" for n in range(5)]


def test_providers_come_with_what_they_hold(nova: Nova, apis: ApiStandIn) -> None:
    apis.providers = {u: {"uuid": u, "name": f"{u}.example.org"} for u in ("u2", "u1")}
    apis.inventories = {"u1": {"VCPU": {"total": 4}}}

    found = fleet.part(nova.client(), "providers").things

    assert [(p["uuid"], p["inventories"], p["traits"]) for p in found] == [
        ("u1", {"VCPU": {"total": 4}}, []),
        ("u2", {}, []),
    ]


def test_changes_are_of_every_status_that_is_not_the_last(nova: Nova) -> None:
    nova.migrations = [migration(n, s) for n, s in enumerate((*fleet.GOING, "completed", "error"))]

    seen = fleet.changes(nova.client(), since="2026-11-25T09:00:00Z")

    assert {m["status"] for m in seen["migrations"]} == set(fleet.GOING)
    assert len(seen["servers"]) == 7


def test_the_migrations_of_an_instance_tell_what_is_left_to_send(nova: Nova) -> None:
    nova.migrations = [migration(n, "failed") for n in range(9, 2, -1)]
    nova.migrations.insert(0, migration(10, "running"))
    nova.progress = [{"id": 10, "memory_remaining_bytes": 3 << 20}]

    found = fleet.migrations_of(nova.client(), "s01")

    assert [(m["id"], m["left_mib"]) for m in found[:2]] == [("10", 3), ("9", None)]
    assert len(found) == 8


@pytest.mark.parametrize(
    ("how", "path", "sent"),
    [
        (
            lambda c: moves.migrate(c, "s01", "cmp2", live=True),
            "/servers/s01/action",
            {"os-migrateLive": {"host": "cmp2", "block_migration": "auto"}},
        ),
        (
            lambda c: moves.migrate(c, "s01", "cmp2", live=False),
            "/servers/s01/action",
            {"migrate": {"host": "cmp2"}},
        ),
        (lambda c: moves.tell(c, "s01", "confirm"), "/servers/s01/action", {"confirmResize": None}),
        (lambda c: moves.tell(c, "s01", "stop"), "/servers/s01/action", {"os-stop": None}),
        (lambda c: moves.abort(c, "s01", "7"), "/servers/s01/migrations/7", None),
    ],
)
def test_each_word_is_novas_own(nova: Nova, how: Callable[[Client], None], path: str, sent: Any) -> None:
    how(nova.client(versions=moves.VERSIONS))

    assert [call[1:] for call in nova.sent] == [(path, sent, moves.VERSIONS)]


def test_a_refusal_says_what_nova_said(nova: Nova) -> None:
    nova.status = 409

    with pytest.raises(Unanswered, match="409") as caught:
        moves.migrate(nova.client(versions=moves.VERSIONS), "s01", "cmp2", live=True)

    assert not caught.value.passing


def test_a_canary_is_asked_for_on_its_host_and_found_again(apis: ApiStandIn) -> None:
    apis.offered |= {kind: CORE[kind] for kind in ("compute",)}
    apis.images["i"] = {
        "id": "i",
        "name": "img",
        "status": "active",
        "container_format": "bare",
        "disk_format": "raw",
        "tags": [],
    }
    access = Access(f"{apis.url}/identity/v3", "admin", "right", "admin")

    def placed(host: str = "cmp1") -> dict[str, Any] | None:
        client = Client(access, versions=moves.VERSIONS)
        return moves.canary(client, "skylift-canary-r-cmp1", host, Wanted(), make=True)

    told = [placed() for _ in range(5)]

    (made,) = apis.core.things["servers"].values()
    assert (made["host"], made["name"]) == ("cmp1", "skylift-canary-r-cmp1")
    assert told[0] == {"left": "the server is asked for", "answered": False}
    assert told[-1] == {"left": "", "answered": False}, "one without an address is fit when it is active"
    with pytest.raises(Unanswered, match="is on cmp1, and not on cmp2"):
        placed("cmp2")


def test_looking_for_a_canary_makes_none(apis: ApiStandIn) -> None:
    apis.offered |= {kind: CORE[kind] for kind in ("compute",)}
    access = Access(f"{apis.url}/identity/v3", "admin", "right", "admin")

    client = Client(access, versions=moves.VERSIONS)

    assert moves.canary(client, "skylift-canary-r-cmp1", "cmp1", Wanted(), make=False) is None
    assert apis.core.things["servers"] == {}
