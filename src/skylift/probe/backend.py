"""Ask one backend, past the balancers, what users will ask it: one request after another."""

from __future__ import annotations

from urllib.parse import urlsplit

from skylift.probe.access import KEYSTONE, Access, ask, fresh_token
from skylift.probe.exchange import Request

_GOOD = (200, 300)
"""300 is how an API answers that is asked for its versions, and has several."""
_PROJECT = "{project}"


def ask_backend(access: Access, component: str, backend: str, path: str) -> None:
    """Get ``path`` from ``backend`` (scheme, host and port) with a fresh token that validates itself.

    The token of keystone's own backend is issued by that backend; any other's comes from the VIP. Where
    the path has ``{project}``, the token's project is meant.

    Raises:
        Unanswered: an answer was missing, or another than 200 or 300.
    """
    issuer = access
    if component == KEYSTONE:
        identity = urlsplit(access.identity_url)
        issuer = access._replace(auth_url=f"{backend}{identity.path}")
    token = fresh_token(issuer)
    headers = {"X-Auth-Token": token.id, "X-Subject-Token": token.id}
    url = f"{backend}{path}".replace(_PROJECT, token.project_id)
    ask(Request("GET", url, headers), _GOOD, access.ca_pem)
