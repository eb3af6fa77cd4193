"""Commands on hosts over SSH: one held connection per host, on one event loop in one thread.

Callers are synchronous and may be many; each call is bounded. A connection that broke is made anew by
the next call. What is raised tells whether something may have happened: before the request was sent
it is ``Transient``; after it, ``Transient`` for a question and ``Uncertain`` for a change.

Costs about 2 ms of CPU per command on a held connection, so that one process can watch many hosts.
"""

from __future__ import annotations

import asyncio
import shlex
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from time import time
from types import TracebackType
from typing import Any, Self, TypeVar

from skylift.drivers.ssh_keys import Keys
from skylift.drivers.ssh_line import Line
from skylift.drivers.ssh_problems import AnswerLost, ChangeUncertain
from skylift.model.ids import Epoch, HostName
from skylift.model.masking import masked
from skylift.model.problem import Problem, Transient
from skylift.model.record import SshAccess

LIMIT_S = 29
"""No call takes longer: ports promise 30 s."""
_SLACK_S = 5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said. ``code`` is 128 and the signal's number if a signal ended it."""

    code: int
    out: bytes
    err: bytes
    asked_at: Epoch
    """Our clock when the command was sent."""
    answered_at: Epoch

    @property
    def text(self) -> str:
        """Its standard output."""
        return self.out.decode(errors="replace")

    @property
    def complaint(self) -> str:
        """The last line of its standard error, or its code if there is none."""
        lines = self.err.decode(errors="replace").strip().splitlines()
        return masked(lines[-1])[:300] if lines else f"it ended with code {self.code}"


class Ssh:
    """The way to every host of a record. Thread-safe; ``close`` it when done."""

    def __init__(
        self, access: SshAccess, addresses: Mapping[HostName, str], *, connect_limit_s: float = 10
    ) -> None:
        self._loop = asyncio.new_event_loop()
        keys = Keys(access)
        self._lines = {
            host: Line(host, address, access, keys=keys, connect_limit_s=connect_limit_s)
            for host, address in addresses.items()
        }
        self._user = access.user
        self._thread = threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True)
        self._thread.start()

    def run(
        self,
        host: HostName,
        argv: Sequence[str],
        *,
        input: bytes = b"",  # noqa: A002 - subprocess's own word
        changes: bool = False,
        limit_s: float = LIMIT_S,
    ) -> Said:
        """Run ``argv`` on ``host`` as root and return what it said, whatever its code.

        Raises:
            Transient: the host could not be reached, or a question's answer was lost.
            Uncertain: the connection broke, or ``limit_s`` passed, after a change was sent.
            Refused: the host's key is not the pinned one, or it does not let us in.
        """
        return self._await(self._run(host, argv, input, changes=changes, limit_s=limit_s), limit_s)

    def ask(self, host: HostName, script: str, *args: str, input: bytes = b"") -> str:  # noqa: A002
        """What a ``sh`` script that only reads printed; it finds ``args`` in ``$1`` and on.

        Raises:
            Transient: as ``run``, or the script ended with another code than 0.
        """
        said = self.run(host, shell(script, *args), input=input)
        if said.code != 0:
            raise AnswerLost(host, said.complaint)
        return said.text

    def change(self, host: HostName, script: str, *args: str, input: bytes = b"") -> str:  # noqa: A002
        """As ``ask``, for a script that changes something and may be repeated.

        Raises:
            Uncertain: as ``run``, or the script ended with another code than 0.
        """
        said = self.run(host, shell(script, *args), input=input, changes=True)
        if said.code != 0:
            raise ChangeUncertain(host, said.complaint)
        return said.text

    def on_each(
        self,
        hosts: Iterable[HostName],
        argv: Sequence[str],
        *,
        input: bytes = b"",  # noqa: A002
        changes: bool = False,
    ) -> Mapping[HostName, Said | Problem]:
        """Run ``argv`` on all ``hosts`` at once; for each, what it said or why it did not.

        Raises:
            Refused: a host's key is not the pinned one, or it does not let us in.
        """

        async def attempt(host: HostName) -> Said | Problem:
            try:
                return await self._run(host, argv, input, changes=changes, limit_s=LIMIT_S)
            except (Transient, ChangeUncertain) as problem:
                return problem

        async def each(named: tuple[HostName, ...]) -> Mapping[HostName, Said | Problem]:
            return dict(zip(named, await asyncio.gather(*map(attempt, named)), strict=True))

        return self._await(each(tuple(hosts)), LIMIT_S)

    def close(self) -> None:
        """Close all connections and end the thread; later calls are bugs."""
        if self._loop.is_closed():
            return
        closing = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
        wait([closing], timeout=_SLACK_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=_SLACK_S)
        if not self._thread.is_alive():
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _run(
        self, host: HostName, argv: Sequence[str], fed: bytes, *, changes: bool, limit_s: float
    ) -> Said:
        line = self._lines[host]
        command = shlex.join(as_root(argv, self._user))
        lost = ChangeUncertain if changes else AnswerLost
        try:
            async with asyncio.timeout(limit_s), line.slots:
                process = await line.begin(command, lost)
                asked_at = Epoch(time())
                code, out, err = await line.finish(process, fed, lost)
        except TimeoutError:
            raise lost(host, f"it took longer than {limit_s:g} s") from None
        return Said(code, out, err, asked_at, Epoch(time()))

    def _await(self, work: Coroutine[Any, Any, T], limit_s: float) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(limit_s + _SLACK_S)

    async def _close(self) -> None:
        await asyncio.gather(*(line.close() for line in self._lines.values()))


def shell(script: str, *args: str) -> tuple[str, ...]:
    """The argument vector that runs ``script`` with ``sh``; ``args`` are its ``$1`` and on."""
    return ("sh", "-euc", script, "skylift", *args)


def as_root(argv: Sequence[str], user: str) -> Sequence[str]:
    """The argument vector that runs ``argv`` as root for one who logs in as ``user``; never asks back."""
    return argv if user == "root" else ("sudo", "-n", "--", *argv)
