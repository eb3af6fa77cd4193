"""The line to one host: its held connection, made when needed and made anew when it broke."""

from __future__ import annotations

import asyncio
import contextlib
import shlex

import asyncssh

from skylift.drivers.ssh_keys import Keys
from skylift.drivers.ssh_problems import (
    AnswerLost,
    ChangeUncertain,
    HostKeyRefused,
    NotLetIn,
)
from skylift.model.ids import HostName
from skylift.model.record import SshAccess
from skylift.ports.hosts import HostUnreachable

_ATTEMPTS = 8
_MOMENT_S = 0.5
_ALIVE_EVERY_S = 4
_ALIVE_MISSED = 3
_SESSIONS = 6
"""At once on one connection; OpenSSH's ``MaxSessions`` is 10."""

_HOST_KEY_KINDS = "+ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256"
"""After the pinned ones: a host that has none of those shows another, and is refused as what it is."""

_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""First: in asyncssh they cost a third of what ChaCha20 does; the others stay on offer."""

Lost = type[AnswerLost] | type[ChangeUncertain]
Process = asyncssh.SSHClientProcess[bytes]


class Line:
    """Lives on the event loop; all methods must be called there."""

    def __init__(
        self, host: HostName, address: str, access: SshAccess, *, keys: Keys, connect_limit_s: float
    ) -> None:
        self._host = host
        self._address = address
        self._access = access
        self._keys = keys
        self._limit_s = connect_limit_s
        self._connecting: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self.slots = asyncio.Semaphore(_SESSIONS)

    async def begin(self, command: str, lost: Lost) -> Process:
        """Send ``command`` on the held connection, or on a fresh one if that was dead.

        Raises:
            HostUnreachable: nothing was sent.
            AnswerLost, ChangeUncertain: the connection broke with the command on its way.
        """
        for _ in range(_ATTEMPTS):
            connection = await self._connected()
            try:
                return await connection.create_process(command, encoding=None)
            except asyncssh.ChannelOpenError as error:
                if error.code != asyncssh.OPEN_CONNECT_FAILED:
                    raise lost(self._host, error.reason) from None
                await _let_close(connection)
            except (asyncssh.Error, OSError) as error:
                raise lost(self._host, _reason(error)) from None
        raise HostUnreachable(self._host, f"{self._address} let us in, but opens no session")

    async def finish(self, process: Process, fed: bytes, lost: Lost) -> tuple[int, bytes, bytes]:
        """Feed the command and wait for its end: its code, standard output and standard error."""
        try:
            # A command that has ended before it was fed answers by its code; one that was cut off has none.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(fed)
                process.stdin.write_eof()
            out, err = await process.communicate()
        except asyncio.CancelledError:
            process.close()
            raise
        except (asyncssh.Error, OSError) as error:
            raise lost(self._host, _reason(error)) from None
        code = process.returncode
        if code is None:
            raise lost(self._host, "the connection broke before the command had ended")
        return (128 - code if code < 0 else code), out, err

    async def close(self) -> None:
        """End the held connection, if there is one."""
        connecting, self._connecting = self._connecting, None
        if connecting is None:
            return
        if connecting.done() and not connecting.cancelled() and connecting.exception() is None:
            connecting.result().abort()
            await connecting.result().wait_closed()
        connecting.cancel()

    async def _connected(self) -> asyncssh.SSHClientConnection:
        """The connection; all who wait for it while it is made share one attempt."""
        if self._connecting is None or _is_over(self._connecting):
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(_is_over)  # retrieves its error if nobody waits any more
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> asyncssh.SSHClientConnection:
        secret, pinned = self._keys.read()
        try:
            return await asyncssh.connect(
                self._address,
                self._access.port,
                username=self._access.user,
                client_keys=[secret],
                known_hosts=pinned,
                server_host_key_algs=_HOST_KEY_KINDS,
                proxy_command=_proxy(self._access, self._address),
                config=None,
                agent_path=None,
                preferred_auth="publickey",
                encryption_algs=_CIPHERS,
                compression_algs=None,
                keepalive_interval=_ALIVE_EVERY_S,
                keepalive_count_max=_ALIVE_MISSED,
                connect_timeout=self._limit_s,
                login_timeout=self._limit_s,
            )
        except asyncssh.HostKeyNotVerifiable:
            raise HostKeyRefused(self._host, self._address, self._access) from None
        except asyncssh.PermissionDenied:
            raise NotLetIn(self._host, self._address, self._access) from None
        except (asyncssh.ConnectionLost, BrokenPipeError, ConnectionResetError):
            by = "the proxy command" if self._access.proxy_command else "it"
            why = f"{by} ended the connection to {self._address} before we were let in"
            raise HostUnreachable(self._host, why) from None
        except TimeoutError:
            why = f"{self._address} did not answer within {self._limit_s:g} s"
            raise HostUnreachable(self._host, why) from None
        except (asyncssh.Error, OSError) as error:
            raise HostUnreachable(self._host, f"{self._address}: {_reason(error)}") from None


def _is_over(connecting: asyncio.Task[asyncssh.SSHClientConnection]) -> bool:
    if not connecting.done():
        return False
    return connecting.cancelled() or connecting.exception() is not None or connecting.result().is_closed()


async def _let_close(connection: asyncssh.SSHClientConnection) -> None:
    """Return when the connection is closed, or after a moment in which the host may end old sessions.

    A broken connection refuses sessions a little before it says that it is closed; a host that is slow
    to end sessions counts them against ``MaxSessions`` after we have seen their end.
    """
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(connection.wait_closed(), _MOMENT_S)


def _proxy(access: SshAccess, address: str) -> list[str] | None:
    """The proxy command as an argument vector, with ``%h``, ``%p``, ``%r`` and ``%%`` filled in."""
    if access.proxy_command is None:
        return None
    values = {"%h": address, "%p": str(access.port), "%r": access.user, "%%": "%"}
    return [_filled(word, values) for word in shlex.split(access.proxy_command)]


def _filled(word: str, values: dict[str, str]) -> str:
    parts, rest = [], word
    while rest:
        parts.append(values.get(rest[:2], rest[0]))
        rest = rest[2:] if rest[:2] in values else rest[1:]
    return "".join(parts)


def _reason(error: Exception) -> str:
    """Why, in words, without what a library may have put into its text beyond them."""
    if isinstance(error, asyncssh.DisconnectError):
        return error.reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
