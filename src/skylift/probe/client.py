"""Calls outside the counted streams: for witnesses and for sweeping up."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from skylift.model.sample import CONTENT, TIME_LIMIT_S
from skylift.probe.access import KEYSTONE, VERSIONS, Access, Token, api_urls, ask, fresh_token
from skylift.probe.exchange import Answer, Request, Unanswered


class Client:
    """One user with one fresh token, whose calls all end by ``until``, a time of the monotonic clock.

    ``versions`` are the microversions that are asked for.

    Raises:
        Unanswered: no token was issued, or a call had another answer than expected.
    """

    def __init__(self, access: Access, until: float = float("inf"), *, versions: str = VERSIONS) -> None:
        self.access = access
        self.versions = versions
        self.until = until
        self.token: Token = fresh_token(access, self._left())
        self.urls = api_urls(access, self.token)

    def get(self, api: str, path: str, *expected: int) -> Answer:
        """Read ``path``; 200 is expected if nothing else is."""
        return self.call("GET", api, path, expected or (200,))

    def call(
        self,
        method: str,
        api: str,
        path: str,
        expected: tuple[int, ...],
        *,
        body: bytes | Mapping[str, Any] = b"",
    ) -> Answer:
        """One request; bytes are sent as they are, a mapping as JSON.

        Raises:
            Unanswered: it had another answer, or the cloud's catalog has no such API.
        """
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        # Nova refuses to be read with any other type than JSON, though nothing is sent.
        kind = "application/octet-stream" if sent is body and sent else "application/json"
        headers = {
            "X-Auth-Token": self.token.id,
            "OpenStack-API-Version": self.versions,
            "Content-Type": kind,
        }
        if api not in self.urls:
            raise Unanswered(CONTENT, f"the catalog of this cloud has no {api}: it may not be installed")
        request = Request(method, self.urls[api] + path, headers, sent)
        return ask(request, expected, self.access.ca_pem, self._left())

    def _left(self) -> float:
        return min(TIME_LIMIT_S, self.until - time.monotonic())

    def named(self, kind: str, name: str) -> list[dict[str, Any]]:
        """The users or projects called ``name`` in the default domain; ``kind`` is the singular."""
        found: list[dict[str, Any]] = self.get(
            KEYSTONE, f"/{kind}s?domain_id=default&name={quote(name)}"
        ).json()[f"{kind}s"]
        return found
