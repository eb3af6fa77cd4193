"""What is remembered of a lab on disk, and the lock that lets one command change it at a time."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skylift.gate.lab.host import marker_of
from skylift.gate.lab.profiles import API
from skylift.model.problem import Fix, Refused, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skylift.gate.lab.host import Lab


class LabBusy(Refused):
    """Another command is changing the lab."""

    code = "lab.busy"

    def __init__(self, holder: str) -> None:
        super().__init__(
            f"the lab cannot be changed: {holder} is at it",
            Remedy(Fix.RETRY, "wait until it has ended, then try again"),
        )


class LabRefused(Refused):
    """The folder is not for the lab that was asked for; nothing was touched."""

    code = "lab.refused"


@dataclass(frozen=True, slots=True)
class LabState:
    """What a lab was asked to be; whether it is, is looked up and never remembered."""

    release: str
    artifacts: tuple[str, ...]
    """The releases whose artifacts are in the depot, the one it runs among them."""
    profile: str = API.name


def read_state(lab: Lab) -> LabState | None:
    """What the lab in the folder was asked to be, or None if there is none.

    Raises:
        LabRefused: the file does not read as one of ours.
    """
    try:
        told = json.loads(marker_of(lab).read_text())
        return LabState(
            str(told["release"]), tuple(map(str, told["artifacts"])), str(told.get("profile", API.name))
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise LabRefused(
            f"{lab.folder} cannot be used: {marker_of(lab).name} in it does not read as a lab's",
            Remedy(Fix.REPAIR, "give another folder: skylift lab up --dir FOLDER"),
        ) from None


def write_state(lab: Lab, state: LabState) -> None:
    """Remember what the lab is asked to be, before anything of it is built."""
    lab.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(marker_of(lab), json.dumps(asdict(state), indent=2) + "\n")


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Put ``text`` at ``path`` as a whole or not at all, readable as ``mode`` says from the first byte."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    Path(unfinished).rename(path)


@contextmanager
def locked(lab: Lab, command: str) -> Iterator[None]:
    """Hold the lab while inside; the lock ends with us, however we end.

    Raises:
        LabBusy: another ``command`` holds it; its name and PID are in the sentence.
    """
    path = Path("/run/lock") / f"{lab.name}-lab.lock"
    while True:
        with path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise LabBusy(file.read().strip() or "another command") from None
            if not path.exists() or not path.samefile(f"/proc/self/fd/{file.fileno()}"):
                continue  # its holder removed it between our open and our lock
            file.truncate(0)
            file.write(f"skylift lab {command} (PID {os.getpid()})\n")
            file.flush()
            try:
                yield
            finally:
                path.unlink()
            return
