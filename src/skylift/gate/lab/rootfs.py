"""The root file systems of the hosts: Debian once, a layer per role over it, an overlay per host."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from skylift.gate.lab.cache import Entry, entry
from skylift.gate.lab.commands import run_here, run_sealed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skylift.gate.lab.profiles import Profile
    from skylift.gate.lab.services import Role

SUITE = "bookworm"

EVERY_HOST = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "iproute2",
    "iputils-ping",
    "python3",
    "ca-certificates",
    "procps",
    "netbase",
    "curl",
    "zstd",
    "socat",
    "sudo",
)
"""The packages of every host."""

_NOT_AT_BOOT = {
    # mariadb.socket would hold port 3306 and make ``galera_new_cluster`` fail.
    "mariadb-server": ("mariadb.service", "mariadb.socket", "mariadb-extra.socket"),
    "memcached": ("memcached.service",),
    "haproxy": ("haproxy.service",),
    "keepalived": ("keepalived.service",),
    "rsync": ("rsync.service",),
    "rabbitmq-server": ("rabbitmq-server.service", "epmd.service", "epmd.socket"),
    "openvswitch-switch": ("openvswitch-switch.service",),
    "libvirt-daemon-system": (
        *("libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket"),
        *("libvirt-guests.service", "virtlogd.service", "virtlockd.socket", "virtlogd.socket"),
    ),
}
"""Debian starts these as soon as their package is installed; here they start when they are configured."""

_NOT_IN_A_CONTAINER = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "e2scrub_reap.service",
    "console-getty.service",
    "systemd-networkd-wait-online.service",
)
_NO_PAPERWORK = tuple(
    f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale", "info")
)
_FORMAT = 1
"""Part of every key: raise it when how a root is built changes in a way its inputs do not show."""

_ADD_ROLE = """
mkdir tree work merged
mount -t overlay role -o "lowerdir=$DEBIAN,upperdir=tree,workdir=work,volatile" merged
mount --rbind /dev merged/dev
mount -t proc proc merged/proc
mount -t sysfs sysfs merged/sys
printf '#!/bin/sh\\nexit 101\\n' > merged/usr/sbin/policy-rc.d
chmod 755 merged/usr/sbin/policy-rc.d
cp /etc/resolv.conf merged/etc/resolv.conf
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
chroot merged apt-get -q update
chroot merged apt-get -y -q --no-install-recommends -o Dpkg::Options::=--force-unsafe-io install $PACKAGES
chroot merged apt-get clean
for unit in $NOT_AT_BOOT; do chroot merged systemctl disable --quiet "$unit" || true; done
rm -rf merged/usr/sbin/policy-rc.d merged/etc/resolv.conf merged/var/lib/apt/lists/*
umount -R merged
rm -rf work merged
"""


def debian() -> Entry:
    """The Debian that lies under every host: its tree is the entry's ``tree``."""
    inputs = {"suite": SUITE, "packages": EVERY_HOST, "masked": _NOT_IN_A_CONTAINER, "format": _FORMAT}
    return entry("debian", inputs)


def role_layer(role: Role, profile: Profile) -> Entry:
    """What the packages of ``role`` add to Debian: the upper half of an overlay, in ``tree``."""
    inputs = {
        "over": debian().path.name,
        "packages": profile.packages[role],
        "disabled": _disabled(profile.packages[role]),
        "format": _FORMAT,
    }
    return entry(f"layer-{role}", inputs)


def build_debian() -> None:
    """Build Debian from the mirrors this machine's own apt uses; a no-op if it is in the cache.

    Raises:
        LabProblem: mmdebstrap failed; the end of what it said is in the sentence.
    """
    debian().build(_bootstrap)


def build_role_layer(role: Role, profile: Profile) -> None:
    """Install the packages of ``role`` over Debian; a no-op if it is in the cache.

    Raises:
        LabProblem: apt-get failed in there; the end of what it said is in the sentence.
    """
    role_layer(role, profile).build(lambda folder: _add_role(folder, profile.packages[role]))


def lower_trees(role: Role, profile: Profile) -> tuple[Path, ...]:
    """The trees under a host of ``role``, uppermost first, as overlayfs wants them."""
    layers = (role_layer(role, profile), debian()) if profile.packages[role] else (debian(),)
    return tuple(layer.path / "tree" for layer in layers)


def _bootstrap(folder: Path) -> None:
    masks = " ".join(_NOT_IN_A_CONTAINER)
    tidy = (
        f'chroot "$1" systemctl mask --quiet {masks}; chroot "$1" systemctl enable --quiet systemd-networkd'
    )
    forget = 'rm -f "$1"/etc/ssh/ssh_host_*_key* "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/etc/machine-id'
    tree = folder / "tree"
    run_sealed(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(EVERY_HOST)}"),
            *('--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io", *_NO_PAPERWORK),
            *(f"--customize-hook={tidy}", f"--customize-hook={forget}"),
            *(SUITE, str(tree), "-"),
        ],
        timeout_s=900,
        input="".join(f"{line}\n" for line in _sources()).encode(),
    )
    shutil.rmtree(tree / "dev", ignore_errors=True)
    (tree / "dev").mkdir()


def _add_role(folder: Path, packages: Sequence[str]) -> None:
    given = {
        "DEBIAN": str(debian().path / "tree"),
        "PACKAGES": " ".join(packages),
        "NOT_AT_BOOT": " ".join(_disabled(packages)),
    }
    script = f"cd {str(folder)!r}\n{_ADD_ROLE}"
    run_sealed(["sh", "-euc", script], timeout_s=900, env=given)


def _disabled(packages: Sequence[str]) -> tuple[str, ...]:
    return tuple(unit for package, units in _NOT_AT_BOOT.items() if package in packages for unit in units)


def _sources() -> tuple[str, ...]:
    """One ``deb`` line for each Debian archive of this machine's own apt: so its mirror is used."""
    fields = "$(ORIGIN)|$(CODENAME)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    told = run_here(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]).splitlines()
    found = {line.split("|", 2)[2] for line in told if line.startswith("Debian|") and f" {SUITE}" in line}
    standard = f"deb http://deb.debian.org/debian {SUITE} main"
    return tuple(sorted(found)) or (standard,)
