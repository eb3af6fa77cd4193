"""Remove what a probe's cycle left behind when one of its requests failed or the agent was killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from skylift.model.sample import CONTENT
from skylift.probe.access import GLANCE, NOVA, PLACEMENT, Access
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered

_GONE = (204, 404)


def sweep(access: Access, name: str, *, but: str = "") -> int:
    """Delete what the probes called ``name`` made, but for names that begin with ``but``; how much there was.

    Raises:
        Unanswered: an API refused or did not answer; the rest is left.
    """
    client = Client(access)
    swept = 0
    for api, of in _SWEEPS.items():
        if api in client.urls:
            left = [thing for thing in _listed(client, api, name) if not _young(thing, but)]
            for thing in left:
                of(client, thing)
            swept += len(left)
    return swept


def _young(thing: Mapping[str, Any], but: str) -> bool:
    return bool(but) and str(thing["name"]).startswith(but)


def _listed(client: Client, api: str, name: str) -> list[dict[str, Any]]:
    """What an API has of this name; a label may begin like another one, hence the dash."""
    path, key = _LISTS[api]
    listed = client.get(api, path.format(name=quote(name))).json().get(key)
    if listed is None:
        raise Unanswered(CONTENT, f"the answer of {api} has no list of {key}")
    return [thing for thing in listed if api == GLANCE or str(thing["name"]).startswith(f"{name}-")]


_LISTS = {
    NOVA: ("/servers?limit=1000&name={name}-", "servers"),
    GLANCE: ("/v2/images?tag={name}&limit=1000", "images"),
    PLACEMENT: ("/resource_providers", "resource_providers"),
}


def _plain(api: str, path: str, key: str = "id") -> Callable[[Client, Mapping[str, Any]], object]:
    return lambda client, thing: client.call("DELETE", api, f"{path}/{thing[key]}", _GONE)


_SWEEPS: Mapping[str, Callable[[Client, Mapping[str, Any]], object]] = {
    NOVA: _plain(NOVA, "/servers"),
    GLANCE: _plain(GLANCE, "/v2/images"),
    PLACEMENT: _plain(PLACEMENT, "/resource_providers", "uuid"),
}
