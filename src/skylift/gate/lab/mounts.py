"""The mounts of the lab: per host a disk and an overlay, in a folder unmounted everywhere at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from skylift.gate.lab.commands import run_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skylift.gate.lab.host import Lab, LabHost

DISK_GIB = 6
"""The size of a host's disk."""


def mounted_below(folder: Path) -> tuple[Path, ...]:
    """The mount points at and below ``folder``, in the order they were mounted; one twice if it is."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place = Path(_plain(line.split()[4]))
        if place.is_relative_to(folder):
            found.append(place)
    return tuple(found)


def share_hosts_folder(lab: Lab) -> None:
    """Make what is mounted below ``hosts`` be unmounted in every mount namespace when it is in ours.

    Without this, a supervisor of another lab would keep our overlays mounted in its own namespace.
    """
    hosts = lab.folder / "hosts"
    hosts.mkdir(exist_ok=True)
    if hosts not in mounted_below(hosts):
        run_here(["mount", "--bind", str(hosts), str(hosts)])
    run_here(["mount", "--make-shared", str(hosts)])


def mount_root(host: LabHost, lowers: Sequence[Path]) -> None:
    """Make ``host.root`` a writable view of ``lowers``, uppermost first; a no-op if it is mounted.

    What is written lies on a disk of the host's own, so that it can run full like any disk; what was
    written while it was mounted before is there again.

    Raises:
        LabProblem: mount refused.
    """
    if host.root in mounted_below(host.root):
        return
    disk = host.root.with_name("disk")
    upper, work = disk / "upper", disk / "work"
    host.root.mkdir(parents=True, exist_ok=True)
    _mount_disk(disk, host.lab.folder / "disks" / f"{host.name}.img")
    upper.mkdir(exist_ok=True)
    work.mkdir(exist_ok=True)
    # Without xino, a folder's inode number changes when the kernel forgets it, which tar takes for a rename.
    layers = f"xino=on,lowerdir={':'.join(map(str, lowers))},upperdir={upper},workdir={work}"
    run_here(["mount", "-t", "overlay", f"skylift-{host.name}", "-o", layers, str(host.root)])


def _mount_disk(place: Path, image: Path) -> None:
    """Mount ``image`` at ``place``; it is made if need be, and takes only what is written."""
    if place in mounted_below(place):
        return
    if not image.exists():
        image.parent.mkdir(exist_ok=True)
        unfinished = image.with_suffix(".unfinished")
        run_here(["truncate", f"--size={DISK_GIB}G", str(unfinished)])
        run_here(["mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=16", str(unfinished)])
        unfinished.rename(image)
    place.mkdir(exist_ok=True)
    run_here(["mount", "-o", "loop,discard", str(image), str(place)])


def unmount_all(lab: Lab) -> None:
    """Unmount everything below the lab's folder; a no-op if nothing is.

    Raises:
        LabProblem: umount refused.
    """
    for place in reversed(mounted_below(lab.folder)):
        run_here(["umount", str(place)])


def _plain(escaped: str) -> str:
    r"""The kernel writes spaces and the like in octal: ``\\040``."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), escaped)
