"""A PostgreSQL server of one's own: on a socket in a folder of its own, or on loopback as others are reached.

It is ended by its process number.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from skylift.gate.lab.loopback import free_port

PASSWORD = "ieYoo7ohb0Aik"  # noqa: S105 - of a server that lives for a test, on a socket only its user can reach
_USER = "postgres"
_LOOPBACK = "127.0.0.1"
_STARTS_S = 180


class NoPostgres(Exception):  # noqa: N818 - what is missing
    """There is no PostgreSQL server on this machine; Debian's package is postgresql."""


@dataclass
class Server:
    """A server that runs, until ``stop``."""

    folder: Path
    programs: Path
    settings: tuple[str, ...] = ()
    port: int | None = None
    """On loopback; none if it listens on its socket alone."""
    _started: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def reference(self) -> str:
        """Of its database, without a password."""
        return self.reference_to("postgres")

    def reference_to(self, database: str) -> str:
        """Of another database in it, without a password."""
        if self.port is None:
            return f"postgresql://{_USER}@/{database}?host={self.folder}"
        return f"postgresql://{_USER}@{_LOOPBACK}:{self.port}/{database}"

    @property
    def passfile(self) -> Path:
        """What PGPASSFILE is to name."""
        return self.folder / "passfile"

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        assert self._started is not None, "it does not run"  # noqa: S101 - a test's own mistake
        return self._started.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        listens = ("listen_addresses=",) if self.port is None else (f"port={self.port}",)
        settings = (*listens, f"unix_socket_directories={self.folder}", *self.settings)
        argv: list[str | Path] = [
            self.programs / "postgres",
            "-D",
            self.folder / "db",
            *(w for s in settings for w in ("-c", s)),
        ]
        with (self.folder / "log").open("ab") as log:
            self._started = subprocess.Popen(
                argv, stdout=log, stderr=log, user=_as_another(), group=_as_another()
            )
        ready: list[str | Path] = [self.programs / "pg_isready", "-q", "-d", self.reference]
        subprocess.run(
            ["sh", "-c", 'until "$@"; do sleep 0.05; done', "sh", *ready], check=True, timeout=_STARTS_S
        )

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT cuts connections in order, SIGQUIT as a crash would."""
        if self._started is not None:
            self._started.send_signal(how)
            self._started.wait(timeout=_STARTS_S)
            self._started = None

    def cpu_s(self) -> float:
        """Seconds of CPU of all its processes, those that have ended among them."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(stat.parent.name) == self.pid:
                ticks += sum(int(n) for n in fields[11:15])
            elif int(fields[1]) == self.pid:
                ticks += sum(int(n) for n in fields[11:13])
        return ticks / os.sysconf("SC_CLK_TCK")


def _as_another() -> str | None:
    """The server refuses to run as root: then it runs as the user that its package makes."""
    return _USER if os.geteuid() == 0 else None


@contextmanager
def postgres_server(*settings: str, on_loopback: bool = False) -> Iterator[Server]:
    """A new server with ``settings`` (``name=value``), for as long as the block runs.

    Raises:
        NoPostgres: there is none on this machine.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise NoPostgres
    programs = found[-1].parent if found else Path(str(on_path)).resolve().parent
    folder = Path(tempfile.mkdtemp(prefix="skylift-pg-"))
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam(_USER).pw_uid, pwd.getpwnam(_USER).pw_gid)
    server = Server(folder, programs, settings, free_port(_LOOPBACK) if on_loopback else None)
    try:
        server.passfile.write_text(f"*:*:*:*:{PASSWORD}\n")
        server.passfile.chmod(0o600)
        (folder / "first").write_text(PASSWORD)
        make: list[str | Path] = [
            programs / "initdb",
            "-D",
            folder / "db",
            "-U",
            _USER,
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]
        subprocess.run(
            [*make, "--auth=scram-sha-256", f"--pwfile={folder / 'first'}"],
            check=True,
            capture_output=True,
            cwd=folder,
            user=_as_another(),
            group=_as_another(),
        )
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)
