"""What the probes do, as users do it: each stream asks for one thing, or makes one and removes it.

Every request is a sample of its own, held against exactly one expected status and its right content.
The first request of a stream is due when the schedule says; those that follow in a cycle are due when
the one before has ended, as a user cannot upload to an image that is not yet there.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from skylift.model.sample import GUEST_COUNTER, GUEST_PING
from skylift.probe import compute, guest_streams, network, stack, volume
from skylift.probe.access import CINDER, GLANCE, HEAT, KEYSTONE, NEUTRON, NOVA, PLACEMENT
from skylift.probe.exchange import Answer, Request
from skylift.probe.session import Call, Session, has, lists, with_token

IMAGE_BYTES = 64 * 1024


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
            (200,),
            lambda answer: "" if _user(answer) == token.user_id else "the token is another user's",
        ),
        due,
    )


def image_list(session: Session, due: float) -> None:
    """List images."""
    request = with_token(session.held, "GET", f"{session.urls[GLANCE]}/v2/images?limit=20")
    session.attempt(Call("image-list", GLANCE, request, (200,), lists("images")), due)


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
        "name": session.born,
        "tags": [session.name],
        "disk_format": "raw",
        "container_format": "bare",
    }
    binary = {"Content-Type": "application/octet-stream"}
    create = with_token(token, "POST", url, json.dumps(declared).encode())
    upload = with_token(token, "PUT", f"{url}/{image}/file", content, headers=binary)
    download = with_token(token, "GET", f"{url}/{image}/file")
    delete = with_token(token, "DELETE", f"{url}/{image}")

    def differs(answer: Answer) -> str:
        return "" if hashlib.sha256(answer.body).digest() == digest else "the image's content is another"

    made = session.attempt(Call("image-create", GLANCE, create, (201,), has("id", image)), None)
    filled = made and session.attempt(Call("image-upload", GLANCE, upload, (204,)), None)
    if filled:
        session.attempt(Call("image-download", GLANCE, download, (200,), differs), None)
    if made:
        session.attempt(Call("image-delete", GLANCE, delete, (204,)), None)


def provider_list(session: Session, due: float) -> None:
    """List resource providers."""
    request = with_token(session.held, "GET", f"{session.urls[PLACEMENT]}/resource_providers")
    session.attempt(Call("provider-list", PLACEMENT, request, (200,), lists("resource_providers")), due)


def provider_cycle(session: Session, due: float) -> None:
    """Create a resource provider, find it, delete it, with the newest token."""
    provider = str(uuid.uuid4())
    url = f"{session.urls[PLACEMENT]}/resource_providers"
    declared = json.dumps({"uuid": provider, "name": f"{session.born}-{provider}"}).encode()
    token = session.newest
    create = with_token(token, "POST", url, declared)
    find = with_token(token, "GET", f"{url}?uuid={provider}")
    delete = with_token(token, "DELETE", f"{url}/{provider}")

    def missing(answer: Answer) -> str:
        return "" if provider in answer.body.decode(errors="replace") else "the provider is not listed"

    if session.attempt(Call("provider-create", PLACEMENT, create, (200,), has("uuid", provider)), due):
        session.attempt(Call("provider-find", PLACEMENT, find, (200,), missing), None)
        session.attempt(Call("provider-delete", PLACEMENT, delete, (204,)), None)


def _user(answer: Answer) -> str:
    try:
        return str(answer.json()["token"]["user"]["id"])
    except (KeyError, TypeError):
        return ""


class Stream(NamedTuple):
    """What one stream asks for, and of whom."""

    needs: str
    """It is there only where the catalog offers this API."""
    rate: float
    """Firings per second, where nobody says otherwise."""
    run: Callable[[Session, float], None]
    at_once: int = 0
    """So many at work at most, of one that waits for what an API does later; 0 of one that does not.

    Lost work is waited for as long as its limit allows, and meanwhile takes room in the cloud: a firing
    beyond this is left out.
    """


STREAMS: Mapping[str, Stream] = {
    "token-issue": Stream(KEYSTONE, 3.0, token_issue),
    "token-validate": Stream(KEYSTONE, 4.0, token_validate),
    "image-list": Stream(GLANCE, 4.0, image_list),
    "image-cycle": Stream(GLANCE, 0.5, image_cycle),
    "provider-list": Stream(PLACEMENT, 4.0, provider_list),
    "provider-cycle": Stream(PLACEMENT, 0.5, provider_cycle),
    "server-list": Stream(NOVA, 2.0, compute.server_list),
    "server-show": Stream(NOVA, 0.5, compute.server_show),
    "server-cycle": Stream(NOVA, 0.05, compute.server_cycle, at_once=3),
    "network-list": Stream(NEUTRON, 2.0, network.network_list),
    "port-cycle": Stream(NEUTRON, 0.2, network.port_cycle),
    "volume-list": Stream(CINDER, 2.0, volume.volume_list),
    "volume-cycle": Stream(CINDER, 0.02, volume.volume_cycle, at_once=2),
    "stack-list": Stream(HEAT, 2.0, stack.stack_list),
    "stack-cycle": Stream(HEAT, 0.02, stack.stack_cycle, at_once=2),
    GUEST_PING: Stream(NOVA, 2.0, guest_streams.guest_ping),
    GUEST_COUNTER: Stream(NOVA, 1.0, guest_streams.guest_counter),
}
"""An image cycle is five requests, a provider cycle three: with those three APIs, 19 requests a second.

Measured in the lab (three controllers on two busy cores): about 35 ms of CPU per request on the whole
control plane, 1.3 ms on the vantage host.
"""

_SHARED = 0.5
"""Where there is more to ask than those three APIs, they are asked half as often: the load stays alike."""
FULL_PACE = 100


def default_rates(offered: Iterable[str], pace: int = FULL_PACE) -> dict[str, float]:
    """Firings per second of each stream whose API is offered, at ``pace`` percent.

    Guests are asked at their own rates: they are no load on the control plane.
    """
    there, first = set(offered), {KEYSTONE, GLANCE, PLACEMENT}
    share = 1.0 if there <= first else _SHARED

    def rate(name: str, stream: Stream) -> float:
        if name in {GUEST_PING, GUEST_COUNTER}:
            return stream.rate
        return stream.rate * pace / FULL_PACE * (share if stream.needs in first else 1.0)

    return {name: rate(name, stream) for name, stream in STREAMS.items() if stream.needs in there}
