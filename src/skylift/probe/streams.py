"""What the probes do, as users do it: each stream asks for one thing, or makes one and removes it.

Every request is a sample of its own, held against exactly one expected status and its right content.
The first request of a stream is due when the schedule says; those that follow in a cycle are due when
the one before has ended, as a user cannot upload to an image that is not yet there.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import NamedTuple

from skylift.probe.access import (
    GLANCE,
    KEYSTONE,
    PLACEMENT,
    Access,
    Token,
    api_urls,
    read_token,
    token_request,
)
from skylift.probe.exchange import Answer, Request

IMAGE_BYTES = 64 * 1024
TOKEN_AGE_S = 30.0
"""How long reads go on with one token: a younger one would miss what caches hide, an older one hide more."""
PLACEMENT_VERSION = "placement 1.20"

DEFAULT_RATES: Mapping[str, float] = {
    "token-issue": 3.0,
    "token-validate": 4.0,
    "image-list": 4.0,
    "image-cycle": 0.5,
    "provider-list": 4.0,
    "provider-cycle": 0.5,
}
"""Firings per second. An image cycle is five requests, a provider cycle three: 19 requests a second.

Measured in the lab (three controllers on two busy cores): about 35 ms of CPU per request on the whole
control plane, 1.3 ms on the vantage host.
"""


class Call(NamedTuple):
    """One request of a stream and what its answer must be."""

    stream: str
    api: str
    request: Request
    expected: int
    fault: Callable[[Answer], str] = lambda _answer: ""
    """What is wrong with an answer of the expected status; empty if nothing is."""


Attempt = Callable[[Call, "float | None"], "Answer | None"]
"""Makes a call that was due at a time (now, if none), records its sample, and returns a good answer only."""


class Session:
    """What the streams share: who they are, where the APIs are, and the newest tokens."""

    def __init__(self, access: Access, token: Token, label: str, attempt: Attempt) -> None:
        self.urls = api_urls(access, token)
        self.name = f"skylift-probe-{label}"
        """Name or tag of everything the probes make, so that leftovers are found by it."""
        self.attempt = attempt
        self._access = access
        self._lock = threading.Lock()
        self._newest = token
        self._held = (token, float("-inf"))

    def keep(self, token: Token, now: float) -> None:
        """Remember a token that was just issued."""
        with self._lock:
            self._newest = token
            if now - self._held[1] > TOKEN_AGE_S:
                self._held = (token, now)

    @property
    def newest(self) -> Token:
        """The token that was issued last."""
        with self._lock:
            return self._newest

    @property
    def held(self) -> Token:
        """The token that reads use, renewed every ``TOKEN_AGE_S``."""
        with self._lock:
            return self._held[0]

    def issue(self, stream: str, due: float) -> Token | None:
        """A fresh token, as a sample of ``stream``; none if it failed."""
        call = Call(stream, KEYSTONE, token_request(self._access), 201, _token_fault)
        answer = self.attempt(call, due)
        return None if answer is None else read_token(answer)


def token_issue(session: Session, due: float) -> None:
    """Ask for a token by password."""
    token = session.issue("token-issue", due)
    if token is not None:
        session.keep(token, due)


def token_validate(session: Session, due: float) -> None:
    """Validate the newest token, as every other service does with its users'."""
    token = session.newest
    headers = {"X-Auth-Token": token.id, "X-Subject-Token": token.id}
    request = Request("GET", f"{session.urls[KEYSTONE]}/auth/tokens?nocatalog", headers)
    session.attempt(
        Call(
            "token-validate",
            KEYSTONE,
            request,
            200,
            lambda answer: "" if _user(answer) == token.user_id else "the token is another user's",
        ),
        due,
    )


def image_list(session: Session, due: float) -> None:
    """List images."""
    request = _with_token(session.held, "GET", f"{session.urls[GLANCE]}/v2/images?limit=20")
    session.attempt(Call("image-list", GLANCE, request, 200, _lists("images")), due)


