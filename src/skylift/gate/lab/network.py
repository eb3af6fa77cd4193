"""The lab's network: a namespace with a bridge in it, and nothing that leads out."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from skylift.gate.lab.commands import poll, run_here
from skylift.gate.lab.host import BRIDGE_ADDRESS, LabProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skylift.gate.lab.host import Lab

BRIDGE = "br77"
_END_S = 10


def stands(lab: Lab) -> bool:
    """Whether the namespace and its bridge are there and up."""
    if not lab.namespace.exists():
        return False
    told = run_here(["ip", "-n", lab.name, "-br", "address"])
    return any(line.startswith(BRIDGE) and BRIDGE_ADDRESS in line for line in told.splitlines())


def raise_network(lab: Lab) -> None:
    """Make the namespace and the bridge; goes on where a killed one stopped.

    Raises:
        LabProblem: ip refused.
    """
    if not lab.namespace.exists():
        run_here(["ip", "netns", "add", lab.name])
    inside = ["ip", "-n", lab.name]
    run_here([*inside, "link", "set", "lo", "up"])
    if BRIDGE not in run_here([*inside, "-br", "link"]):
        run_here([*inside, "link", "add", BRIDGE, "type", "bridge"])
    run_here([*inside, "address", "replace", f"{BRIDGE_ADDRESS}/16", "dev", BRIDGE])
    run_here([*inside, "link", "set", BRIDGE, "up"])


def remove_network(lab: Lab) -> None:
    """End what still runs in the namespace and delete it; a no-op if there is none.

    Raises:
        LabProblem: a process in there outlived SIGKILL by 10 s, or ip refused.
    """
    if not lab.namespace.exists():
        return
    if not poll(lambda: not _end_all_inside(lab.namespace), limit_s=_END_S):
        raise LabProblem(f"processes in the namespace {lab.name} did not end within {_END_S} s of SIGKILL")
    run_here(["ip", "netns", "delete", lab.name])


def _end_all_inside(namespace: Path) -> bool:
    """Send SIGKILL to each process whose network is ``namespace``; whether there was one."""
    found = False
    ours = namespace.stat()
    for pid in _pids():
        if _end_if_inside(pid, (ours.st_dev, ours.st_ino)):
            found = True
    return found


def _end_if_inside(pid: int, network: tuple[int, int]) -> bool:
    try:
        # The descriptor is taken before the question, so that a PID used again is never hit.
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        its = Path(f"/proc/{pid}/ns/net").stat()
        if (its.st_dev, its.st_ino) != network:
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError, PermissionError):
        return False  # gone, or nothing we may look into: then it is not ours
    finally:
        os.close(descriptor)
    return True


def _pids() -> Iterator[int]:
    return (int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit())
