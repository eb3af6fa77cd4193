"""What the request streams share: what a call is, who asks, and how accepted work is followed to its end."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from skylift.model.sample import DONE, LOST
from skylift.probe.access import (
    KEYSTONE,
    VERSIONS,
    Access,
    Token,
    api_urls,
    offered,
    read_token,
    token_request,
)
from skylift.probe.choice import NOTHING_WANTED, Wanted
from skylift.probe.exchange import Answer, Request
from skylift.probe.guest import Guests

TOKEN_AGE_S = 30.0
"""How long reads go on with one token: a younger one would miss what caches hide, an older one hide more."""


class Call(NamedTuple):
    """One request of a stream and what its answer must be."""

    stream: str
    api: str
    request: Request
    expected: tuple[int, ...]
    fault: Callable[[Answer], str] = lambda _answer: ""
    """What is wrong with an answer of an expected status; empty if nothing is."""


class State(NamedTuple):
    """How far accepted work has come: ``outcome`` is the sample's, empty while it goes on."""

    outcome: str
    said: str = ""


class Work(NamedTuple):
    """What an API has accepted and does later."""

    stream: str
    api: str
    what: str
    """Its name in the report, if it is lost."""
    look: Call
    """How its user looks: a request like others, and counted like them."""
    state: Callable[[Answer], State]


class Named(NamedTuple):
    """What else is recorded than requests and works: answers of guests."""

    stream: str
    api: str


Attempt = Callable[[Call, "float | None"], "Answer | None"]
"""Makes a call that was due at a time (now, if none), records its sample, and returns a good answer only."""
Judged = Callable[["Work | Named", float, State], None]
"""Records what became of something that began at a time."""


class Ear(NamedTuple):
    """Where the streams' requests go, and what they are told."""

    attempt: Attempt
    judged: Judged
    guests: Guests
    ending: threading.Event
    """Set when no more is to be asked: what is still awaited then is not judged."""
    look_every_s: float
    """How often a user looks whether what was accepted has come about."""
    work_s: float
    """How long a user waits for it, from when it was accepted."""
    wanted: Wanted = NOTHING_WANTED


class Session:
    """Who the streams are, where the APIs are, and the newest tokens."""

    def __init__(self, access: Access, token: Token, label: str, ear: Ear) -> None:
        self.urls: dict[str, str] = api_urls(access, token)
        self.wanted = ear.wanted
        self.guests = ear.guests
        self.tell = ear.judged
        self.name = f"skylift-probe-{label}"
        """Name or tag of everything the probes make, so that leftovers are found by it."""
        self.born = f"{self.name}-{uuid.uuid4().hex[:8]}"
        """How the names begin of what this start of the agent makes."""
        self.found: dict[str, Any] = {}
        """What streams found once and use again: an image, a network, a flavor."""
        self.attempt = ear.attempt
        self._ear = ear
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
        call = Call(stream, KEYSTONE, token_request(self._access), (201,), self._token_fault)
        answer = self.attempt(call, due)
        return None if answer is None else read_token(answer)

    def fresh_name(self) -> str:
        """A name for what is made now."""
        return f"{self.born}-{uuid.uuid4().hex}"

    def request(self, method: str, api: str, path: str, document: object = None) -> Request:
        """A request to ``api`` with the token that reads use; ``document`` is sent as JSON."""
        body = b"" if document is None else json.dumps(document).encode()
        return with_token(self.held, method, self.urls[api] + path, body)

    def follow(self, work: Work, since: float) -> str:
        """Look again and again until ``work``, accepted at ``since``, has come about or is lost.

        A look that fails is a failed request, and the work may yet come about. Says how it ended: in
        ``DONE``, in ``LOST``, or not at all, because the probes end or a user would wait no longer.
        """
        seen = State("", "no look at it had been answered")
        while not self._ear.ending.wait(self._ear.look_every_s):
            answer = self.attempt(work.look, None)
            seen = work.state(answer) if answer else seen
            if seen.outcome:
                told = "" if seen.outcome == DONE else f"{work.what}: {seen.said}"
                self.tell(work, since, State(seen.outcome, told))
                return seen.outcome
            if time.monotonic() - since > self._ear.work_s:
                told = f"{work.what}: after {self._ear.work_s:.0f} s {seen.said}"
                self.tell(work, since, State(LOST, told))
                return ""
        return ""

    def _token_fault(self, answer: Answer) -> str:
        """A user whose catalog lacks an API that it had cannot find that API."""
        token = read_token(answer)
        if token is None:
            return "the answer holds no token"
        gone = sorted(set(self.urls) - set(offered(self._access, token)))
        return f"the catalog no longer has {', '.join(gone)}" if gone else ""


def with_token(
    token: Token, method: str, url: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
) -> Request:
    """A request of the user whom ``token`` stands for."""
    sent = {
        "X-Auth-Token": token.id,
        "OpenStack-API-Version": VERSIONS,
        "Content-Type": "application/json",
        **(headers or {}),
    }
    return Request(method, url, sent, body)


def lists(key: str) -> Callable[[Answer], str]:
    """The fault of an answer that has no list under ``key``."""

    def fault(answer: Answer) -> str:
        listed = answer.json()
        fits = isinstance(listed, dict) and isinstance(listed.get(key), list)
        return "" if fits else f"the answer has no list of {key}"

    return fault


def has(key: str, value: str, *, within: str = "") -> Callable[[Answer], str]:
    """The fault of an answer whose object (under ``within``, if given) has another value of ``key``."""

    def fault(answer: Answer) -> str:
        made = answer.json()
        made = made.get(within) if within and isinstance(made, dict) else made
        return "" if isinstance(made, dict) and made.get(key) == value else f"the answer has another {key}"

    return fault


def part(answer: Answer, *keys: str) -> Any:
    """What lies under ``keys``, one within the other; none if an answer has no such part."""
    found = answer.json()
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found
