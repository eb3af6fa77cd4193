"""Where the agent keeps what belongs to one label, and how it writes it."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import NamedTuple

STATE = Path("/var/lib/skylift/vantage")
RUNTIME = Path("/run/skylift/vantage")
"""Gone after a reboot: credentials lie here while the probes run, and nowhere else."""

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Folder(NamedTuple):
    """The files of one label."""

    state: Path
    runtime: Path
    label: str

    @classmethod
    def of(cls, label: str, state: Path = STATE, runtime: Path = RUNTIME) -> Folder:
        """The folder of ``label``, made if it is not there, open to its owner alone.

        Raises:
            ValueError: the label could not be a file's name.
        """
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{label!r} is not a label: use letters, digits, dots and dashes")
        folder = cls(state / label, runtime / label, label)
        for path in (folder.state, folder.runtime):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @property
    def samples(self) -> Path:
        """One line per request."""
        return self.state / "samples.tsv"

    @property
    def tally(self) -> Path:
        """The running count, JSON, replaced every second."""
        return self.state / "tally.json"

    @property
    def apis(self) -> Path:
        """The APIs that were offered when the probes of this label began, and where they were."""
        return self.state / "apis.json"

    @property
    def guests(self) -> Path:
        """What the guests that ever answered last counted, JSON."""
        return self.state / "guests.json"

    @property
    def witnesses(self) -> Path:
        """What was made as witnesses, JSON."""
        return self.state / "witnesses.json"

    @property
    def credentials(self) -> Path:
        """The credentials, while the probes run."""
        return self.runtime / "credentials.json"

    @property
    def sweeper(self) -> Path:
        """The credentials, while what the probes left is swept up."""
        return self.runtime / "sweeper.json"

    @property
    def unit(self) -> str:
        """The transient systemd unit under which the probes run."""
        return f"skylift-probes-{self.label}.service"

    def lock(self) -> int | None:
        """Become the only agent of this label; none if another one is.

        The lock is given up when the returned file descriptor is closed, at the latest by the
        process's end.
        """
        descriptor = os.open(self.runtime / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor


def write_whole(path: Path, text: str) -> None:
    """Replace a file, readable by its owner alone, so that a reader sees the old text or the new."""
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
