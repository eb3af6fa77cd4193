"""Remove what a probe's cycle left behind when one of its requests failed or the agent was killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from skylift.model.sample import CONTENT, TIME_LIMIT_S, TIMEOUT
from skylift.probe.access import CINDER, GLANCE, HEAT, NEUTRON, NOVA, PLACEMENT, Access
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered

_GONE = (202, 204, 404)
_BUSY = (400, 409)
"""What is answered while one cannot be removed yet, or is being removed by another."""
_AGAIN_S = 1.0

Thing = Mapping[str, Any]


class _Left(NamedTuple):
    """Where an API lists its things of a kind, and where one of them is."""

    api: str
    listed: str
    key: str
    one: str


_LEFT = (
    _Left(NOVA, "/servers?limit=1000&name={name}-", "servers", "/servers/{id}"),
    _Left(CINDER, "/volumes/detail?limit=1000", "volumes", "/volumes/{id}"),
    _Left(HEAT, "/stacks?limit=1000", "stacks", "/stacks/{stack_name}/{id}"),
    _Left(NEUTRON, "/ports?fields=id&fields=name&project_id={project}", "ports", "/ports/{id}"),
    _Left(GLANCE, "/v2/images?tag={name}&limit=1000", "images", "/v2/images/{id}"),
    _Left(PLACEMENT, "/resource_providers", "resource_providers", "/resource_providers/{uuid}"),
)


def sweep(access: Access, name: str, *, but: str = "", within_s: float = TIME_LIMIT_S) -> int:
    """Delete what the probes called ``name`` made, but for names that begin with ``but``; how much there was.

    What cannot be removed yet is tried again; all of it ends after ``within_s``.

    Raises:
        Unanswered: no token was issued, or something could not be removed in time.
    """
    end = time.monotonic() + within_s
    client = Client(access, end)
    swept = 0
    while True:
        removed, left = _pass(client, name, but)
        swept += removed
        if not left:
            return swept
        if time.monotonic() + _AGAIN_S > end:
            raise Unanswered(TIMEOUT, f"what the probes made cannot be removed yet: {', '.join(left)}")
        threading.Event().wait(_AGAIN_S)


def _pass(client: Client, name: str, but: str) -> tuple[int, list[str]]:
    """Ask once for the removal of each: how many it was granted for, and what is left and why."""
    removed, left = 0, list[str]()
    for kind in _LEFT:
        if kind.api not in client.urls:
            continue
        try:
            for thing in [thing for thing in _listed(client, kind, name) if not _young(thing, but)]:
                _detach(client, thing)
                said = client.call("DELETE", kind.api, kind.one.format(**thing), (*_GONE, *_BUSY))
                removed += said.status in _GONE
                left += [] if said.status in _GONE else [f"{kind.api} {_name(thing)}"]
        except Unanswered as failure:
            # Another API may well remove what is its own.
            left.append(f"{kind.api}: {failure}")
    return removed, left


def _detach(client: Client, thing: Thing) -> None:
    """Let go of a volume that is attached; only then can it be deleted."""
    for held in thing.get("attachments", ()):
        path = f"/servers/{held['server_id']}/os-volume_attachments/{thing['id']}"
        client.call("DELETE", NOVA, path, (*_GONE, *_BUSY))


def _young(thing: Thing, but: str) -> bool:
    return bool(but) and _name(thing).startswith(but)


def _name(thing: Thing) -> str:
    return str(thing.get("stack_name", thing.get("name")))


def _listed(client: Client, kind: _Left, name: str) -> list[dict[str, Any]]:
    """What an API has of this name; a label may begin like another one, hence the dash."""
    path = kind.listed.format(name=quote(name), project=quote(client.token.project_id))
    listed = client.get(kind.api, path).json().get(kind.key)
    if listed is None:
        raise Unanswered(CONTENT, f"the answer of {kind.api} has no list of {kind.key}")
    return [thing for thing in listed if kind.api == GLANCE or _name(thing).startswith(f"{name}-")]
