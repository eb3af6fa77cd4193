"""One HTTP request on a connection of its own, as clients behind a balancer make them."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from skylift.model.sample import CONNECTION, TIMEOUT

_CHUNK_BYTES = 1 << 16
_ANSWER_MAX_BYTES = 16 << 20
_SERVER_FAULT = 500


class Request(NamedTuple):
    """What to ask, and of whom."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


class Answer(NamedTuple):
    """A whole answer, whatever its status; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; an empty object if it is none, so that a check of it fails."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


class Unanswered(Exception):  # noqa: N818 - named for what happened to the user
    """No answer, or not the one asked for; ``outcome`` is the sample's, ``status`` 0 if there was none."""

    def __init__(self, outcome: str, detail: str, status: int = 0) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.status = status

    @property
    def passing(self) -> bool:
        """Whether the API could not answer now, so that nothing is known of what was asked for."""
        return self.outcome in {CONNECTION, TIMEOUT} or self.status >= _SERVER_FAULT


def exchange(request: Request, deadline: float, ca_pem: str = "") -> Answer:
    """Send ``request`` and read the whole answer before ``deadline``, a time of the monotonic clock.

    ``ca_pem`` has the certificates that an https server's must be signed by; the system's if empty.

    Raises:
        Unanswered: the connection failed or was cut, or the deadline passed.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise Unanswered(TIMEOUT, "not sent: too many requests were in flight")
    connection = _connection(request.url, left, ca_pem)
    try:
        return _speak(connection, request, deadline)
    except socket.timeout as error:  # noqa: UP041 - not yet an alias of TimeoutError in Python 3.9
        raise Unanswered(TIMEOUT, str(error) or "timed out") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(CONNECTION, f"{type(error).__name__}: {error}") from None
    finally:
        connection.close()


def _connection(url: str, timeout_s: float, ca_pem: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=_trust(ca_pem))
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)


@lru_cache
def _trust(ca_pem: str) -> ssl.SSLContext:
    """Made once, and only where it is needed: it costs more CPU than ten requests."""
    return ssl.create_default_context(cadata=ca_pem or None)


def _speak(connection: http.client.HTTPConnection, request: Request, deadline: float) -> Answer:
    parts = urlsplit(request.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.connect()
    wire: socket.socket = connection.sock
    headers = {"Connection": "close", "Accept": "application/json", **request.headers}
    connection.request(request.method, target, body=request.body or None, headers=headers)
    response = connection.getresponse()
    body = bytearray()
    while True:
        # The socket's own limit is per read: a server that trickles would never meet it.
        wire.settimeout(max(deadline - time.monotonic(), 0.001))
        chunk = response.read1(_CHUNK_BYTES)
        if not chunk:
            break
        body += chunk
        if len(body) > _ANSWER_MAX_BYTES:
            raise http.client.HTTPException("the answer is longer than any this program asks for")
    if response.length:
        raise http.client.IncompleteRead(bytes(body), response.length)
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, bytes(body))
