"""Who asks: credentials, tokens, and the catalog that tells where each API is."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from skylift.model.sample import CONTENT, STATUS, TIME_LIMIT_S
from skylift.probe.exchange import Answer, Request, Unanswered, exchange

KEYSTONE, GLANCE, PLACEMENT = "keystone", "glance", "placement"
NOVA, NEUTRON, CINDER, HEAT = "nova", "neutron", "cinder", "heat"
_SERVICE_TYPES = {
    KEYSTONE: ("identity",),
    GLANCE: ("image",),
    PLACEMENT: ("placement",),
    NOVA: ("compute",),
    NEUTRON: ("network",),
    CINDER: ("block-storage", "block-store", "volumev3"),
    HEAT: ("orchestration",),
}
_ALWAYS = (KEYSTONE, GLANCE, PLACEMENT)
VERSIONS = "placement 1.20, compute 2.37, volume 3.0"
"""The microversions that are asked for: the oldest that can do what is asked of them.

Cinder refuses a request that names versions and not its own.
"""


class Access(NamedTuple):
    """Credentials of one user, scoped to a project. Never shown: it has no readable form."""

    auth_url: str
    username: str
    password: str
    project: str
    user_domain: Mapping[str, str] = {"id": "default"}
    """By ``id`` or by ``name``."""
    project_domain: Mapping[str, str] = {"id": "default"}
    region: str = ""
    interface: str = "public"
    ca_pem: str = ""
    """Certificates that sign the APIs'; those of the system if empty."""

    def __repr__(self) -> str:
        return f"Access({self.username!r} at {self.auth_url!r})"

    @classmethod
    def read(cls, text: str) -> Access:
        """The credentials in a JSON object with these fields.

        Raises:
            ValueError: it is not such an object; the message holds no value of it.
        """
        try:
            return cls(**json.loads(text))
        except (TypeError, json.JSONDecodeError):
            raise ValueError("the credentials are not the JSON object that the agent reads") from None

    @property
    def identity_url(self) -> str:
        """Where tokens are issued, ending in ``/v3``."""
        plain = self.auth_url.rstrip("/")
        return plain if plain.endswith("/v3") else f"{plain}/v3"


class Token(NamedTuple):
    """A token, who it stands for, and the catalog that came with it."""

    id: str
    user_id: str
    project_id: str
    catalog: tuple[Mapping[str, Any], ...] = ()

    def __repr__(self) -> str:
        return f"Token(of user {self.user_id!r})"


def token_request(access: Access) -> Request:
    """The request for a fresh token of ``access``."""
    user = {"name": access.username, "password": access.password, "domain": access.user_domain}
    project = {"name": access.project, "domain": access.project_domain}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": project},
        }
    }
    url = f"{access.identity_url}/auth/tokens"
    return Request("POST", url, {"Content-Type": "application/json"}, json.dumps(body).encode())


def read_token(answer: Answer) -> Token | None:
    """The token in the answer; none if the answer is not a whole one."""
    try:
        token = answer.json()["token"]
        return Token(
            answer.headers["x-subject-token"],
            token["user"]["id"],
            token["project"]["id"],
            tuple(token.get("catalog", ())),
        )
    except (KeyError, TypeError):
        return None


def ask(request: Request, expected: tuple[int, ...], ca_pem: str, limit_s: float = TIME_LIMIT_S) -> Answer:
    """One request outside the counted streams, which has ``limit_s`` for its answer.

    Raises:
        Unanswered: there was no whole answer, or one with another status than those expected.
    """
    answer = exchange(request, time.monotonic() + limit_s, ca_pem)
    if answer.status not in expected:
        raise Unanswered(STATUS, unexpected(request, answer), answer.status)
    return answer


def unexpected(request: Request, answer: Answer) -> str:
    """An answer that was not expected, in one line: its status, and what it says but for a page of HTML."""
    said = " ".join(answer.body[:200].decode(errors="replace").split())
    told = f"{request.method} {request.url} answered {answer.status}"
    return f"{told}: {said}" if said and not said.startswith("<") else told


def fresh_token(access: Access, limit_s: float = TIME_LIMIT_S) -> Token:
    """A new token, waited for no longer than ``limit_s``.

    Raises:
        Unanswered: none was issued.
    """
    token = read_token(ask(token_request(access), (201,), access.ca_pem, limit_s))
    if token is None:
        raise Unanswered(CONTENT, "the answer to a token request holds no token")
    return token


def endpoints(token: Token) -> list[dict[str, str]]:
    """The token's catalog, flat: service type, interface, region and URL of each endpoint."""
    return [
        {
            "service": str(service["type"]),
            "interface": str(end["interface"]),
            "region": str(end.get("region") or ""),
            "url": str(end["url"]),
        }
        for service in token.catalog
        for end in service.get("endpoints", ())
    ]


def offered(access: Access, token: Token) -> dict[str, str]:
    """The URL of each API that the catalog offers and the probes know, as this user is told to reach it."""
    urls = {api: _endpoint(access, token, types) for api, types in _SERVICE_TYPES.items()}
    found = {KEYSTONE: access.identity_url} | {api: url for api, url in urls.items() if url}
    if NEUTRON in found and not found[NEUTRON].endswith("/v2.0"):
        found[NEUTRON] += "/v2.0"
    return found


def api_urls(access: Access, token: Token) -> dict[str, str]:
    """What the catalog offers, which is at least keystone, glance and placement.

    Raises:
        Unanswered: it lacks one of these.
    """
    found = offered(access, token)
    lacking = sorted(set(_ALWAYS) - set(found))
    if lacking:
        raise Unanswered(CONTENT, f"the catalog has no {access.interface} endpoint of {', '.join(lacking)}")
    return found


def url_of(access: Access, token: Token, types: tuple[str, ...]) -> str:
    """The URL of the API that has one of ``types``, as this user is told to reach it.

    Raises:
        Unanswered: the catalog has none.
    """
    if url := _endpoint(access, token, types):
        return url
    raise Unanswered(CONTENT, f"the catalog has no {access.interface} endpoint of {' or '.join(types)}")


def _endpoint(access: Access, token: Token, types: tuple[str, ...]) -> str:
    """Empty if the catalog has none."""
    for end in endpoints(token):
        fits = end["service"] in types and end["interface"] == access.interface
        if fits and (not access.region or end["region"] == access.region):
            return end["url"].rstrip("/")
    return ""
