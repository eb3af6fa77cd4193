"""A real tgtd on loopback, with a control port of its own and files for disks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.drivers.loopback import ADDRESS

from skylift.drivers.volumes import Places
from skylift.gate.lab.commands import poll
from skylift.gate.lab.loopback import free_port

START_LIMIT_S = 180
PREFIX = "iqn.2010-10.org.openstack:volume-"
_VOLUME = """
<target {name}>
    backing-store {disk}
    driver iscsi
    incominguser somebody {password}

    write-cache on
</target>
"""
"""As cinder writes one (cinder 26.0, volume/targets/tgt.py, ``VOLUME_CONF``)."""
PASSWORD = "not-to-be-told"
needs_tgt = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("tgtd", path="/usr/sbin:/usr/bin:/sbin") is None,
    reason="only root may run tgtd, and tools/machine.sh installs it",
)


@dataclass(slots=True)
class Tgtd:
    """The daemon, cinder's folder of volumes, and the configuration that includes it."""

    folder: Path
    port: int
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def places(self) -> Places:
        """Where the driver finds it; there is nothing of LIO and nvmet."""
        config, none = self.folder / "targets.conf", str(self.folder / "none")
        return Places(control_port=self.port, tgt_config=str(config), configfs=none, etc=none)

    def boot(self) -> None:
        """Start it as its unit does, and let it read its configuration."""
        if self.running:
            self.die()
        portal = f"portal={ADDRESS}:{free_port()}"
        with (self.folder / "log").open("wb") as log:
            command = ["tgtd", "-f", "-C", str(self.port), "--iscsi", portal]
            self.running.append(subprocess.Popen(command, stdout=log, stderr=log))
        assert poll(self._answers, limit_s=START_LIMIT_S)
        read = ["tgt-admin", "-C", str(self.port), "-e", "-c", str(self.folder / "targets.conf")]
        subprocess.run(read, check=True, stdout=subprocess.DEVNULL)

    def die(self) -> None:
        """As it does when its host is gone."""
        ended = self.running.pop()
        ended.kill()
        ended.wait(timeout=START_LIMIT_S)

    def save(self, volume: str) -> None:
        """Make a disk and its file, as cinder-volume does; the next boot exports it."""
        disk = self.folder / f"volume-{volume}.img"
        with disk.open("wb") as made:
            made.truncate(1 << 20)
        written = _VOLUME.format(name=PREFIX + volume, disk=disk, password=PASSWORD)
        (self.folder / "volumes" / f"volume-{volume}").write_text(written, encoding="ascii")

    def forget(self, volume: str) -> None:
        """Lose the file of a volume that is exported."""
        (self.folder / "volumes" / f"volume-{volume}").unlink()

    def _answers(self) -> bool:
        asked = ["tgtadm", "-C", str(self.port), "--op", "show", "--mode", "target"]
        return subprocess.run(asked, check=False, capture_output=True).returncode == 0


@contextmanager
def tgtd(folder: Path, *volumes: str) -> Iterator[Tgtd]:
    """One that exports ``volumes``, for as long as the block runs."""
    made = Tgtd(folder, os.getpid() % 30_000 + 1)
    (folder / "volumes").mkdir()
    (folder / "conf.d").mkdir()
    (folder / "targets.conf").write_text(f"include {folder}/conf.d/*.conf\n", encoding="ascii")
    (folder / "conf.d" / "cinder.conf").write_text(f"include {folder}/volumes/*\n", encoding="ascii")
    for volume in volumes:
        made.save(volume)
    made.boot()
    try:
        yield made
    finally:
        if made.running:
            made.die()
        for left in (f"/run/tgtd/socket.{made.port}", f"/run/tgtd/socket.{made.port}.lock"):
            Path(left).unlink(missing_ok=True)
