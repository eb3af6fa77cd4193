"""The secrets of one lab: made once, kept in its folder for its owner alone."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from skylift.gate.lab.host import LabProblem
from skylift.gate.lab.state import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from skylift.gate.lab.host import Lab
    from skylift.gate.lab.profiles import Profile

_FERNET_KEYS = 2
"""One to sign with and one staged, as Keystone starts with."""
_SHARED = ("erlang", "metadata", "dashboard", "stacks")
"""The cookie of the brokers, the word between Nova and the metadata agents, the key of the dashboard's
sessions, and the administrator of the users that stacks make."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """What only this lab knows."""

    admin: str
    database: dict[str, str]
    """By component: the password of its database user."""
    service: dict[str, str]
    """By component: the password of its Keystone user."""
    fernet: tuple[str, ...]
    """Keys of tokens, by their number; the same on every controller."""
    credential: tuple[str, ...]
    """Keys of stored credentials, by their number."""
    bus: dict[str, str]
    """By component: the password of its user on the message bus."""
    shared: dict[str, str]
    """What services of several hosts know together, by what it is for."""


def passwords(lab: Lab) -> Passwords:
    """The lab's own, made and written down the first time.

    Raises:
        LabProblem: the file does not read as ours.
    """
    path = _file(lab)
    if not path.exists():
        write_whole(path, json.dumps(asdict(_made(lab.profile)), indent=2) + "\n", mode=0o600)
    try:
        told = json.loads(path.read_text())
        return Passwords(
            admin=told["admin"],
            database=told["database"],
            service=told["service"],
            fernet=tuple(told["fernet"]),
            credential=tuple(told["credential"]),
            bus=told.get("bus", {}),
            shared=told.get("shared", {}),
        )
    except (ValueError, KeyError, TypeError):
        raise LabProblem(f"{path} does not read as the passwords of a lab") from None


def _file(lab: Lab) -> Path:
    return lab.folder / "passwords.json"


def _made(profile: Profile) -> Passwords:
    users = [one for one in profile.components if one.account == "user"]
    return Passwords(
        admin=secrets.token_hex(16),
        database={one.name: secrets.token_hex(16) for one in profile.components if one.databases},
        service={one.name: secrets.token_hex(16) for one in users},
        fernet=tuple(_fernet_key() for _ in range(_FERNET_KEYS)),
        credential=tuple(_fernet_key() for _ in range(_FERNET_KEYS)),
        bus={one.name: secrets.token_hex(16) for one in profile.components if one.vhosts},
        shared={purpose: secrets.token_hex(16) for purpose in _SHARED} if profile.bus else {},
    )


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()
