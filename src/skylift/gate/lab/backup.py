"""The backups that an operator of any cloud has: without them no check lets an upgrade pass."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from skylift.drivers.mariadb_dumps import DUMP
from skylift.gate.lab.host import run

if TYPE_CHECKING:
    from skylift.gate.lab.host import Lab

FOLDER = PurePosixPath("/var/backups/skylift")
"""Where dumps lie on the first controller."""

_LABEL = "new"
_DUMP_S = 120


def backed_up(lab: Lab) -> bool:
    """Whether each component's database was dumped once."""
    there = run(lab.controllers[0], f"ls {FOLDER} 2>/dev/null || true", timeout_s=15).split()
    return all(f"{name}-{_LABEL}.sql.zst" in there for name in _databases(lab))


def back_up(lab: Lab) -> None:
    """Dump them one by one."""
    for name in _databases(lab):
        words = ["sh", "-c", DUMP, "skylift", name, str(FOLDER), _LABEL]
        run(lab.controllers[0], shlex.join(words), timeout_s=_DUMP_S)


def _databases(lab: Lab) -> list[str]:
    return [name for component in lab.profile.components for name in component.databases.values()]
