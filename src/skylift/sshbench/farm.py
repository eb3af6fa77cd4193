"""Many hosts on this machine: loopback addresses that one sshd of our own listens on."""

from __future__ import annotations

import contextlib
import getpass
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

from skylift.gate.lab.commands import poll, run_here
from skylift.gate.lab.host import LabProblem
from skylift.gate.lab.loopback import free_port
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Remedy
from skylift.model.record import SshAccess

START_LIMIT_S = 60
END_LIMIT_S = 60
_ENDS_WITH_US = ("setpriv", "--pdeathsig", "TERM")
_SSHD = ("/usr/sbin/sshd", "-D", "-e", "-f")
_FIRST = IPv4Address("127.1.0.1")
_TICKS_A_S = os.sysconf("SC_CLK_TCK")

# Bound to the loopback device: it answers at every address of 127.0.0.0/8, and to nobody outside.
# With this SHLVL bash does not take itself for a login from afar, and reads no .bashrc of whoever measures.
_CONFIG = """\
Port {port}
ListenAddress 0.0.0.0 rdomain lo
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/id.pub
PidFile none
UsePAM no
UseDNS no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
LoginGraceTime 600
MaxStartups 1000
MaxSessions 100
SetEnv SHLVL=2 HOME={folder}
"""


@dataclass(frozen=True, slots=True)
class Farm:
    """A running sshd, and the hosts that it is."""

    folder: Path
    port: int
    pid: int
    addresses: Mapping[HostName, str]

    @property
    def access(self) -> SshAccess:
        """Access with the right key and the host keys pinned, a line for each host."""
        return SshAccess(
            user=getpass.getuser(),
            key=PurePosixPath(self.folder / "id"),
            known_hosts=PurePosixPath(self.folder / "known_hosts"),
            port=self.port,
        )

    def first(self, count: int) -> Mapping[HostName, str]:
        """So many of its hosts."""
        return dict(list(self.addresses.items())[:count])

    def connections(self) -> int:
        """How many are open: sshd has a child for each."""
        return len(_children(self.pid))

    def cpu_s(self) -> float:
        """CPU seconds that sshd and all it started have taken: the hosts' share of the work."""
        return _tree_cpu_s(self.pid)


@contextmanager
def farm(count: int) -> Iterator[Farm]:
    """So many hosts, gone at the end.

    Raises:
        LabProblem: sshd does not start; the end of what it said is in the sentence.
    """
    with tempfile.TemporaryDirectory(prefix="bench-ssh-") as name:
        folder, port = Path(name), free_port(str(_FIRST))
        hosts = {HostName(f"h{n:04}"): str(_FIRST + n) for n in range(count)}
        _keys(folder, port, hosts)
        (folder / "sshd_config").write_text(_CONFIG.format(port=port, folder=folder), encoding="ascii")
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (folder / "log").open("wb") as log:
            running = subprocess.Popen([*_ENDS_WITH_US, *_SSHD, folder / "sshd_config"], stderr=log)
        try:
            if not poll(lambda: _listens(port) or running.poll() is not None, limit_s=START_LIMIT_S) or (
                running.poll() is not None
            ):
                said = (folder / "log").read_text(errors="replace")[-300:].strip()
                raise LabProblem(
                    f"sshd does not start: {said or 'it says nothing'}",
                    Remedy(Fix.REPAIR, "apt install openssh-server, and run this as root"),
                )
            yield Farm(folder, port, running.pid, hosts)
        finally:
            _end(running)


def _end(running: subprocess.Popen[bytes]) -> None:
    """End sshd, which lets its sessions live, and then those that are left."""
    sessions = _children(running.pid)
    running.terminate()
    running.wait(timeout=END_LIMIT_S)
    for pid in sessions:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _keys(folder: Path, port: int, hosts: Mapping[HostName, str]) -> None:
    for file in ("id", "host_key"):
        run_here(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / file)], timeout_s=60)
    public = (folder / "host_key.pub").read_text(encoding="ascii")
    pins = "".join(f"[{address}]:{port} {public}" for address in hosts.values())
    (folder / "known_hosts").write_text(pins, encoding="ascii")


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((str(_FIRST), port)) == 0


def _children(pid: int) -> list[int]:
    """Nothing if the process has ended meanwhile."""
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in words]


def _tree_cpu_s(pid: int) -> float:
    """Of a process, of its children that live, and of those that it has outlived."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    own = sum(map(int, stat.rpartition(")")[2].split()[11:15])) / _TICKS_A_S
    return own + sum(_tree_cpu_s(child) for child in _children(pid))
