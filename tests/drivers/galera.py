"""A real MariaDB, as a Galera cluster of one, with folders and a socket of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import pytest
from tests.drivers.loopback import ADDRESS, free_port

START_LIMIT_S = 180


@dataclass(frozen=True, slots=True)
class Galera:
    """A server that is synced with its cluster, which is itself."""

    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    def ask(self, text: str) -> str:
        """What it answers, line by line."""
        asking = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--batch", "--skip-column-names"]
        said = subprocess.run(asking, input=text, check=False, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        return said.stdout

    def be_synced(self, *, synced: bool) -> None:
        """Fall behind the cluster, or catch up with it."""
        wanted = "Synced" if synced else "Donor/Desynced"
        self.ask(f"SET GLOBAL wsrep_desync = {'OFF' if synced else 'ON'};")
        until = monotonic() + START_LIMIT_S
        while wanted not in self.ask("SHOW STATUS LIKE 'wsrep_local_state_comment';"):
            assert monotonic() < until
            sleep(0.05)


@contextmanager
def galera(folder: Path) -> Iterator[Galera]:
    """A cluster of one for as long as the block runs; its clients find it by ``folder/.my.cnf``."""
    server, dump = shutil.which("mariadbd") or "/usr/sbin/mariadbd", shutil.which("mariadb-dump")
    provider = Path(dump or "/none/none").parents[1] / "lib/galera/libgalera_smm.so"
    if dump is None or not Path(server).exists() or not provider.exists():
        pytest.skip("Galera is not here: apt-get install mariadb-server-core mariadb-client galera-4")
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={folder / 'data'}", "--user=root"]
    install += ["--auth-root-authentication-method=socket", "--skip-test-db"]
    subprocess.run(install, check=True, capture_output=True, timeout=START_LIMIT_S)
    words = ["--no-defaults", f"--datadir={folder / 'data'}", f"--socket={folder / 's'}", "--user=root"]
    words += [f"--pid-file={folder / 'pid'}", f"--bind-address={ADDRESS}", f"--port={free_port()}"]
    words += ["--wsrep-on=ON", f"--wsrep-provider={provider}", "--wsrep-cluster-address=gcomm://"]
    words += ["--wsrep-new-cluster", f"--wsrep-node-address={ADDRESS}:{free_port()}", "--binlog-format=ROW"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([server, *words], stdout=log, stderr=log)
    found = Galera(folder)
    try:
        until = monotonic() + START_LIMIT_S
        while not found.socket.exists() and running.poll() is None and monotonic() < until:
            sleep(0.1)
        assert found.socket.exists(), (folder / "log").read_text(errors="replace")[-2000:]
        found.be_synced(synced=True)
        (folder / ".my.cnf").write_text(f"[client]\nsocket={found.socket}\n", encoding="ascii")
        yield found
    finally:
        running.terminate()
        running.wait(timeout=START_LIMIT_S)
