"""A real Ceph of three hosts on loopback: a monitor and an OSD each, and a manager on a fourth.

What Ceph calls a host is what the machine says its name is, so each daemon has a name of its own for that
(a UTS namespace). OSDs keep their data in memory.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from tests.drivers.galera import program
from tests.drivers.loopback import ADDRESS

from skylift.gate.lab.commands import poll
from skylift.gate.lab.loopback import free_port

START_LIMIT_S = 300
HOSTS = ("sto1", "sto2", "sto3")
POOL_GROUPS = 8
_CONFIG = """\
[global]
fsid = {fsid}
mon host = {monitors}
public addr = {address}
ms bind msgr1 = false
auth cluster required = none
auth service required = none
auth client required = none
run dir = {folder}
log file = {folder}/$name.log
pid file = {folder}/$name.pid
mon data = {folder}/$name
mon data avail crit = 0
mon osd min down reporters = 1
mon osd down out interval = {out_s}
mon osd min in ratio = 0
osd heartbeat grace = 300
mgr data = {folder}/$name
mgr initial modules =
mgr stats period = 1
osd data = {folder}/$name
osd objectstore = memstore
memstore device bytes = 67108864
osd pool default size = 3
osd pool default min size = 2
osd pool default pg autoscale mode = off
"""
_PLACE = "[osd.{number}]\ncrush location = root=default host={host}\n"
_NAMED = 'hostname "$1"; shift; exec "$@"'


@dataclass(slots=True)
class Ceph:
    """The cluster: its tool, and daemons that a test ends and starts again."""

    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def tool(self) -> tuple[str, ...]:
        return (program("ceph"), "--conf", str(self.folder / "ceph.conf"))

    def ask(self, *words: str) -> str:
        asked = [*self.tool, "--connect-timeout", "60", *words]
        return subprocess.run(asked, check=True, capture_output=True, text=True, timeout=90).stdout

    def start(self, host: str, daemon: str, name: str) -> None:
        """A daemon that thinks it is on ``host``."""
        words = [program(f"ceph-{daemon}"), "-f", "--conf", str(self.folder / "ceph.conf"), "-i", name]
        named = ["unshare", "--uts", "sh", "-c", _NAMED, "named", host, *words]
        with (self.folder / f"{daemon}.{name}.out").open("ab") as out:
            self.running[f"{daemon}.{name}"] = subprocess.Popen(named, stdout=out, stderr=out)

    def make(self, *words: str) -> None:
        """What a daemon finds when it starts."""
        made = [*words, "--conf", str(self.folder / "ceph.conf")]
        subprocess.run(made, check=True, capture_output=True, timeout=START_LIMIT_S)

    def start_host(self, number: int) -> None:
        """The monitor and the OSD of a host."""
        self.start(HOSTS[number], "mon", HOSTS[number])
        self.start(HOSTS[number], "osd", str(number))

    def cut(self, names: Sequence[str]) -> None:
        """End daemons as a host that loses its power does."""
        for name in names:
            self.running[name].send_signal(signal.SIGKILL)
        for name in names:
            self.running.pop(name).wait(timeout=START_LIMIT_S)

    def is_whole(self) -> bool:
        """Whether all groups that there are have all of their copies, and a manager runs to say so."""
        with suppress(subprocess.TimeoutExpired, subprocess.CalledProcessError):
            return f"{POOL_GROUPS} active+clean" in self.ask("pg", "stat")
        return False


@contextmanager
def ceph(folder: Path, *, out_s: int = 600) -> Iterator[Ceph]:
    """A whole cluster for as long as the block runs; an OSD that is down for ``out_s`` is taken out."""
    assert os.geteuid() == 0, "daemons get names of hosts, which takes root"
    found, fsid, ports = Ceph(folder), str(uuid4()), [free_port() for _ in HOSTS]
    monitors = [f"v2:{ADDRESS}:{port}/0" for port in ports]
    config = _CONFIG.format(
        fsid=fsid, monitors=",".join(monitors), address=ADDRESS, folder=folder, out_s=out_s
    )
    places = "".join(_PLACE.format(number=number, host=host) for number, host in enumerate(HOSTS))
    (folder / "ceph.conf").write_text(config + places, encoding="ascii")
    plan = [word for host, at in zip(HOSTS, monitors, strict=True) for word in ("--addv", host, f"[{at}]")]
    subprocess.run(
        [program("monmaptool"), "--create", "--fsid", fsid, *plan, str(folder / "monmap")],
        check=True,
        capture_output=True,
    )
    try:
        for host in HOSTS:
            found.make(program("ceph-mon"), "--mkfs", "-i", host, "--monmap", str(folder / "monmap"))
            found.start(host, "mon", host)
        # Or the manager makes a pool for itself, at a time of its own.
        found.ask("config", "set", "mgr", "mgr/devicehealth/enable_monitoring", "false", "--force")
        (folder / "mgr.x").mkdir()
        found.start("adm1", "mgr", "x")
        for number, host in enumerate(HOSTS):
            made = str(uuid4())
            found.ask("osd", "new", made, str(number))
            (folder / f"osd.{number}").mkdir()
            found.make(program("ceph-osd"), "--mkfs", "-i", str(number), "--osd-uuid", made)
            found.start(host, "osd", str(number))
        found.ask("osd", "pool", "create", "guests", str(POOL_GROUPS), str(POOL_GROUPS))
        assert poll(found.is_whole, limit_s=START_LIMIT_S), found.ask("status")
        yield found
    finally:
        found.cut(list(found.running))
