"""Close a service on one host to new work, or open it again, by Nova's or Cinder's own API.

What is wanted is looked at first: somebody else's closing is neither overwritten nor taken back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from skylift.model.sample import CONTENT
from skylift.probe.access import Access, Token, ask, fresh_token, url_of
from skylift.probe.exchange import Request, Unanswered

_VERSIONS = "compute 2.53, volume 3.0"
"""Nova's is the first that names a service by a UUID, which no two cells share (compute API, os-services).
Cinder refuses a header that says nothing of volumes (read: cinder/api/openstack/wsgi.py, 2024.1)."""
_TYPES: Mapping[str, tuple[str, ...]] = {
    "nova": ("compute",),
    "cinder": ("block-storage", "volumev3", "block-store"),
}
"""By the kind of roster: types of the API. Source: OpenStack Service Types Authority."""


class Named(NamedTuple):
    """A service, as its API lists it."""

    kind: str
    """``nova`` or ``cinder``."""
    id: str
    binary: str
    host: str


class _Api(NamedTuple):
    token: Token
    url: str
    ca_pem: str

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        headers = {
            "X-Auth-Token": self.token.id,
            "OpenStack-API-Version": _VERSIONS,
            "Content-Type": "application/json",
        }
        sent = b"" if body is None else json.dumps(body).encode()
        return ask(Request(method, f"{self.url}{path}", headers, sent), (200,), self.ca_pem).json()


def close(access: Access, service: Named, reason: str) -> None:
    """Close it with this reason, unless it is closed already.

    Raises:
        Unanswered: the API did not do it, or knows no such service.
    """
    api = _api(access, service.kind)
    if _seen(api, service)["status"] == "enabled":
        _CHANGES[service.kind](api, service, reason)


def open_again(access: Access, service: Named, marks: tuple[str, ...]) -> None:
    """Open it, if it is closed with a reason that begins with one of ``marks``.

    Raises:
        Unanswered: the API did not do it, or knows no such service.
    """
    api = _api(access, service.kind)
    seen = _seen(api, service)
    if seen["status"] == "disabled" and str(seen.get("disabled_reason") or "").startswith(marks):
        _CHANGES[service.kind](api, service, "")


def _api(access: Access, kind: str) -> _Api:
    token = fresh_token(access)
    return _Api(token, url_of(access, token, _TYPES[kind]), access.ca_pem)


def _seen(api: _Api, service: Named) -> Mapping[str, Any]:
    path = f"/os-services?host={quote(service.host, safe='')}&binary={quote(service.binary, safe='')}"
    for found in api.call("GET", path).get("services", ()):
        same = (found["host"], found["binary"]) == (service.host, service.binary)
        # Cinder's have no id, and there is one for each host and binary.
        if same and (service.kind != "nova" or found["id"] == service.id):
            return dict(found)
    raise Unanswered(CONTENT, f"the API lists no {service.binary} on {service.host}")


def _nova(api: _Api, service: Named, reason: str) -> None:
    """Source: compute API, Update Compute Service, from 2.53."""
    body = {"status": "disabled", "disabled_reason": reason} if reason else {"status": "enabled"}
    api.call("PUT", f"/os-services/{service.id}", body)


def _cinder(api: _Api, service: Named, reason: str) -> None:
    """Source: block storage API v3, Log Disabled Cinder Service Information, and Enable a Cinder Service."""
    which = {"host": service.host, "binary": service.binary}
    if reason:
        api.call("PUT", "/os-services/disable-log-reason", {**which, "disabled_reason": reason})
    else:
        api.call("PUT", "/os-services/enable", which)


_CHANGES: Mapping[str, Callable[[_Api, Named, str], None]] = {"nova": _nova, "cinder": _cinder}
