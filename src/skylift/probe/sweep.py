"""Remove what a probe's cycle left behind when one of its requests failed or the agent was killed."""

from __future__ import annotations

from urllib.parse import quote

from skylift.probe.access import GLANCE, PLACEMENT, Access
from skylift.probe.client import Client

_GONE = (204, 404)


def sweep(access: Access, name: str) -> int:
    """Delete images tagged ``name`` and providers whose names begin with it; how many there were.

    Raises:
        Unanswered: an API refused or did not answer; the rest is left.
    """
    client = Client(access)
    images = client.get(GLANCE, f"/v2/images?tag={quote(name)}&limit=1000").json()["images"]
    listed = client.get(PLACEMENT, "/resource_providers").json()["resource_providers"]
    providers = [found for found in listed if found["name"].startswith(f"{name}-")]
    for image in images:
        client.call("DELETE", GLANCE, f"/v2/images/{image['id']}", _GONE)
    for provider in providers:
        client.call("DELETE", PLACEMENT, f"/resource_providers/{provider['uuid']}", _GONE)
    return len(images) + len(providers)
