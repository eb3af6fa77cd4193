"""Our own driver over the hosts of a farm: CPU time per task, and memory for connections that are held."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from skylift.drivers.ssh import Said, Ssh
from skylift.gate.lab.commands import poll
from skylift.model.ids import HostName
from skylift.sshbench.farm import Farm
from skylift.sshbench.spent import Spent

LIMIT_S = 300
"""For a connection and for a command: what is measured is CPU, on a machine that may have much else to do."""
_TASK = ("true",)
_CLOSED_LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class Ours:
    """What one job took: some tasks on each host, over connections made for it."""

    connecting: Spent
    """The first task on each host, and the end of its connection."""
    held: Spent
    """All others."""

    @property
    def job(self) -> Spent:
        """All of it."""
        return self.connecting + self.held


@dataclass(frozen=True, slots=True)
class Memory:
    """Of the whole process, in MB of 1,000,000 bytes."""

    connections: int
    """That were open at once, by sshd's count."""
    before_mb: float
    at_most_mb: float


def measure_ours(farm: Farm, *, hosts: int, tasks: int, at_once: int) -> Ours:
    """Run ``true`` so many times on each of so many hosts; callers are threads, as the engine's are."""
    named = farm.first(hosts)
    ours, theirs = _cpu_s(), farm.cpu_s()
    ssh = Ssh(farm.access, named, connect_limit_s=LIMIT_S)
    with ThreadPoolExecutor(at_once) as pool:
        _ask(pool, ssh, named)
        ours_connected, theirs_connected = _cpu_s(), farm.cpu_s()
        _ask(pool, ssh, (host for _ in range(tasks - 1) for host in named))
        ours_asked, theirs_asked = _cpu_s(), farm.cpu_s()
    ssh.close()
    ours_closed = _cpu_s()
    _closed(farm)
    opening = Spent(hosts, ours_connected - ours, theirs_connected - theirs)
    closing = Spent(0, ours_closed - ours_asked, farm.cpu_s() - theirs_asked)
    held = Spent(hosts * (tasks - 1), ours_asked - ours_connected, theirs_asked - theirs_connected)
    return Ours(opening + closing, held)


def measure_memory(farm: Farm, connections: int, at_once: int) -> Memory:
    """Open a connection to each host and hold it; for a fresh process, whose peak is then of this alone."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    measure_ours(farm, hosts=1, tasks=1, at_once=1)
    gc.collect()
    before = _status_mb("VmRSS")
    named = farm.first(connections)
    with Ssh(farm.access, named, connect_limit_s=LIMIT_S) as ssh, ThreadPoolExecutor(at_once) as pool:
        _ask(pool, ssh, named)
        return Memory(farm.connections(), before, _status_mb("VmHWM"))


def _ask(pool: ThreadPoolExecutor, ssh: Ssh, hosts: Iterable[HostName]) -> None:
    def ask(host: HostName) -> Said:
        return ssh.run(host, _TASK, limit_s=LIMIT_S)

    named = list(hosts)
    for host, said in zip(named, pool.map(ask, named), strict=True):
        if said.code != 0:
            raise RuntimeError(f"true ended with {said.code} on {host}: {said.complaint}")


def _closed(farm: Farm) -> None:
    """Return when sshd has seen the end of every connection, so that its time is counted."""
    if not poll(lambda: farm.connections() == 0, limit_s=_CLOSED_LIMIT_S):
        raise RuntimeError(f"{farm.connections()} connections are still open after {_CLOSED_LIMIT_S} s")


def _cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def _status_mb(field: str) -> float:
    """A line of the kernel's about this process, which is in units of 1,024 bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024 / 1e6
