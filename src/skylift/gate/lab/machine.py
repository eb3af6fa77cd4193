"""Ask the machine whether it can carry the lab, before anything is touched."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from skylift.gate.lab.profiles import API
from skylift.model.problem import Fix, Refused, Remedy

_GIB = 2**30


class MachineUnfit(Refused):
    """The machine lacks something the lab cannot install by itself."""

    code = "lab.machine-unfit"

    def __init__(self, lacks: tuple[str, ...]) -> None:
        super().__init__(
            f"this machine cannot carry the lab: it needs {'; '.join(lacks)}",
            Remedy(Fix.REPAIR, "run skylift lab up as root on a Debian 12 machine with what is named"),
        )


@dataclass(frozen=True, slots=True)
class Machine:
    """What the lab asks of a machine, as it was found."""

    root: bool
    system: str
    """As ``/etc/os-release`` says it: ``debian 12``."""
    architecture: str
    overlay: bool
    cgroup2: bool
    """Mounted, in whatever layout."""
    loop: bool
    apt: bool
    disk_free_gib: float
    disk: Path
    memory_gib: float


def look(folder: Path) -> Machine:
    """The machine as it is now; ``folder`` is where the lab will lie, and need not exist yet."""
    told = _os_release()
    filesystems = Path("/proc/filesystems").read_text().split()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return Machine(
        root=os.geteuid() == 0,
        system=f"{told.get('ID', 'unknown')} {told.get('VERSION_ID', '')}".strip(),
        architecture=platform.machine(),
        overlay="overlay" in filesystems or _loadable("overlay"),
        cgroup2=" cgroup2 " in Path("/proc/self/mounts").read_text(),
        loop=Path("/dev/loop-control").exists(),
        apt=shutil.which("apt-get") is not None,
        disk_free_gib=shutil.disk_usage(there).free / _GIB,
        disk=there,
        memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB,
    )


def lacks(
    machine: Machine, *, disk_gib: float = API.disk_gib, memory_gib: float = API.memory_gib
) -> tuple[str, ...]:
    """All that is missing, each with what was found; empty if the machine will do.

    ``disk_gib`` is what has to be free: a lab that stands has taken its share already. Both depend on
    the profile.
    """
    questions = (
        (machine.root, "root (you are not)"),
        (machine.system == "debian 12", f"Debian 12 (this is {machine.system})"),
        (machine.architecture == "x86_64", f"x86_64 (this is {machine.architecture})"),
        (machine.overlay, "overlay file systems in the kernel"),
        (machine.cgroup2, "a mounted cgroup v2 tree"),
        (machine.loop, "loop devices"),
        (machine.apt, "apt-get"),
        (
            machine.disk_free_gib >= disk_gib,
            f"{disk_gib:.0f} GiB free at {machine.disk} (there are {machine.disk_free_gib:.1f})",
        ),
        (
            machine.memory_gib >= memory_gib,
            f"{memory_gib:.0f} GiB of memory (there are {machine.memory_gib:.1f})",
        ),
    )
    return tuple(need for there, need in questions if not there)


def refuse_unfit(folder: Path, *, disk_gib: float = API.disk_gib, memory_gib: float = API.memory_gib) -> None:
    """Look, and go on only if nothing is missing.

    Raises:
        MachineUnfit: something is; its one sentence names all of it.
    """
    if missing := lacks(look(folder), disk_gib=disk_gib, memory_gib=memory_gib):
        raise MachineUnfit(missing)


def _os_release() -> dict[str, str]:
    told = platform.freedesktop_os_release()
    return dict(told)


def _loadable(module: str) -> bool:
    """Whether the kernel has it as a module that mount(8) would load."""
    return any(Path("/lib/modules", platform.release()).rglob(f"{module}.ko*"))
