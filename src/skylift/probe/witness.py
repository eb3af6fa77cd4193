"""Witnesses: a user's resources, made before a run and looked at after it (grenade's contract).

What is to be made is written down before it is made, with ids and content of our choosing where the API
allows, so that ``create`` after a crash at any point makes what is missing and nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from skylift.model.sample import CONTENT, TIMEOUT
from skylift.probe import witness_core
from skylift.probe.access import GLANCE, KEYSTONE, PLACEMENT, Access
from skylift.probe.choice import NOTHING_WANTED, Wanted
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered
from skylift.probe.folder import Folder, write_whole

INVENTORY = {"VCPU": {"total": 7, "reserved": 1}, "MEMORY_MB": {"total": 1536, "reserved": 512}}
_IMAGE_BYTES = 1 << 20
_ROLE = "member"
_ABSENT = 404
_GONE = (204, _ABSENT)

Known = dict[str, Any]
"""What is written down of the witnesses of one label: names, ids, password, checksum."""


def known(folder: Folder) -> Known | None:
    """The witnesses of a label; none if none were ever begun."""
    try:
        found: Known = json.loads(folder.witnesses.read_text())
    except FileNotFoundError:
        return None
    return found


def own_access(access: Access, these: Known) -> Access:
    """The credentials of the witness user, scoped to the witness project."""
    return access._replace(
        username=these["user"]["name"],
        password=these["user"]["password"],
        project=these["project"]["name"],
        user_domain={"id": "default"},
        project_domain={"id": "default"},
    )


def create(folder: Folder, access: Access, wanted: Wanted = NOTHING_WANTED) -> None:
    """Make what is missing, as far as it can be made now; whoever asks for them looks, and asks again.

    Raises:
        Unanswered: an API refused or did not answer; what was made so far is known.
    """
    admin = Client(access)
    these = known(folder) or _intend(folder, admin, wanted)
    these["project"]["id"] = _project(admin, folder.label, these["project"]["name"])
    these["user"]["id"] = _user(admin, these["user"])
    _grant(admin, these)
    _image(Client(own_access(access, these)), these["image"])
    _provider(admin, these["provider"])
    awaited = [one.make(admin, these) for kind, one in witness_core.WITNESSES.items() if kind in these]
    these["complete"] = not any(awaited)
    write_whole(folder.witnesses, json.dumps(these) + "\n")


def destroy(folder: Folder, access: Access) -> None:
    """Remove all of them; no effect on what is gone.

    Raises:
        Unanswered: an API refused or did not answer; the rest is still known.
    """
    these = known(folder)
    if these is None:
        return
    admin = Client(access)
    for kind, one in reversed(list(witness_core.WITNESSES.items())):
        if kind in these:
            one.remove(admin, these[kind]["name"])
    admin.call("DELETE", GLANCE, f"/v2/images/{these['image']['id']}", _GONE)
    admin.call("DELETE", PLACEMENT, f"/resource_providers/{these['provider']['id']}", _GONE)
    for kind in ("user", "project"):
        for found in admin.named(kind, these[kind]["name"]):
            admin.call("DELETE", KEYSTONE, f"/{kind}s/{found['id']}", _GONE)
    folder.witnesses.unlink()


def _intend(folder: Folder, admin: Client, wanted: Wanted) -> Known:
    """Write down what is to be made, before any of it is."""
    name = f"skylift-witness-{folder.label}"
    seed = secrets.token_hex(32)
    image = {
        "name": name,
        "id": str(uuid.uuid4()),
        "seed": seed,
        "sha256": hashlib.sha256(_content(seed)).hexdigest(),
    }
    these: Known = {
        "user": {"name": name, "id": "", "password": secrets.token_urlsafe(24)},
        "project": {"name": name, "id": ""},
        "image": image,
        "provider": {"name": name, "id": str(uuid.uuid4())},
        "complete": False,
        **witness_core.intended(admin, name, wanted),
    }
    write_whole(folder.witnesses, json.dumps(these) + "\n")
    return these


def _project(admin: Client, label: str, name: str) -> str:
    for found in admin.named("project", name):
        return str(found["id"])
    declared = {"project": {"name": name, "domain_id": "default", "description": label}}
    return str(admin.call("POST", KEYSTONE, "/projects", (201,), body=declared).json()["project"]["id"])


def _user(admin: Client, user: Mapping[str, str]) -> str:
    for found in admin.named("user", user["name"]):
        return str(found["id"])
    declared = {"user": {"name": user["name"], "password": user["password"], "domain_id": "default"}}
    return str(admin.call("POST", KEYSTONE, "/users", (201,), body=declared).json()["user"]["id"])


def _grant(admin: Client, these: Known) -> None:
    roles = admin.get(KEYSTONE, f"/roles?name={_ROLE}").json()["roles"]
    if not roles:
        raise Unanswered(CONTENT, f"keystone has no role {_ROLE}, without which a user gets no token")
    path = f"/projects/{these['project']['id']}/users/{these['user']['id']}/roles/{roles[0]['id']}"
    admin.call("PUT", KEYSTONE, path, (204,))


def _image(own: Client, image: Mapping[str, str]) -> None:
    path = f"/v2/images/{image['id']}"
    found = own.get(GLANCE, path, 200, _ABSENT)
    if found.status == _ABSENT:
        declared = {
            "id": image["id"],
            "name": image["name"],
            "disk_format": "raw",
            "container_format": "bare",
        }
        found = own.call("POST", GLANCE, "/v2/images", (201,), body=declared)
    status = found.json().get("status")
    if status == "saving":
        raise Unanswered(TIMEOUT, f"image {image['id']} is still being uploaded: an answer was late")
    if status != "active":
        own.call("PUT", GLANCE, f"{path}/file", (204,), body=_content(image["seed"]))


def _provider(admin: Client, provider: Mapping[str, str]) -> None:
    path = f"/resource_providers/{provider['id']}"
    if admin.get(PLACEMENT, path, 200, _ABSENT).status == _ABSENT:
        declared = {"uuid": provider["id"], "name": provider["name"]}
        admin.call("POST", PLACEMENT, "/resource_providers", (200,), body=declared)
    held = admin.get(PLACEMENT, f"{path}/inventories").json()
    if not held["inventories"]:
        generation = held["resource_provider_generation"]
        wanted = {"resource_provider_generation": generation, "inventories": INVENTORY}
        admin.call("PUT", PLACEMENT, f"{path}/inventories", (200,), body=wanted)


def _content(seed: str) -> bytes:
    """The image's bytes: made from a seed, so that an upload that was cut can be made again."""
    return hashlib.shake_256(bytes.fromhex(seed)).digest(_IMAGE_BYTES)
