"""Take the lab down: every process, mount, namespace, cgroup and file of it, whatever state it is in."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from skylift.gate.lab import cgroups, network
from skylift.gate.lab.host import LabProblem, marker_of
from skylift.gate.lab.mounts import mounted_below, unmount_all
from skylift.gate.lab.stages import Stage, build
from skylift.gate.lab.state import locked, read_state

if TYPE_CHECKING:
    from skylift.gate.lab.host import Lab
    from skylift.gate.lab.stages import Progress


def down(lab: Lab, progress: Progress) -> int:
    """Leave nothing of the lab but the cache, and return how many stages had to be pushed.

    May be killed anywhere and called again. Nothing outside the lab is touched: processes are found by
    the lab's own cgroup and network namespace, mounts by its folder.

    Raises:
        LabBusy: another command is changing this lab.
        LabProblem: something would not go.
    """
    with locked(lab, "down"):
        return build(_stages(lab), progress, at_once=1)


def _stages(lab: Lab) -> tuple[Stage, ...]:
    group = cgroups.group_of(lab)
    return (
        Stage("hosts and depot", lambda: not cgroups.populated(group), lambda: cgroups.end(group)),
        Stage(
            "cgroups",
            lambda: not group.exists(),
            lambda: cgroups.remove(group),
            after=("hosts and depot",),
        ),
        Stage(
            "network",
            lambda: not lab.namespace.exists(),
            lambda: network.remove_network(lab),
            after=("hosts and depot",),
        ),
        Stage(
            "mounts",
            lambda: not mounted_below(lab.folder),
            lambda: unmount_all(lab),
            after=("network",),
        ),
        Stage(
            "files", lambda: read_state(lab) is None, lambda: _remove_files(lab), after=("mounts", "cgroups")
        ),
    )


def _remove_files(lab: Lab) -> None:
    if mounted_below(lab.folder):
        raise LabProblem(f"files in {lab.folder} cannot be removed: something is still mounted there")
    # The marker goes last, so that a killed "down" still knows the folder for a lab's.
    for place in lab.folder.iterdir():
        if place != marker_of(lab):
            shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
    shutil.rmtree(lab.folder)
