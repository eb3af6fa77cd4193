"""A real sshd on loopback, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from skylift.drivers.ssh import Ssh
from skylift.gate.lab.commands import poll
from skylift.gate.lab.loopback import free_port
from skylift.model.ids import HostName
from skylift.model.record import SshAccess

HOST = HostName("ctl1")
ADDRESS = "127.0.0.1"
START_LIMIT_S = 120

# With this SHLVL bash does not take itself for a login from afar, and reads no .bashrc of whoever tests.
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/id.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
SetEnv SHLVL=2 HOME={folder} PATH={path}
"""


@dataclass(frozen=True, slots=True)
class Sshd:
    """One running sshd and how to reach it."""

    folder: Path
    port: int
    pid: int

    @property
    def access(self) -> SshAccess:
        """Access with the right key and the right pinned host key."""
        return SshAccess(
            user=getpass.getuser(),
            key=PurePosixPath(self.folder / "id"),
            known_hosts=PurePosixPath(self.folder / "known_hosts"),
            port=self.port,
        )

    def sessions(self) -> list[int]:
        """The processes that serve one connection each, as root and, below it, as the user."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in children.split()]

    def cut(self) -> None:
        """Break every connection, as a host that loses its power does."""
        for pid in self.sessions():
            os.kill(pid, signal.SIGKILL)


@contextmanager
def serving(folder: Path, *, first: Path | None = None) -> Iterator[Sshd]:
    """An sshd for as long as the block runs; programs in ``first`` hide those of the machine."""
    program, port = shutil.which("sshd") or "/usr/sbin/sshd", free_port()
    path = f"{first}:{os.environ['PATH']}" if first else os.environ["PATH"]
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    make_key(folder / "id")
    public = make_key(folder / "host_key")
    (folder / "known_hosts").write_text(f"[{ADDRESS}]:{port} {public}", encoding="ascii")
    config = CONFIG.format(port=port, folder=folder, path=path)
    (folder / "sshd_config").write_text(config, encoding="ascii")
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    try:
        await_port(port)
        yield Sshd(folder, port, running.pid)
    finally:
        running.terminate()
        running.wait(timeout=START_LIMIT_S)


def make_key(file: Path) -> str:
    """Make a key pair and return the public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    return file.with_name(file.name + ".pub").read_text(encoding="ascii")


def await_port(port: int) -> None:
    """Return when somebody listens on ``port``."""

    def listens() -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex((ADDRESS, port)) == 0

    assert poll(listens, limit_s=START_LIMIT_S, every_s=0.02), f"nobody listens on {port}"


def reached(access: SshAccess, **changed: object) -> Ssh:
    """A way to ``HOST`` with some of its access changed."""
    return Ssh(replace(access, **changed), {HOST: ADDRESS}, connect_limit_s=60)  # type: ignore[arg-type]
