"""Calls outside the counted streams: for witnesses and for sweeping up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from skylift.probe.access import KEYSTONE, VERSIONS, Access, Token, api_urls, ask, fresh_token
from skylift.probe.exchange import Answer, Request


class Client:
    """One user with one fresh token.

    Raises:
        Unanswered: no token was issued, or a call had another answer than expected.
    """

    def __init__(self, access: Access) -> None:
        self._ca_pem = access.ca_pem
        self.token: Token = fresh_token(access)
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
        """One request; bytes are sent as they are, a mapping as JSON."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        # Nova refuses to be read with any other type than JSON, though nothing is sent.
        kind = "application/octet-stream" if sent is body and sent else "application/json"
        headers = {
            "X-Auth-Token": self.token.id,
            "OpenStack-API-Version": VERSIONS,
            "Content-Type": kind,
        }
        return ask(Request(method, self.urls[api] + path, headers, sent), expected, self._ca_pem)

    def named(self, kind: str, name: str) -> list[dict[str, Any]]:
        """The users or projects called ``name`` in the default domain; ``kind`` is the singular."""
        found: list[dict[str, Any]] = self.get(
            KEYSTONE, f"/{kind}s?domain_id=default&name={quote(name)}"
        ).json()[f"{kind}s"]
        return found
