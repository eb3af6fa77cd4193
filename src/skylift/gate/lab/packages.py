"""What the lab needs installed on the machine itself, and how it gets there."""

from __future__ import annotations

import os
import shutil

from skylift.gate.lab.commands import run_sealed

NEEDED = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "socat": "socat",
    "zstd": "zstd",
    "mkfs.ext4": "e2fsprogs",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "python3": "python3",
}
"""Program by program, the Debian 12 package that brings it."""

_APT_OPTIONS = "-y -q --no-install-recommends -o Dpkg::Options::=--force-unsafe-io -o DPkg::Lock::Timeout=120"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def absent() -> tuple[str, ...]:
    """The packages whose programs are not on the PATH, each once."""
    where = os.pathsep.join((os.environ.get("PATH", ""), _PATH))
    return tuple(
        dict.fromkeys(package for program, package in NEEDED.items() if not shutil.which(program, path=where))
    )


def install() -> None:
    """Install what is absent; a no-op if nothing is.

    Raises:
        LabProblem: apt-get failed; the end of what it said is in the sentence.
    """
    if not (wanted := absent()):
        return
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run_sealed(["apt-get", "-q", "update"], timeout_s=300, env=quiet)
    run_sealed(["apt-get", *_APT_OPTIONS.split(), "install", *wanted], timeout_s=600, env=quiet)
