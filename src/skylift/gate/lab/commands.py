"""Running commands on this machine: bounded, and none of them outlives us."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from skylift.gate.lab.host import LabProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_TAIL_CHARS = 2000

SEAL = [
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation", "slave"),
    *("--pid", "--fork", "--kill-child=KILL", "--mount-proc"),
]
"""A mount and a PID namespace of its own: when its first process dies, the kernel kills the rest."""


def run_sealed(
    command: Sequence[str],
    *,
    timeout_s: int,
    env: Mapping[str, str] | None = None,
    input: bytes = b"",  # noqa: A002 - subprocess's own word
) -> str:
    """Run ``command`` so that not even SIGKILL to us leaves a process or a mount of it behind.

    Args:
        command: its first word is found on the PATH; what it mounts is seen by nobody else.
        timeout_s: how long it may take.
        env: added to our own environment.
        input: what it reads on its standard input.

    Raises:
        LabProblem: it ended with another code than 0, or ``timeout_s`` passed.
    """
    return _ran([*SEAL, *command], command[0], input=input, timeout_s=timeout_s, env=env)


def run_here(command: Sequence[str], *, timeout_s: int = 30) -> str:
    """Run a quick ``command`` whose effect on the machine is meant to stay, and return what it printed.

    Raises:
        LabProblem: it ended with another code than 0, or ``timeout_s`` passed.
    """
    return _ran(command, " ".join(command), timeout_s=timeout_s)


def poll(question: Callable[[], bool], *, limit_s: float, every_s: float = 0.1) -> bool:
    """Ask ``question`` until it says yes; whether it did within ``limit_s`` seconds.

    It is asked at least once, and once more when the limit has passed.
    """
    limit = time.monotonic() + limit_s
    while time.monotonic() < limit:
        if question():
            return True
        time.sleep(every_s)
    return question()


def _ran(
    command: Sequence[str],
    called: str,
    *,
    timeout_s: int,
    input: bytes = b"",  # noqa: A002 - subprocess's own word
    env: Mapping[str, str] | None = None,
) -> str:
    try:
        ended = subprocess.run(
            command,
            input=input,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, **(env or {})},
        )
    except FileNotFoundError:
        raise LabProblem(f"{command[0]} is not installed on this machine") from None
    except subprocess.TimeoutExpired:
        raise LabProblem(f"{called} did not end within {timeout_s} s") from None
    if ended.returncode != 0:
        said = (ended.stdout + ended.stderr).decode(errors="replace")[-_TAIL_CHARS:].strip()
        raise LabProblem(f"{called} ended with code {ended.returncode}: {said}")
    return ended.stdout.decode(errors="replace")
