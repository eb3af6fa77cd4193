"""Ask one backend, past the balancers, what users will ask it: one request after another."""

from __future__ import annotations

from urllib.parse import urlsplit

from skylift.probe.access import KEYSTONE, Access, ask, fresh_token
from skylift.probe.exchange import Request

_OK = 200


def ask_backend(access: Access, component: str, backend: str, path: str) -> None:
    """Get ``path`` from ``backend`` (scheme, host and port) with a fresh token that validates itself.

    The token of keystone's own backend is issued by that backend; any other's comes from the VIP.

    Raises:
        Unanswered: an answer was missing, or another than 200.
    """
    issuer = access
    if component == KEYSTONE:
        identity = urlsplit(access.identity_url)
        issuer = access._replace(auth_url=f"{backend}{identity.path}")
    token = fresh_token(issuer)
    headers = {"X-Auth-Token": token.id, "X-Subject-Token": token.id}
    ask(Request("GET", f"{backend}{path}", headers), (_OK,), access.ca_pem)
