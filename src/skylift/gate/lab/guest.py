"""The guest of the lab's real compute hosts: a kernel and one program, small enough to run emulated."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from skylift.gate.lab.cache import Entry, entry
from skylift.gate.lab.commands import run_sealed
from skylift.gate.lab.rootfs import debian

if TYPE_CHECKING:
    from pathlib import Path

KERNEL, INITRD, DISK = "guest-kernel", "guest-initrd", "guest-disk"
"""The files of the image."""

_MODULES = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"),
    *("failover", "net_failover", "virtio_net", "virtio_blk", "af_packet"),
)
_DISK_MIB = 16
_FORMAT = 1
"""Part of its key: raise it when how it is built changes in a way its inputs do not show."""

_BUILD = """
mkdir work merged
mount -t tmpfs scratch work
mkdir work/upper work/work
mount -t overlay guest -o "lowerdir=$DEBIAN,upperdir=work/upper,workdir=work/work,volatile" merged
mount --rbind /dev merged/dev
mount -t proc proc merged/proc
cp /etc/resolv.conf merged/etc/resolv.conf
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
chroot merged apt-get -q update
chroot merged apt-get -y -q --no-install-recommends install cpio busybox-static
cp -r root merged/root/guest
chroot merged sh -euc '
  cd /root
  kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/^ *Depends: //p" | head -n 1)
  apt-get -q download "$kernel"
  dpkg-deb -x linux-image-*.deb kernel
  mkdir -p guest/bin guest/modules guest/proc guest/sys guest/dev
  cp /bin/busybox guest/bin/
  for module in $MODULES; do
    find kernel -name "$module.ko" -exec cp {} guest/modules/ ";"
  done
  chmod 755 guest/init guest/udhcpc
  cd guest
  find . | sort | cpio --quiet -o -H newc | gzip -9n > ../initrd
'
cp merged/root/kernel/boot/vmlinuz-* guest-kernel
cp merged/root/initrd guest-initrd
umount -R merged
umount work
rmdir work merged
rm -r root
truncate --size="${DISK_MIB}M" guest-disk
"""


def image() -> Entry:
    """Where its files are kept, built or not."""
    inputs = {
        "over": debian().path.name,
        "modules": _MODULES,
        "root": _root(),
        "disk": _DISK_MIB,
        "format": _FORMAT,
    }
    return entry("guest", inputs)


def build() -> None:
    """Build it from Debian's kernel for clouds and busybox; a no-op if it is in the cache.

    Raises:
        LabProblem: apt-get failed; the end of what it said is in the sentence.
    """
    image().build(_fill)


def _fill(folder: Path) -> None:
    (folder / "root").mkdir()
    for name, text in _root().items():
        (folder / "root" / name).write_text(text)
    told = {
        "DEBIAN": str(debian().path / "tree"),
        "MODULES": " ".join(_MODULES),
        "DISK_MIB": str(_DISK_MIB),
    }
    run_sealed(["sh", "-euc", f"cd {str(folder)!r}\n{_BUILD}"], timeout_s=600, env=told)


def _root() -> dict[str, str]:
    ours = resources.files("skylift.gate.lab") / "guestside"
    return {file.name: file.read_text() for file in sorted(ours.iterdir(), key=lambda file: file.name)}
