"""The lease: one process at a time works on a cloud's runs, and the kernel is the judge of who lives."""

from __future__ import annotations

import fcntl
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skylift.engine.problems import Holder, RunHeld
from skylift.model import codec

_MAX_BYTES = 4096

# Linux's open file description locks. A record lock is lost when anything in this process closes the
# file, and a flock can be looked at only by taking it, which would refuse an apply that starts just then.
_FLOCK = struct.Struct("hhqqi4x")
"""``struct flock``: type, whence, start, length (0: to the end), process."""


@contextmanager
def lease(folder: Path, holder: Holder) -> Iterator[None]:
    """Hold the cloud whose state is in ``folder`` (which must exist) for as long as the block runs.

    The lock goes with the process: kill -9 frees it, and a stale file stops nobody. Its children do
    not keep it, unless they are forked without an exec.

    Raises:
        RunHeld: another process holds it; the problem names it.
    """
    found = os.open(folder / "lease", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.fcntl(found, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
        except BlockingIOError:
            raise RunHeld(_read(found)) from None
        os.ftruncate(found, 0)
        os.pwrite(found, codec.canonical(codec.encode(holder)), 0)
        yield
    finally:
        os.close(found)


def holder_of(folder: Path) -> Holder | None:
    """Who holds the cloud right now; none if nobody does, or the holder has not yet said who it is."""
    try:
        found = os.open(folder / "lease", os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        answer = fcntl.fcntl(found, fcntl.F_OFD_GETLK, _whole_file(fcntl.F_WRLCK))
        return None if _FLOCK.unpack(answer)[0] == fcntl.F_UNLCK else _read(found)
    finally:
        os.close(found)


def _whole_file(lock_type: int) -> bytes:
    return _FLOCK.pack(lock_type, os.SEEK_SET, 0, 0, 0)


def _read(found: int) -> Holder | None:
    try:
        return codec.decode(Holder, json.loads(os.pread(found, _MAX_BYTES, 0)))
    except (codec.Malformed, ValueError):
        return None
