"""Volumes that instances have, and instances that are shut off, by Cinder's and Nova's own APIs.

Source: block storage API v3, List accessible volumes with details, and List All Services. Read in cinder
26.0: an administrator may filter by any column (api/api_utils.py, ``remove_invalid_filter_options``),
``host`` as ``host@backend`` finds that with each pool (db/sqlalchemy/api.py, ``_filter_host``), and only what
is attached is told (api/v2/views/volumes.py, ``_get_attachments``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from skylift.model.sample import CONTENT
from skylift.probe.access import CINDER, NOVA
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered
from skylift.probe.fleet import Part

PAGE = 500
_HOST = "os-vol-host-attr:host"
_NAMED = "os-vol-mig-status-attr:name_id"
_LAST_PAGE_S = 6.0
"""A page is not begun if less time than this is left for it."""


def attached(client: Client, host: str) -> list[dict[str, Any]]:
    """The attached volumes of each back end on a host, named with or without its domain.

    Raises:
        Unanswered: an API did not answer, or this user may not see where volumes are.
    """
    if CINDER not in client.urls:
        return []
    services = client.get(CINDER, "/os-services?binary=cinder-volume").json()["services"]
    own = sorted({s["host"] for s in services if _short(s["host"].partition("@")[0]) == _short(host)})
    found = {volume["id"]: volume for backend in own for volume in _of_backend(client, backend)}
    return list(found.values())


def stopped(client: Client, after: str) -> Part:
    """The ids of all instances that are shut off, as many as there is time for, from ``after`` on."""
    found: list[str] = []
    while True:
        asked = {
            "all_tenants": "1",
            "status": "SHUTOFF",
            "limit": PAGE,
            "sort_key": "uuid",
            "sort_dir": "asc",
        }
        said = client.get(NOVA, f"/servers?{urlencode(asked | ({'marker': after} if after else {}))}").json()
        found += [one["id"] for one in said["servers"]]
        more = bool(said["servers"]) and any(link["rel"] == "next" for link in said.get("servers_links", ()))
        after = found[-1] if more else ""
        if not after or client.until - time.monotonic() < _LAST_PAGE_S:
            return Part(found, after)


def _of_backend(client: Client, backend: str) -> Iterator[dict[str, Any]]:
    after = ""
    while True:
        asked = {"all_tenants": "1", "host": backend, "limit": PAGE, "sort": "id:asc"}
        path = f"/volumes/detail?{urlencode(asked | ({'marker': after} if after else {}))}"
        said = client.get(CINDER, path).json()
        for one in said["volumes"]:
            if _HOST not in one:
                detail = "cinder does not show this user the hosts of volumes: it is no administrator"
                raise Unanswered(CONTENT, detail)
            if one["attachments"]:
                yield _volume(one)
        if not said["volumes"] or not any(link["rel"] == "next" for link in said.get("volumes_links", ())):
            return
        after = said["volumes"][-1]["id"]


def _volume(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": one["id"],
        "named": one.get(_NAMED) or one["id"],
        "backend": one[_HOST].partition("#")[0],
        "servers": sorted({of["server_id"] for of in one["attachments"] if of.get("server_id")}),
    }


def _short(host: str) -> str:
    return host.partition(".")[0]
