"""Compute hosts and instances as Nova and Placement list them, page by page: a large cloud has many.

Only what is read is kept of each, for a hundred thousand whole answers would fill the line. Sources: the
compute API's reference (servers in detail, all projects; services; aggregates; server groups; migrations,
which have pages from 2.59 on) and Placement's; the fields were looked up in nova/api/openstack/compute of
2024.2 and 2025.1 (views/servers.py, services.py, server_groups.py, migrations.py, server_migrations.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from skylift.model.sample import CONTENT, TIMEOUT
from skylift.probe.access import NOVA, PLACEMENT
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered

VERSIONS = "compute 2.96, placement 1.20"
"""Nova's is the newest that 2024.1 has: with it a server tells the zone that its owner asked for."""
PAGE = 500
"""Things on a page; Nova gives fewer if ``max_limit`` is lower."""
GOING = (
    *("accepted", "queued", "preparing", "running", "post-migrating"),
    *("pre-migrating", "migrating", "finished", "confirming", "reverting"),
)
"""Statuses of migrations that are not over; Nova filters by one of them at a time."""

Thing = Mapping[str, Any]

_HOST = "OS-EXT-SRV-ATTR:host"
_SERVER = (
    *("id", "tenant_id", "status", "flavor", "pinned_availability_zone"),
    *(_HOST, "OS-EXT-STS:vm_state", "OS-EXT-STS:task_state", "OS-EXT-AZ:availability_zone"),
)
_SERVICE = ("id", "binary", "host", "zone", "status", "state", "disabled_reason", "forced_down")
_FLAVOR = ("original_name", "vcpus", "ram", "disk", "ephemeral", "swap", "extra_specs")
_WISH = "maintenance"
_OURS = "skylift-"
_MIB = 1 << 20
_LAST_PAGE_S = 6.0
"""A page is not begun if less time than this is left for it."""


class Part(NamedTuple):
    """Some of a list, and where it goes on; at its end ``after`` is empty."""

    things: list[Any]
    after: str


def part(client: Client, what: str, *, after: str = "", since: str = "") -> Part:
    """As much of a list as there is time for, from ``after`` on; of servers, those that changed ``since``.

    Raises:
        Unanswered: an API did not answer, a cell did not, or this user may not see it all.
    """
    found: list[Any] = []
    while True:
        page = _PARTS[what](client, after, since)
        found += page.things
        after = page.after
        if not after or client.until - time.monotonic() < _LAST_PAGE_S:
            return Part(found, after)


def changes(client: Client, *, since: str) -> dict[str, Any]:
    """Services, servers that changed, and the migrations under way."""
    servers = part(client, "servers", since=since)
    if servers.after:
        raise Unanswered(TIMEOUT, f"more servers changed since {since} than could be read in time")
    return {
        "services": _services(client, "", "").things,
        "servers": servers.things,
        "migrations": [m for status in GOING for m in _migrations(client, {"status": status})],
    }


def migrations_of(client: Client, instance: str) -> list[dict[str, Any]]:
    """All of one instance, the newest first; of a live one under way also what is left to send.

    ``/servers/ID/migrations`` has only live ones that go on, and is alone in telling how far they are.
    """
    found = list(_migrations(client, {"instance_uuid": instance}))
    if any(m["migration_type"] == "live-migration" and m["status"] in GOING for m in found):
        said = client.get(NOVA, f"/servers/{instance}/migrations", 200, 404).json()
        left = {str(m["id"]): m["memory_remaining_bytes"] for m in said.get("migrations", ())}
        for one in found:
            one["left_mib"] = None if left.get(one["id"]) is None else left[one["id"]] // _MIB
    return found


def _servers(client: Client, after: str, since: str) -> Part:
    asked = {"all_tenants": "1", "limit": PAGE, "sort_key": "uuid", "sort_dir": "asc"}
    asked |= {"marker": after} if after else {}
    asked |= {"changes-since": since} if since else {}
    said = client.get(NOVA, f"/servers/detail?{urlencode(asked)}").json()
    listed = said["servers"]
    more = bool(listed) and any(link["rel"] == "next" for link in said.get("servers_links", ()))
    return Part(
        [_server(one, client.token.project_id) for one in listed], str(listed[-1]["id"]) if more else ""
    )


