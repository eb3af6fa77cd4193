"""The secrets of one lab: made once, kept in its folder for its owner alone."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from skylift.gate.lab.host import LabProblem
from skylift.gate.lab.launchers import COMPONENTS
from skylift.gate.lab.state import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from skylift.gate.lab.host import Lab

_FERNET_KEYS = 2
"""One to sign with and one staged, as Keystone starts with."""


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


def passwords(lab: Lab) -> Passwords:
    """The lab's own, made and written down the first time.

    Raises:
        LabProblem: the file does not read as ours.
    """
    path = _file(lab)
    if not path.exists():
        write_whole(path, json.dumps(asdict(_made()), indent=2) + "\n", mode=0o600)
    try:
        told = json.loads(path.read_text())
        return Passwords(
            admin=told["admin"],
            database=told["database"],
            service=told["service"],
            fernet=tuple(told["fernet"]),
            credential=tuple(told["credential"]),
        )
    except (ValueError, KeyError, TypeError):
        raise LabProblem(f"{path} does not read as the passwords of a lab") from None


def _file(lab: Lab) -> Path:
    return lab.folder / "passwords.json"


def _made() -> Passwords:
    return Passwords(
        admin=secrets.token_hex(16),
        database={component: secrets.token_hex(16) for component in COMPONENTS},
        service={component: secrets.token_hex(16) for component in COMPONENTS if component != "keystone"},
        fernet=tuple(_fernet_key() for _ in range(_FERNET_KEYS)),
        credential=tuple(_fernet_key() for _ in range(_FERNET_KEYS)),
    )


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()
