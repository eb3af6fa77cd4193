"""What runs in the lab: hosts and the depot, each under a loop that starts it again when it should be."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from skylift.gate.lab import cgroups
from skylift.gate.lab.host import BRIDGE_ADDRESS, DEPOT_PORT, LabHost, LabProblem
from skylift.gate.lab.network import BRIDGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skylift.gate.lab.host import Lab
    from skylift.gate.lab.services import Role

_ASKED_TO_REBOOT = "133"
"""How systemd-nspawn ends with ``--keep-unit`` when the host in it rebooted; 0 is poweroff."""

_SHARING: tuple[Role, ...] = ("controller", "compute")
_SWITCHING: tuple[Role, ...] = ("network", "compute")
_POWERS = ["--capability=all", "--system-call-filter=@keyring bpf", "--bind=/dev/net/tun"]
"""What a host needs that runs guests, or a switch and namespaces for them."""

_LOOP = Path(__file__).with_name("keep.sh")


def runs(lab: Lab, part: str) -> bool:
    """Whether ``part`` (a host's name, or ``depot``) runs or is about to."""
    return cgroups.populated(cgroups.group_of(lab, part))


def power_on(host: LabHost) -> None:
    """Boot ``host`` and return at once; a no-op if it runs.

    Raises:
        LabProblem: its loop could not be started.
    """
    lab = host.lab
    bind = [f"--bind={lab.shared}:/srv/shared"] if host.role in _SHARING else []
    powers = _POWERS if host.role in _SWITCHING else []
    lab.shared.mkdir(exist_ok=True)
    # A console that nobody reads (passive) fills up, and then systemd waits for ever to write to it.
    command = [
        *("nsenter", f"--net={lab.namespace}", "systemd-nspawn", "--quiet", "--settings=no"),
        *("--register=no", "--keep-unit", "--boot", f"--machine={lab.name}-{host.name}"),
        *(f"--hostname={host.name}", f"--directory={host.root}"),
        *("--network-veth", f"--network-bridge={BRIDGE}", "--resolv-conf=off", "--timezone=off"),
        *("--link-journal=no", "--console=read-only", *bind, *powers),
    ]
    _keep(lab, host.name, command, again=_ASKED_TO_REBOOT)


def power_off(host: LabHost) -> None:
    """Cut the power of ``host``: nothing in it gets a chance to tidy up; a no-op if it is off.

    Raises:
        LabProblem: something in it outlived SIGKILL.
    """
    cgroups.end(cgroups.group_of(host.lab, host.name))


def serve_depot(lab: Lab) -> None:
    """Serve the depot folder to the hosts and return at once; a no-op if it is served.

    Raises:
        LabProblem: its loop could not be started.
    """
    lab.depot.mkdir(exist_ok=True)
    command = [
        *("nsenter", f"--net={lab.namespace}", "/usr/bin/python3", "-m", "http.server"),
        *("--bind", BRIDGE_ADDRESS, "--directory", str(lab.depot), str(DEPOT_PORT)),
    ]
    _keep(lab, "depot", command, again="any")


def log_of(lab: Lab, part: str) -> Path:
    """What a host's console, or the depot, printed since it was last started from here."""
    return lab.folder / "logs" / f"{part}.log"


def _keep(lab: Lab, part: str, command: Sequence[str], *, again: str) -> None:
    """Start the loop around ``command``, detached from us, in the cgroup of ``part``."""
    if runs(lab, part):
        return
    group = cgroups.group_of(lab, part)
    for below in ("watch", "run"):
        (group / below).mkdir(parents=True, exist_ok=True)
    log = log_of(lab, part)
    log.parent.mkdir(exist_ok=True)
    detached = ["setsid", "--fork", "unshare", "--mount", "--propagation", "slave", "sh", "-eu", str(_LOOP)]
    told = [str(group), f"{lab.name}/{part}", again, str(log)]
    with subprocess.Popen(
        [*detached, *told, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as loop:
        # It waits for our word, so that none can run that is not in its cgroup, even if we are killed here.
        if loop.stdin is None or loop.stdout is None or loop.stdout.readline() != b"joined\n":
            raise LabProblem(f"the loop that keeps {part} running could not be started")
        loop.stdin.write(b"go\n")