def _server(said: Thing, own: str) -> dict[str, Any]:
    if said.get("status") == "UNKNOWN" and _HOST not in said:
        # From 2.69 on the servers of a cell that does not answer have next to nothing in them.
        raise Unanswered(TIMEOUT, f"a cell of nova does not answer: nothing is known of server {said['id']}")
    if _HOST not in said:
        raise Unanswered(CONTENT, "nova does not show this user the hosts of servers: it is no administrator")
    kept: dict[str, Any] = {key: said[key] for key in _SERVER if key in said}
    flavor = said["flavor"]
    kept["flavor"] = {key: flavor[key] for key in _FLAVOR if key in flavor}
    if str(said.get("name", "")).startswith(_OURS):
        kept["name"] = said["name"]
        # Anybody may give a server such a name; it is ours only in our own project.
        kept["ours"] = said["tenant_id"] == own
    kept["image"] = bool(said.get("image"))
    kept["metadata"] = {k: v for k, v in said.get("metadata", {}).items() if k.startswith(_WISH)}
    kept["tags"] = [tag for tag in said.get("tags", ()) if tag.startswith(f"{_WISH}=")]
    return kept


def _services(client: Client, _after: str, _since: str) -> Part:
    listed = client.get(NOVA, "/os-services?binary=nova-compute").json()["services"]
    for service in listed:
        if "state" not in service:
            detail = f"a cell of nova does not answer: nothing is known of nova-compute on {service['host']}"
            raise Unanswered(TIMEOUT, detail)
    return Part([{key: one.get(key) for key in _SERVICE} for one in listed], "")


def _aggregates(client: Client, _after: str, _since: str) -> Part:
    listed = client.get(NOVA, "/os-aggregates").json()["aggregates"]
    return Part([{key: one[key] for key in ("name", "hosts", "metadata")} for one in listed], "")


def _groups(client: Client, after: str, _since: str) -> Part:
    """Their pages are counted by an offset, and have no link to the next one."""
    begins = int(after or 0)
    asked = urlencode({"all_projects": "True", "limit": PAGE, "offset": begins})
    listed = client.get(NOVA, f"/os-server-groups?{asked}").json()["server_groups"]
    kept = [{"id": one["id"], "policy": one["policy"], "members": one["members"]} for one in listed]
    return Part(kept, str(begins + len(listed)) if listed else "")


def _providers(client: Client, after: str, _since: str) -> Part:
    """Placement has no pages: providers are gone through by their uuid, some at a time."""
    listed = client.get(PLACEMENT, "/resource_providers").json()["resource_providers"]
    roots = sorted(one["uuid"] for one in listed if one.get("root_provider_uuid") in {None, one["uuid"]})
    names = {one["uuid"]: one["name"] for one in listed}
    left = [uuid for uuid in roots if uuid > after]
    found: list[dict[str, Any]] = []
    for uuid in left:
        if found and client.until - time.monotonic() < _LAST_PAGE_S:
            return Part(found, found[-1]["uuid"])
        path = f"/resource_providers/{uuid}"
        # One that is gone since it was listed has neither, and is no host any more.
        held = client.get(PLACEMENT, f"{path}/inventories", 200, 404).json().get("inventories", {})
        traits = client.get(PLACEMENT, f"{path}/traits", 200, 404).json().get("traits", [])
        found.append({"uuid": uuid, "name": names[uuid], "inventories": held, "traits": traits})
    return Part(found, "")


def _migrations(client: Client, wanted: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Their marker is a uuid; they come newest first."""
    after = ""
    while True:
        asked = {**wanted, "limit": PAGE, **({"marker": after} if after else {})}
        said = client.get(NOVA, f"/os-migrations?{urlencode(asked)}").json()
        listed = said["migrations"]
        for one in listed:
            yield {
                "id": str(one["id"]),
                "instance": one["instance_uuid"],
                "source": one["source_compute"],
                "target": one["dest_compute"],
                "migration_type": one["migration_type"],
                "status": one["status"],
                "created_at": one["created_at"],
                "left_mib": None,
            }
        if not listed or not any(link["rel"] == "next" for link in said.get("migrations_links", ())):
            return
        after = listed[-1]["uuid"]


_PARTS: Mapping[str, Callable[[Client, str, str], Part]] = {
    "servers": _servers,
    "services": _services,
    "aggregates": _aggregates,
    "groups": _groups,
    "providers": _providers,
}
WHAT = tuple(_PARTS)
"""What there are lists of."""
