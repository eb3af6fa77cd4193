"""What makes a host that host: its name, its address, its keys, and who may log in."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from skylift.gate.lab.commands import run_here
from skylift.gate.lab.host import BRIDGE_ADDRESS, VIP, Lab
from skylift.gate.lab.state import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from skylift.gate.lab.host import LabHost

_NETWORK = """[Match]
Name=host0
[Network]
Address={address}/16
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


def known(host: LabHost) -> bool:
    """Whether ``host`` has its identity and its key is pinned."""
    lab = host.lab
    pinned = lab.known_hosts.read_text() if lab.known_hosts.exists() else ""
    public = _host_key(host).with_suffix(".pub")
    if not public.exists() or _pin(host, public.read_text()) not in pinned.splitlines():
        return False
    return host not in lab.having("compute") or _let_in(host).read_text() == _who(lab)


def make_key(lab: Lab) -> None:
    """Make the key that every host lets in as root; a no-op if it is there."""
    _keygen(lab.key, "skylift lab")


def give_identity(host: LabHost) -> None:
    """Write the host's name, address and keys into its root, and pin its key; may be repeated."""
    lab, etc = host.lab, host.root / "etc"
    (etc / "hostname").write_text(f"{host.name}\n")
    if not (etc / "machine-id").exists():
        write_whole(etc / "machine-id", f"{uuid.uuid4().hex}\n")
    (etc / "hosts").write_text(_names(lab))
    (etc / "systemd/network/10-host0.network").write_text(_NETWORK.format(address=host.address))
    _let_in(host).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(_let_in(host), lab.key.with_suffix(".pub").read_text(), mode=0o600)
    _keygen(_host_key(host), host.name)
    (etc / "ssh/sshd_config.d/skylift.conf").write_text("HostKey /etc/ssh/ssh_host_ed25519_key\nUseDNS no\n")
    pins = [
        _pin(each, _host_key(each).with_suffix(".pub").read_text()) for each in lab.hosts if _has_key(each)
    ]
    write_whole(lab.known_hosts, "".join(f"{pin}\n" for pin in pins))


def let_hypervisors_in(lab: Lab) -> None:
    """Let compute hosts copy disks to each other over SSH, as Nova's cold migrations do; may be repeated.

    Every host must have its identity.
    """
    hypervisors = lab.having("compute")
    for host in hypervisors:
        _keygen(_own_key(host), f"nova-compute of {host.name}")
    for host in hypervisors:
        write_whole(host.root / "etc/ssh/ssh_known_hosts", lab.known_hosts.read_text())
        write_whole(_let_in(host), _who(lab), mode=0o600)


def _who(lab: Lab) -> str:
    keys = [lab.key, *map(_own_key, lab.having("compute"))]
    return "".join(key.with_suffix(".pub").read_text() for key in keys)


def _let_in(host: LabHost) -> Path:
    return host.root / "root/.ssh/authorized_keys"


def _own_key(host: LabHost) -> Path:
    return host.root / "root/.ssh/id_ed25519"


def _names(lab: Lab) -> str:
    lines = ["127.0.0.1 localhost", f"{BRIDGE_ADDRESS} depot", f"{VIP} vip"]
    lines += [f"{host.address} {host.name}" for host in lab.hosts]
    return "".join(f"{line}\n" for line in lines)


def _host_key(host: LabHost) -> Path:
    return host.root / "etc/ssh/ssh_host_ed25519_key"


def _has_key(host: LabHost) -> bool:
    return _host_key(host).with_suffix(".pub").exists()


def _pin(host: LabHost, public: str) -> str:
    kind, key, *_ = public.split()
    return f"{host.address},{host.name} {kind} {key}"


def _keygen(path: Path, comment: str) -> None:
    # The public half is written last: without it, a killed ssh-keygen is done again.
    if path.with_suffix(".pub").exists():
        return
    path.unlink(missing_ok=True)
    run_here(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
