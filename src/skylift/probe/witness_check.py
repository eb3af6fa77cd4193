"""Whether each witness is still as it was made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from skylift.probe.access import GLANCE, KEYSTONE, PLACEMENT, Access
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered
from skylift.probe.folder import Folder
from skylift.probe.witness import INVENTORY, Known, known, own_access

_KINDS = {"user": "user", "project": "project", "image": "image", "resource provider": "provider"}


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
    return [_seen(kind, these, _judged(faults[kind])) for kind in _KINDS]


def verify_noapi(folder: Folder) -> list[Seen]:
    """What can be told while no API answers: of each witness, whether it is known what to look for.

    Keystone, glance and placement show what they keep through their APIs alone; so it is in grenade,
    whose own check without the API is empty for them.
    """
    these = known(folder)
    if these is None or not these["complete"]:
        return []
    return [
        _seen(kind, these, "" if these[key]["id"] else "its id is unknown") for kind, key in _KINDS.items()
    ]


def _seen(kind: str, these: Known, fault: str) -> Seen:
    made = these[_KINDS[kind]]
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
