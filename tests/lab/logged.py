"""What the hosts of a lab had logged when a test failed: the lab is gone when anybody reads of it."""

from __future__ import annotations

import subprocess

from skylift.gate.lab.host import Lab, LabHost
from skylift.gate.lab.host import run as on_host
from skylift.model.masking import masked
from skylift.model.problem import Problem

_LINES = 25
_WRONG = r" (ERROR|CRITICAL) |\[ERROR\]|[A-Za-z]+(Error|Exception):|status=[1-9]|Out of memory"
_ASK = (
    f"journalctl -q --no-pager -o short-precise --since -300s | grep -E '{_WRONG}'"
    f" | tail -n {_LINES} | cut -c1-300"
)


def logged(lab: Lab) -> str:
    """The last lines of each host in which something went wrong during five minutes, secrets masked.

    Much of it is expected: services that lose their neighbours complain. A host that does not answer says so.
    """
    return "\n".join(f"{host.name}:\n{_of(host)}" for host in lab.hosts)


def _of(host: LabHost) -> str:
    try:
        return masked(on_host(host, _ASK, timeout_s=30)) or "nothing"
    except (Problem, OSError, subprocess.SubprocessError) as unheard:
        return f"it cannot be asked: {unheard}"