def image_cycle(session: Session, due: float) -> None:
    """Get a fresh token, create an image, upload, download, compare, delete."""
    token = session.issue("image-token", due)
    if token is None:
        return
    image = str(uuid.uuid4())
    content = os.urandom(IMAGE_BYTES)
    digest = hashlib.sha256(content).digest()
    url = f"{session.urls[GLANCE]}/v2/images"
    declared = {
        "id": image,
        "name": session.name,
        "tags": [session.name],
        "disk_format": "raw",
        "container_format": "bare",
    }
    binary = {"Content-Type": "application/octet-stream"}
    create = _with_token(token, "POST", url, json.dumps(declared).encode())
    upload = _with_token(token, "PUT", f"{url}/{image}/file", content, headers=binary)
    download = _with_token(token, "GET", f"{url}/{image}/file")
    delete = _with_token(token, "DELETE", f"{url}/{image}")

    def differs(answer: Answer) -> str:
        return "" if hashlib.sha256(answer.body).digest() == digest else "the image's content is another"

    made = session.attempt(Call("image-create", GLANCE, create, 201, _has("id", image)), None)
    filled = made and session.attempt(Call("image-upload", GLANCE, upload, 204), None)
    if filled:
        session.attempt(Call("image-download", GLANCE, download, 200, differs), None)
    if made:
        session.attempt(Call("image-delete", GLANCE, delete, 204), None)


def provider_list(session: Session, due: float) -> None:
    """List resource providers."""
    request = _with_token(session.held, "GET", f"{session.urls[PLACEMENT]}/resource_providers")
    session.attempt(Call("provider-list", PLACEMENT, request, 200, _lists("resource_providers")), due)


def provider_cycle(session: Session, due: float) -> None:
    """Create a resource provider, find it, delete it, with the newest token."""
    provider = str(uuid.uuid4())
    url = f"{session.urls[PLACEMENT]}/resource_providers"
    declared = json.dumps({"uuid": provider, "name": f"{session.name}-{provider}"}).encode()
    token = session.newest
    create = _with_token(token, "POST", url, declared)
    find = _with_token(token, "GET", f"{url}?uuid={provider}")
    delete = _with_token(token, "DELETE", f"{url}/{provider}")

    def missing(answer: Answer) -> str:
        return "" if provider in answer.body.decode(errors="replace") else "the provider is not listed"

    if session.attempt(Call("provider-create", PLACEMENT, create, 200, _has("uuid", provider)), due):
        session.attempt(Call("provider-find", PLACEMENT, find, 200, missing), None)
        session.attempt(Call("provider-delete", PLACEMENT, delete, 204), None)


STREAMS: Mapping[str, Callable[[Session, float], None]] = {
    "token-issue": token_issue,
    "token-validate": token_validate,
    "image-list": image_list,
    "image-cycle": image_cycle,
    "provider-list": provider_list,
    "provider-cycle": provider_cycle,
}


def _with_token(
    token: Token, method: str, url: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
) -> Request:
    sent = {
        "X-Auth-Token": token.id,
        "OpenStack-API-Version": PLACEMENT_VERSION,
        "Content-Type": "application/json",
        **(headers or {}),
    }
    return Request(method, url, sent, body)


def _token_fault(answer: Answer) -> str:
    return "" if read_token(answer) else "the answer holds no token"


def _user(answer: Answer) -> str:
    try:
        return str(answer.json()["token"]["user"]["id"])
    except (KeyError, TypeError):
        return ""


def _lists(key: str) -> Callable[[Answer], str]:
    def fault(answer: Answer) -> str:
        listed = answer.json()
        fits = isinstance(listed, dict) and isinstance(listed.get(key), list)
        return "" if fits else f"the answer has no list of {key}"

    return fault


def _has(key: str, value: str) -> Callable[[Answer], str]:
    def fault(answer: Answer) -> str:
        made = answer.json()
        return "" if isinstance(made, dict) and made.get(key) == value else f"the answer has another {key}"

    return fault
