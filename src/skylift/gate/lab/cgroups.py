"""The cgroups of the lab: what every process of it is found by, and ended by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from skylift.gate.lab.commands import poll
from skylift.gate.lab.host import LabProblem

if TYPE_CHECKING:
    from skylift.gate.lab.host import Lab

_END_S = 20


def group_of(lab: Lab, part: str = "") -> Path:
    """The cgroup of the whole lab, or of one ``part`` of it: a host's name or ``depot``.

    Raises:
        LabProblem: no cgroup v2 tree is mounted on this machine.
    """
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place) / lab.name / part
    raise LabProblem("no cgroup v2 tree is mounted on this machine")


def populated(group: Path) -> bool:
    """Whether a process lives in ``group`` or below."""
    try:
        return "populated 1" in (group / "cgroup.events").read_text()
    except (FileNotFoundError, OSError):
        return False


def end(group: Path) -> None:
    """Kill all in ``group`` and below at once, without a chance to object; a no-op if nothing is there.

    Raises:
        LabProblem: something is still alive after 20 s.
    """
    if not group.is_dir():
        return
    (group / "cgroup.kill").write_text("1")
    if not poll(lambda: not populated(group), limit_s=_END_S):
        raise LabProblem(f"processes in {group} did not end within {_END_S} s of SIGKILL")


def remove(group: Path) -> None:
    """Remove an empty ``group`` and all below; a no-op if it is not there."""
    if not group.is_dir():
        return
    below = sorted((place for place in group.rglob("*") if place.is_dir()), reverse=True)
    for place in (*below, group):
        place.rmdir()
