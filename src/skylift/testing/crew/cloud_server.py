"""A fake cloud that outlives the processes that work on it: they reach its ports over a socket.

Its time passes as real time does, only faster; and each call of a port is one word on the line, so a process
that is killed in the middle of one has done the whole of it or nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from skylift.model.ids import Epoch
from skylift.model.problem import Problem
from skylift.model.record import Record
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of

_GRAIN_S = 0.02
_GONE = (EOFError, OSError)


@contextmanager
def served(cloud: FakeCloud, socket: Path, *, speed: int) -> Iterator[threading.Lock]:
    """Serve ``cloud`` at ``socket`` for as long as the block runs; whoever looks at it takes the lock.

    A real second is ``speed`` of the cloud's.
    """
    alone, over = threading.Lock(), threading.Event()
    listener = Listener(str(socket), "AF_UNIX")
    threads = (
        threading.Thread(target=_pass_time, args=(cloud, alone, over, speed), daemon=True),
        threading.Thread(target=_accept, args=(listener, cloud, alone), daemon=True),
    )
    for thread in threads:
        thread.start()
    try:
        yield alone
    finally:
        over.set()
        threads[0].join()
        with suppress(OSError):
            Client(str(socket), "AF_UNIX").close()
        listener.close()


def _pass_time(cloud: FakeCloud, alone: threading.Lock, over: threading.Event, speed: int) -> None:
    begun, began = time.monotonic(), cloud.now
    while not over.wait(_GRAIN_S):
        due = began + (time.monotonic() - begun) * speed
        while cloud.now + 1 <= due and not over.is_set():
            with alone:
                cloud.pass_time(1)


def _accept(listener: Listener, cloud: FakeCloud, alone: threading.Lock) -> None:
    with suppress(*_GONE):
        while True:
            caller = listener.accept()
            threading.Thread(target=_answer, args=(caller, cloud, alone), daemon=True).start()


def _answer(caller: Connection[Any, Any], cloud: FakeCloud, alone: threading.Lock) -> None:
    with caller, suppress(*_GONE):
        while True:
            port, key, called, args, kwargs = caller.recv()
            with alone:
                caller.send(_done(cloud, port, key, called, args=args, kwargs=kwargs))


def _done(
    cloud: FakeCloud, port: str, key: str, called: str, *, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[bool, object]:
    if port == "clock":
        return True, cloud.now
    if port == "record":
        return True, cloud.record
    ports = ports_of(cloud)
    try:
        return True, getattr(getattr(ports.under(key) if key else ports, port), called)(*args, **kwargs)
    except Problem as problem:
        return False, (type(problem), problem.args, problem.__dict__)


class Line:
    """A way to the cloud, for the threads of one process: each has its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._own = threading.local()

    def ask(self, port: str, key: str, called: str, *, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a port there: the one ``under`` a key, if there is one.

        Raises:
            Problem: as the port does.
        """
        if not hasattr(self._own, "line"):
            self._own.line = Client(str(self._socket), "AF_UNIX")
        self._own.line.send((port, key, called, args, kwargs))
        well, answer = self._own.line.recv()
        if well:
            return answer
        kind, said, own = answer
        problem = kind.__new__(kind, *said)
        problem.__dict__.update(own)
        raise problem


class _Remote:
    def __init__(self, line: Line, port: str, key: str = "") -> None:
        self._line = line
        self._port = port
        self._key = key

    def __getattr__(self, called: str) -> Any:
        if called == "under":
            return lambda key: _Remote(self._line, self._port, key)
        return lambda *args, **kwargs: self._line.ask(self._port, self._key, called, args=args, kwargs=kwargs)


def remote_ports(line: Line) -> Ports:
    """The ports of the cloud at the other end."""
    ends: dict[str, Any] = {name: _Remote(line, name) for name in Ports.__dataclass_fields__}
    return Ports(**ends)


def remote_clock(line: Line) -> Epoch:
    """What time it is there."""
    return Epoch(line.ask("clock", "", "", args=(), kwargs={}))


def remote_record(line: Line) -> Record:
    """The record of the cloud there."""
    found: Record = line.ask("record", "", "", args=(), kwargs={})
    return found
