"""A real MariaDB, as a Galera cluster of one, with folders and a socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.drivers.loopback import ADDRESS

from skylift.gate.lab.commands import poll
from skylift.gate.lab.loopback import free_port

START_LIMIT_S = 180
SECRET = "gAAAAAtable-of-secrets"
PLENTY = 3000
ODD_TABLES = f"""
CREATE TABLE `odd ``name` (
    id INT AUTO_INCREMENT PRIMARY KEY, bytes VARBINARY(40), told TEXT, made DOUBLE, at TIMESTAMP NULL
) CHARACTER SET utf8mb4;
INSERT INTO `odd ``name` (bytes, told, made, at) VALUES
    (0x00FF0A5C27, 'a\\nline\\twith \\'quotes\\' and ü€', 0.1, '2026-01-01 00:00:00'),
    (NULL, '', 1e300, NULL);
CREATE TABLE plenty (id INT PRIMARY KEY, created_at DATETIME, updated_at DATETIME, filler CHAR(200));
INSERT INTO plenty SELECT seq, '2020-01-01', NULL, REPEAT('x', 200) FROM seq_1_to_{PLENTY};
CREATE TABLE secrets (told VARCHAR(99));
INSERT INTO secrets VALUES ('{SECRET}');
CREATE VIEW seen AS SELECT id FROM plenty WHERE id < 10;
CREATE TRIGGER grows BEFORE INSERT ON plenty FOR EACH ROW SET NEW.filler = 'new';
CREATE PROCEDURE asked() SELECT 1;
"""  # noqa: S608 - a test's own words
"""Tables that a dump could get wrong: a view, a trigger, odd names, bytes, and nothing."""


def program(name: str) -> str:
    """Where one is that ``tools/machine.sh`` installs: without it a test fails, for a skip proves nothing."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, f"{name} is not here: tools/machine.sh installs it"
    return found


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

    def content(self, schema: str) -> bytes:
        """All that is in a schema, as its own dump has it."""
        words = ["mariadb-dump", "--no-defaults", f"--socket={self.socket}", "--skip-dump-date"]
        words += ["--routines", "--triggers", "--order-by-primary", schema]
        return subprocess.run(words, check=True, capture_output=True, timeout=START_LIMIT_S).stdout

    def be_synced(self, *, synced: bool) -> None:
        """Fall behind the cluster, or catch up with it."""
        wanted = "Synced" if synced else "Donor/Desynced"
        self.ask(f"SET GLOBAL wsrep_desync = {'OFF' if synced else 'ON'};")
        asked = "SHOW STATUS LIKE 'wsrep_local_state_comment';"
        assert poll(lambda: wanted in self.ask(asked), limit_s=START_LIMIT_S)


@contextmanager
def galera(folder: Path) -> Iterator[Galera]:
    """A cluster of one for as long as the block runs; its clients find it by ``folder/.my.cnf``."""
    server, dump = program("mariadbd"), program("mariadb-dump")
    provider = Path(dump).parents[1] / "lib/galera/libgalera_smm.so"
    assert provider.exists(), "tools/machine.sh installs galera-4"
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
        poll(lambda: found.socket.exists() or running.poll() is not None, limit_s=START_LIMIT_S)
        assert found.socket.exists(), (folder / "log").read_text(errors="replace")[-2000:]
        found.be_synced(synced=True)
        (folder / ".my.cnf").write_text(f"[client]\nsocket={found.socket}\n", encoding="ascii")
        yield found
    finally:
        running.terminate()
        running.wait(timeout=START_LIMIT_S)
