"""Instances are moved, told something, and canaries placed, by Nova's own API.

Source: compute API, Servers - run an administrative action, and Server migrations. A live migration to a
host that is named is checked by the scheduler from 2.30 on, and from 2.68 on nobody can force it; ``auto``
(2.25) lets Nova find out whether disks are to be copied; a migration is also ended while it waits from 2.65
on; a cold one takes a host from 2.56 on; a new server takes one, as an administrator's wish, from 2.74 on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skylift.model.sample import CONTENT
from skylift.probe import witness_core
from skylift.probe.access import NOVA
from skylift.probe.choice import Wanted
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered
from skylift.probe.guest import ping

VERSIONS = "compute 2.74, placement 1.20, volume 3.0"
_WORDS: Mapping[str, Mapping[str, Any]] = {
    "confirm": {"confirmResize": None},
    "stop": {"os-stop": None},
    "start": {"os-start": None},
}
WORDS = tuple(_WORDS)
"""What an instance can be told."""


def migrate(client: Client, instance: str, target: str, *, live: bool) -> None:
    """Begin to move it; what it answers says only that it was accepted."""
    how = {"os-migrateLive": {"host": target, "block_migration": "auto"}}
    _act(client, instance, how if live else {"migrate": {"host": target}})


def abort(client: Client, instance: str, migration: str) -> None:
    """End a live migration."""
    client.call("DELETE", NOVA, f"/servers/{instance}/migrations/{migration}", (202,))


def tell(client: Client, instance: str, word: str) -> None:
    """Confirm, stop or start it."""
    _act(client, instance, _WORDS[word])


def _act(client: Client, instance: str, how: Mapping[str, Any]) -> None:
    client.call("POST", NOVA, f"/servers/{instance}/action", (202, 204), body=how)


def canary(client: Client, name: str, host: str, wanted: Wanted, *, make: bool) -> dict[str, Any] | None:
    """How far the canary of this name is; with ``make``, what is missing of it is made on ``host``.

    Raises:
        Unanswered: it ended in error, is on another host, or the cloud has nothing that boots.
    """
    there = [s for s in _listed(client, name) if s["name"] == name]
    if not there and not make:
        return None
    waits = _made(client, name, host, wanted) if make else f"the server is {_status(there)}"
    if there and there[0]["OS-EXT-SRV-ATTR:host"] not in {host, None}:
        raise Unanswered(CONTENT, f"{name} is on {there[0]['OS-EXT-SRV-ATTR:host']}, and not on {host}")
    if _status(there) != "ACTIVE":
        return {"left": waits or "the server is active since just now", "answered": False}
    address = _address(there[0])
    if not address:
        return {"left": "", "answered": False}
    try:
        ping(address)
    except Unanswered:
        return {"left": f"the server is active, and {address} does not answer yet", "answered": False}
    return {"left": "", "answered": True}


def _made(client: Client, name: str, host: str, wanted: Wanted) -> str:
    """Make what is missing of it, and say what it still waits for."""
    choices = witness_core.choices_for(client, wanted)
    if not choices:
        raise Unanswered(CONTENT, "the cloud has no image, or no flavor for it, that a canary could be of")
    mine: dict[str, Any] = {"name": name, "id": "", "host": host, **choices[0]._asdict()}
    return witness_core.boot_server(client, {"server": mine})


def remove_canary(client: Client, name: str) -> None:
    """Remove it, its port and its security group.

    Raises:
        Unanswered: it is not gone yet.
    """
    witness_core.remove_server(client, name)


def _listed(client: Client, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(NOVA, f"/servers/detail?name={name}").json()["servers"]
    return found


def _status(there: list[dict[str, Any]]) -> str:
    return str(there[0]["status"]) if there else "not there yet"


def _address(server: Mapping[str, Any]) -> str:
    found = [a["addr"] for addresses in server.get("addresses", {}).values() for a in addresses]
    return next((address for address in found if "." in address), "")
