"""Witnesses: a user's resources, made before a run and looked at after it (grenade's contract).

What is to be made is written down before it is made, with ids and content of our choosing where the API
allows, so that ``create`` after a crash at any point makes what is missing and nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from functools import partial
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


def create(
    folder: Folder,
    access: Access,
    wanted: Wanted = NOTHING_WANTED,
    *,
    without: frozenset[str] = frozenset(),
    until: float = float("inf"),
) -> None:
    """Make what is missing, as far as it can be made before ``until``, a time of the monotonic clock.

    Whoever asks for them looks whether they are whole, and asks again. Kinds in ``without`` are not begun.

    Raises:
        Unanswered: an API refused, or nothing came about for want of answers; what was made is known.
    """
    admin = Client(access, until)
    these = known(folder) or _intend(folder, admin, wanted, without)
    # Once whole, each is looked at again: one may be gone.
    before = [] if these["complete"] else list(these["made"])
    these["made"] = made = list(before)
    try:
        for kind, make in _makers(admin, these, folder.label):
            if kind not in made and not make():
                made.append(kind)
    except Unanswered as late:
        # Where each answer takes seconds, the next try goes on after what this one made.
        if these["complete"] or not late.passing or made == before:
            raise
    else:
        these["complete"] = len(made) == len(_makers(admin, these, folder.label))
    finally:
        write_whole(folder.witnesses, json.dumps(these) + "\n")


def _makers(admin: Client, these: Known, label: str) -> list[tuple[str, Callable[[], str]]]:
    """How each kind is made, in their order; each says what it still waits for."""
    return [
        ("project", lambda: _project(admin, label, these["project"])),
        ("user", lambda: _user(admin, these)),
        ("image", lambda: _image(Client(own_access(admin.access, these), admin.until), these["image"])),
        ("resource provider", lambda: _provider(admin, these["provider"])),
        *((k, partial(one.make, admin, these)) for k, one in witness_core.WITNESSES.items() if k in these),
    ]


def destroy(folder: Folder, access: Access, *, until: float = float("inf")) -> None:
    """Remove all of them before ``until``, a time of the monotonic clock; no effect on what is gone.

    Raises:
        Unanswered: an API refused or did not answer; the rest is still known.
    """
    these = known(folder)
    if these is None:
        return
    admin = Client(access, until)
    for kind, one in reversed(list(witness_core.WITNESSES.items())):
        if kind in these:
            one.remove(admin, these[kind]["name"])
    admin.call("DELETE", GLANCE, f"/v2/images/{these['image']['id']}", _GONE)
    admin.call("DELETE", PLACEMENT, f"/resource_providers/{these['provider']['id']}", _GONE)
    for kind in ("user", "project"):
        for found in admin.named(kind, these[kind]["name"]):
            admin.call("DELETE", KEYSTONE, f"/{kind}s/{found['id']}", _GONE)
    folder.witnesses.unlink()


def _intend(folder: Folder, admin: Client, wanted: Wanted, without: frozenset[str]) -> Known:
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
        "made": [],
        "complete": False,
        **witness_core.intended(admin, name, wanted, without),
    }
    write_whole(folder.witnesses, json.dumps(these) + "\n")
    return these


def _project(admin: Client, label: str, project: dict[str, str]) -> str:
    declared = {"name": project["name"], "domain_id": "default", "description": label}
    project["id"] = _once(admin, "project", declared)
    return ""


def _user(admin: Client, these: Known) -> str:
    """The user, and its role in the project."""
    user = these["user"]
    declared = {"name": user["name"], "password": user["password"], "domain_id": "default"}
    user["id"] = _once(admin, "user", declared)
    roles = admin.get(KEYSTONE, f"/roles?name={_ROLE}").json()["roles"]
    if not roles:
        raise Unanswered(CONTENT, f"keystone has no role {_ROLE}, without which a user gets no token")
    path = f"/projects/{these['project']['id']}/users/{user['id']}/roles/{roles[0]['id']}"
    admin.call("PUT", KEYSTONE, path, (204,))
    return ""


def _once(admin: Client, kind: str, declared: Mapping[str, str]) -> str:
    """The id of the user or project of this name, made if there is none."""
    for found in admin.named(kind, declared["name"]):
        return str(found["id"])
    made = admin.call("POST", KEYSTONE, f"/{kind}s", (201,), body={kind: declared})
    return str(made.json()[kind]["id"])


def _image(own: Client, image: Mapping[str, str]) -> str:
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
    return ""


def _provider(admin: Client, provider: Mapping[str, str]) -> str:
    path = f"/resource_providers/{provider['id']}"
    if admin.get(PLACEMENT, path, 200, _ABSENT).status == _ABSENT:
        declared = {"uuid": provider["id"], "name": provider["name"]}
        admin.call("POST", PLACEMENT, "/resource_providers", (200,), body=declared)
    held = admin.get(PLACEMENT, f"{path}/inventories").json()
    if not held["inventories"]:
        generation = held["resource_provider_generation"]
        wanted = {"resource_provider_generation": generation, "inventories": INVENTORY}
        admin.call("PUT", PLACEMENT, f"{path}/inventories", (200,), body=wanted)
    return ""


def _content(seed: str) -> bytes:
    """The image's bytes: made from a seed, so that an upload that was cut can be made again."""
    return hashlib.shake_256(bytes.fromhex(seed)).digest(_IMAGE_BYTES)
