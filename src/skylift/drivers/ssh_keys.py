"""The keys that every line shares: ours, and those pinned for the hosts."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import asyncssh

from skylift.drivers.ssh_problems import KeyFileRefused
from skylift.model.record import SshAccess

_Look: TypeAlias = tuple[int, int, int, int]


class Keys:
    """Read once, and again when a file has changed: a file of pins has a line for each host.

    So a pin that an operator corrects counts from the next connection on, as does a mode that she loosens.
    """

    def __init__(self, access: SshAccess) -> None:
        self._key, self._known = Path(access.key), Path(access.known_hosts)
        self._seen: tuple[_Look, _Look] | None = None
        self._read: tuple[asyncssh.SSHKey, asyncssh.SSHKnownHosts] | None = None

    def read(self) -> tuple[asyncssh.SSHKey, asyncssh.SSHKnownHosts]:
        """The private key and the pinned host keys.

        Raises:
            KeyFileRefused: a file is missing, or the key is readable by others (as OpenSSH refuses it).
        """
        for file, what in ((self._key, "the private key"), (self._known, "the file of pinned host keys")):
            if not file.is_file():
                raise KeyFileRefused(
                    file, f"{what} is not there", "correct its path under ssh: in cloud.yaml"
                )
        # Looked at before it is read: what changes in between is read again the next time.
        seen = (_look(self._key), _look(self._known))
        if self._read is None or seen != self._seen:
            self._read = (_private(self._key), _pinned(self._known))
            self._seen = seen
        return self._read


def _look(file: Path) -> _Look:
    found = file.stat()
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _private(file: Path) -> asyncssh.SSHKey:
    if file.stat().st_mode & 0o077:
        raise KeyFileRefused(file, "others than its owner can read it", f"chmod 600 {file}")
    try:
        return asyncssh.read_private_key(str(file))
    except (asyncssh.KeyImportError, OSError):
        how = f"see what it is: ssh-keygen -lf {file}; a passphrase is not supported"
        raise KeyFileRefused(file, "it is not a private key without passphrase", how) from None


def _pinned(file: Path) -> asyncssh.SSHKnownHosts:
    try:
        return asyncssh.read_known_hosts(str(file))
    except (ValueError, OSError):
        how = f"see which line it is: ssh-keygen -lf {file}"
        raise KeyFileRefused(file, "a line of it is none of a file of known hosts", how) from None
