"""The witnesses' servers as their users reach them, past every API: pings, and a counter that only grows.

A guest counts from its first answer on: before, a lost ping is like one that no path leads to.
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from skylift.model.sample import CONNECTION, TIMEOUT
from skylift.probe.exchange import Answer, Request, Unanswered, exchange
from skylift.probe.folder import write_whole

PING_S = 2.0
"""A ping without an answer after this time is lost."""
COUNTER_PATH = "/counter"
_OK = 200
_REPLY, _ASK = 0, 8
_SEEN_EVERY_S = 5.0
_KEPT_EVERY = 10
_HEADER = struct.Struct("!BBHHH")


class Guest(NamedTuple):
    """One server of the witnesses, and where it is reached; empty if it has no address."""

    server: str
    address: str

    @property
    def api(self) -> str:
        """What its samples are counted under."""
        return f"guest {self.address}"

    @property
    def counter_url(self) -> str:
        """Where an image that counts tells its count."""
        return f"http://{self.address}{COUNTER_PATH}"


class Guests:
    """The guests of one set of witnesses, and what they last counted.

    What is known is kept in a file, so that an agent that was killed goes on asking those it knew.
    """

    def __init__(self, witnesses: Path | None, kept: Path) -> None:
        self._witnesses = witnesses
        self._kept = kept
        self._lock = threading.Lock()
        self._seen: tuple[float, tuple[Guest, ...]] = (float("-inf"), ())
        self._counts: dict[str, int] = json.loads(kept.read_text()) if kept.exists() else {}
        """By server: the highest count; -1 where pings were answered and no count was."""
        self._written = dict(self._counts)

    def __call__(self) -> tuple[Guest, ...]:
        """The guests, looked up anew every few seconds: none before their witnesses are whole."""
        with self._lock:
            at, guests = self._seen
            if time.monotonic() - at > _SEEN_EVERY_S:
                guests = tuple(_guests(self._witnesses)) if self._witnesses else ()
                self._seen = (time.monotonic(), guests)
            return guests

    def count(self, guest: Guest) -> int | None:
        """The highest count seen; -1 if only pings were answered, none if nothing ever was."""
        return self._counts.get(guest.server)

    def keep(self, guest: Guest, count: int, *, anew: bool = False) -> None:
        """Remember an answer; ``anew`` if the guest was restarted, so that it is told once."""
        with self._lock:
            before = -1 if anew else self._counts.get(guest.server, -1)
            self._counts[guest.server] = max(count, before)
            written = self._written.get(guest.server)
            if anew or written is None or self._counts[guest.server] >= written + _KEPT_EVERY:
                write_whole(self._kept, json.dumps(self._counts) + "\n")
                self._written = dict(self._counts)


def ping(address: str, limit_s: float = PING_S) -> None:
    """Send one ICMP echo and wait for its answer.

    Raises:
        Unanswered: it was lost, or could not be sent.
    """
    mark = secrets.token_bytes(16)
    end = time.monotonic() + limit_s
    try:
        with _icmp() as wire:
            wire.sendto(_echo(mark), (address, 0))
            while time.monotonic() < end:
                wire.settimeout(max(end - time.monotonic(), 0.001))
                if mark in _reply(wire.recv(256)):
                    return
    except socket.timeout:  # noqa: UP041 - not yet an alias of TimeoutError in Python 3.9
        pass
    except OSError as error:
        raise Unanswered(CONNECTION, f"ping {address}: {error}") from None
    raise Unanswered(TIMEOUT, f"ping {address}: no answer within {limit_s:g} s")


def read_count(answer: Answer) -> int | None:
    """The number that a guest tells; none if it tells none."""
    text = answer.body.decode(errors="replace").strip()
    return int(text) if answer.status == _OK and text.isdigit() else None


def counted(guest: Guest, deadline: float) -> int | None:
    """What a guest counts now; none if its image counts nothing.

    Raises:
        Unanswered: nothing answered there before ``deadline``, a time of the monotonic clock.
    """
    return read_count(exchange(Request("GET", guest.counter_url, {}), deadline))


def restarted(guest: Guest, before: int, now: int | None) -> str:
    """What is wrong with a count after another one; empty if it only grew."""
    if now is None:
        return f"{guest.address} tells no count any more"
    return f"{guest.address} counted {now} after {before}: it was restarted" if now < before else ""


def _guests(witnesses: Path) -> Iterator[Guest]:
    if not witnesses.exists():
        return
    these: dict[str, dict[str, str]] = json.loads(witnesses.read_text())
    server = these.get("server", {})
    if these["complete"] and server.get("id"):
        yield Guest(server["id"], server.get("address", ""))


def _icmp() -> socket.socket:
    """A socket that may ping: root's, or the one that the kernel lets some users have."""
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)


def _echo(mark: bytes) -> bytes:
    ident = int.from_bytes(mark[:2], "big")
    unsigned = _HEADER.pack(_ASK, 0, 0, ident, 1) + mark
    return _HEADER.pack(_ASK, 0, _checksum(unsigned), ident, 1) + mark


def _reply(packet: bytes) -> bytes:
    """What an echo's answer carries, with or without its IP header; nothing if it is something else."""
    start = (packet[0] & 0x0F) * 4 if packet[:1] and packet[0] >> 4 == 4 else 0  # noqa: PLR2004 - of IPv4
    return packet[start:] if packet[start : start + 1] == bytes([_REPLY]) else b""


def _checksum(packet: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
