"""Whether each witness is still as it was made."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from skylift.model.sample import TIME_LIMIT_S
from skylift.probe.access import GLANCE, KEYSTONE, PLACEMENT, Access
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered
from skylift.probe.folder import Folder
from skylift.probe.guest import Guest, counted, ping, restarted
from skylift.probe.witness import INVENTORY, Known, known, own_access
from skylift.probe.witness_core import WITNESSES

_KINDS = {"user": "user", "project": "project", "image": "image", "resource provider": "provider"}
_PINGS = 3
"""One ping may be lost on any network; a guest that answers none of these is not there."""


class Seen(NamedTuple):
    """One witness, as the product's ``WitnessSeen``."""

    name: str
    intact: bool
    detail: str


def verify(folder: Folder, access: Access) -> list[Seen]:
    """Each witness through the APIs; empty if they were not all made yet.

    Raises:
        Unanswered: an API could not answer now, so that nothing is known of a witness.
    """
    these = known(folder)
    if these is None or not these["complete"]:
        return []
    admin = Client(access)
    faults: dict[str, Callable[[], str]] = {
        "user": lambda: _user_fault(Client(own_access(access, these)), these),
        "project": lambda: _project_fault(admin, these, folder.label),
        "image": lambda: _image_fault(Client(own_access(access, these)), these),
        "resource provider": lambda: _provider_fault(admin, these),
    }
    first = [_seen(kind, these, _judged(faults[kind])) for kind in _KINDS]
    core = [
        _seen(kind, these, _judged(partial(one.fault, admin, these)))
        for kind, one in WITNESSES.items()
        if kind in these
    ]
    return [*first, *core, *_guest(these)]


def verify_noapi(folder: Folder) -> list[Seen]:
    """What can be told while no API answers: of each witness, whether it is known what to look for.

    All but a guest show themselves through their APIs alone; so it is in grenade, whose own check
    without the API is empty for them.
    """
    these = known(folder)
    if these is None or not these["complete"]:
        return []
    kinds = [*_KINDS, *(kind for kind in WITNESSES if kind in these)]
    told = [_seen(k, these, "" if these[_KINDS.get(k, k)]["id"] else "its id is unknown") for k in kinds]
    return [*told, *_guest(these)]


def _guest(these: Known) -> list[Seen]:
    """The guest past every API, if it answered when it was made."""
    mine = these.get("server", {})
    if "pings_from" not in mine:
        return []
    fault = _guest_fault(Guest(mine["id"], mine["address"]), mine["count"])
    return [Seen("guest", not fault, fault or f"it answers at {mine['address']}")]


def _guest_fault(guest: Guest, before: int | None) -> str:
    if not any(_pinged(guest) for _ in range(_PINGS)):
        return f"{guest.address} answered none of {_PINGS} pings"
    if before is None:
        return ""
    try:
        return restarted(guest, before, counted(guest, time.monotonic() + TIME_LIMIT_S))
    except Unanswered as lost:
        return f"its counter cannot be read: {lost}"


def _pinged(guest: Guest) -> bool:
    try:
        ping(guest.address)
    except Unanswered:
        return False
    return True


def _seen(kind: str, these: Known, fault: str) -> Seen:
    made = these[_KINDS.get(kind, kind)]
    return Seen(kind, not fault, fault or f"{made['name']} {made['id']}")


def _judged(fault: Callable[[], str]) -> str:
    """What is wrong; a plain refusal, such as 404 or 401, is an answer: the witness is not there."""
    try:
        return fault()
    except Unanswered as failure:
        if failure.passing:
            raise
        return str(failure)
    except (KeyError, TypeError) as failure:
        return f"the answer lacks {failure}"


def _user_fault(own: Client, these: Known) -> str:
    same = own.token.user_id == these["user"]["id"] and own.token.project_id == these["project"]["id"]
    return "" if same else "its token is another user's or project's"


def _project_fault(admin: Client, these: Known, label: str) -> str:
    found = admin.get(KEYSTONE, f"/projects/{these['project']['id']}").json()["project"]
    same = found["name"] == these["project"]["name"] and found["description"] == label
    return "" if same and found["enabled"] else "its name, description or state is another"


def _image_fault(own: Client, these: Known) -> str:
    content = own.get(GLANCE, f"/v2/images/{these['image']['id']}/file").body
    same = hashlib.sha256(content).hexdigest() == these["image"]["sha256"]
    return "" if same else "its content has another checksum"


def _provider_fault(admin: Client, these: Known) -> str:
    path = f"/resource_providers/{these['provider']['id']}"
    found = admin.get(PLACEMENT, path).json()
    listed = admin.get(PLACEMENT, f"{path}/inventories").json()["inventories"]
    kept = {kind: {k: listed.get(kind, {}).get(k) for k in want} for kind, want in INVENTORY.items()}
    same = found["name"] == these["provider"]["name"] and kept == INVENTORY
    return "" if same else "its name or inventory is another"
