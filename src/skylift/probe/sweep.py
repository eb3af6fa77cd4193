"""Remove what a probe's cycle left behind when one of its requests failed or the agent was killed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from skylift.model.sample import CONTENT
from skylift.probe.access import CINDER, GLANCE, HEAT, NEUTRON, NOVA, PLACEMENT, Access
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered

_GONE = (202, 204, 404)
_BUSY = (400, 409)

Thing = Mapping[str, Any]


class _Left(NamedTuple):
    """Where an API lists its things of a kind, and where one of them is."""

    api: str
    listed: str
    key: str
    one: str
    busy: tuple[int, ...] = ()
    """What is answered while one cannot be removed yet: a later sweep finds it again."""


_LEFT = (
    _Left(NOVA, "/servers?limit=1000&name={name}-", "servers", "/servers/{id}"),
    _Left(CINDER, "/volumes/detail?limit=1000", "volumes", "/volumes/{id}", _BUSY),
    _Left(HEAT, "/stacks?limit=1000", "stacks", "/stacks/{stack_name}/{id}"),
    _Left(NEUTRON, "/ports?fields=id&fields=name", "ports", "/ports/{id}", _BUSY),
    _Left(GLANCE, "/v2/images?tag={name}&limit=1000", "images", "/v2/images/{id}"),
    _Left(PLACEMENT, "/resource_providers", "resource_providers", "/resource_providers/{uuid}"),
)


def sweep(access: Access, name: str, *, but: str = "") -> int:
    """Delete what the probes called ``name`` made, but for names that begin with ``but``; how much there was.

    Raises:
        Unanswered: an API refused or did not answer; the rest is left.
    """
    client = Client(access)
    swept = 0
    for kind in _LEFT:
        if kind.api in client.urls:
            left = [thing for thing in _listed(client, kind, name) if not _young(thing, but)]
            for thing in left:
                _detach(client, thing)
                client.call("DELETE", kind.api, kind.one.format(**thing), (*_GONE, *kind.busy))
            swept += len(left)
    return swept


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
    listed = client.get(kind.api, kind.listed.format(name=quote(name))).json().get(kind.key)
    if listed is None:
        raise Unanswered(CONTENT, f"the answer of {kind.api} has no list of {kind.key}")
    return [thing for thing in listed if kind.api == GLANCE or _name(thing).startswith(f"{name}-")]
