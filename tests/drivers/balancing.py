"""A real HAProxy on loopback, with park.lua, and clients that keep their connection."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from threading import Event, Thread
from time import monotonic

from tests.drivers.loopback import ADDRESS

from skylift.gate.lab.commands import poll
from skylift.model.ids import PoolName

POOL, OTHER = PoolName("placement"), PoolName("plain")
LIMIT_S = 120
LONGEST_S = 60
"""For which park.lua lets anything wait."""

CONFIG = """\
global
    nbthread 2
    stats socket {folder}/admin.sock mode 600 level admin
    setenv PARKED_MAP {folder}/parked.map
    lua-load-per-thread {script}
defaults
    mode http
    timeout connect 60s
    timeout client 120s
    timeout server 120s
frontend parks
    bind 127.0.0.1:{parks}
    default_backend placement
frontend plain
    bind 127.0.0.1:{plain}
    default_backend plain
backend placement
    http-request lua.park
    server ctl1 127.0.0.1:{answers}
backend plain
    server ctl1 127.0.0.1:{answers}
frontend answers
    bind 127.0.0.1:{answers}
    http-request return status 200 content-type text/plain string ok
"""


@dataclass(frozen=True, slots=True)
class Haproxy:
    """One running HAProxy: two pools with the same server behind them, of which one can be parked."""

    folder: Path
    parks: int
    plain: int

    @property
    def socket(self) -> PurePosixPath:
        """Its admin socket."""
        return PurePosixPath(self.folder / "admin.sock")

    @property
    def map(self) -> PurePosixPath:
        """The map that says what is parked."""
        return PurePosixPath(self.folder / "parked.map")


@dataclass(slots=True)
class Client:
    """Asks again and again on one connection; ``answers`` has when each good one was asked for and came."""

    port: int
    asking_since: float = 0.0
    answers: list[tuple[float, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    over: Event = field(default_factory=Event)

    @property
    def waits(self) -> bool:
        """Whether it has asked, and has no answer yet."""
        return self.asking_since > self.answers[-1][1]

    def ask_on(self) -> None:
        """Ask until told that it is over; a new connection would be a failure."""
        line = http.client.HTTPConnection(ADDRESS, self.port, timeout=LIMIT_S)
        line.connect()
        wire = line.sock
        while not self.over.is_set():
            self.asking_since = monotonic()
            if asked(line) is None or line.sock is not wire:
                self.failed.append("no good answer on the first connection")
                return
            self.answers.append((self.asking_since, monotonic()))
            self.over.wait(0.005)
        line.close()


def asked(line: http.client.HTTPConnection) -> float | None:
    """How long a good answer took, in seconds; none if there was no good one."""
    begun = monotonic()
    try:
        line.request("GET", "/")
        answer = line.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return None
    return monotonic() - begun if answer.status == http.client.OK else None


def once(port: int) -> float:
    """How long one good answer on a connection of its own takes, in seconds."""
    line = http.client.HTTPConnection(ADDRESS, port, timeout=LIMIT_S)
    took_s = asked(line)
    line.close()
    assert took_s is not None
    return took_s


def await_waiting(clients: list[Client]) -> None:
    """Return when each of them waits for an answer."""
    assert poll(lambda: all(client.waits for client in clients), limit_s=LONGEST_S / 2)


def with_clients(port: int, count: int, meanwhile: Callable[[list[Client]], None]) -> list[Client]:
    """What ``count`` clients met while something else was done; each had an answer before."""
    clients = [Client(port) for _ in range(count)]
    threads = [Thread(target=client.ask_on) for client in clients]
    for thread in threads:
        thread.start()
    try:
        assert poll(lambda: all(client.answers for client in clients), limit_s=LIMIT_S)
        meanwhile(clients)
    finally:
        for client in clients:
            client.over.set()
        for thread in threads:
            thread.join(LIMIT_S)
    return clients
