"""Bring users, roles, services, endpoints and more about in a new cloud: runs on a host, safe to repeat.

Reads one JSON object from standard input and prints ``changed N``::

    {"url": "http://...:5000/v3", "password": "of the admin", "region": "RegionOne",
     "services": [{"user": "glance", "password": "...", "type": "image", "url": "http://..."}],
     "roles": ["names of more roles"],
     "domains": [{"name": "of a domain", "admin": "its administrator", "password": "..."}],
     "things": [{"as": "a", "kind": "network", "list": "http://...", "wanted": {"name": "..."}}],
     "ask": ["http://...", "URLs that shall answer the administrator"]}

A thing is found by its name in its ``list`` or made there as ``wanted``; ``$a`` in those after it stands
for its id. ``content`` is the URL of what is uploaded to it, ``then`` what is asked of it, each time.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

_TIMEOUT_S = 30
_INTERFACES = ("public", "internal", "admin")


@dataclass(slots=True)
class Keystone:
    """Just enough of the Identity API v3, as its administrator."""

    url: str
    token: str = ""
    changed: int = field(default=0)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[dict[str, Any], str]:
        """The answer's JSON object (empty if it is none) and the token header.

        Raises:
            urllib.error.URLError: Keystone did not answer, or answered with an error status.
        """
        request = urllib.request.Request(  # noqa: S310 - the URL is the lab's own, http
            path if path.startswith("http") else self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "X-Auth-Token": self.token},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - as above
            content, kind = answer.read(), answer.headers.get_content_type()
            return (json.loads(content) if kind == "application/json" else {}), answer.headers.get(
                "X-Subject-Token", ""
            )

    def upload(self, url: str, content: bytes) -> None:
        """Give a thing its content."""
        headers = {"Content-Type": "application/octet-stream", "X-Auth-Token": self.token}
        request = urllib.request.Request(url, method="PUT", data=content, headers=headers)  # noqa: S310 - as above
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310 - as above
            pass

    def login(self, password: str) -> None:
        """Get a token for the administrator."""
        user = {"name": "admin", "domain": {"id": "default"}, "password": password}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        identity = {"methods": ["password"], "password": {"user": user}}
        _, self.token = self.call("POST", "/auth/tokens", {"auth": {"identity": identity, "scope": scope}})

    def ensure(self, kind: str, query: str, wanted: dict[str, Any]) -> str:
        """The id of the one ``kind`` that ``query`` finds, made as ``wanted`` if there is none."""
        found, _ = self.call("GET", f"/{kind}s?{query}")
        if found[f"{kind}s"]:
            return str(found[f"{kind}s"][0]["id"])
        made, _ = self.call("POST", f"/{kind}s", {kind: wanted})
        self.changed += 1
        return str(made[kind]["id"])


def populate(keystone: Keystone, wanted: dict[str, Any]) -> None:
    """Make what is missing: the service project, and each service with its user and endpoints."""
    project = keystone.ensure(
        "project", "name=service&domain_id=default", {"name": "service", "domain_id": "default"}
    )
    roles = [keystone.ensure("role", f"name={name}", {"name": name}) for name in ("admin", "service")]
    for name in wanted.get("roles", ()):
        keystone.ensure("role", f"name={name}", {"name": name})
    for domain in wanted.get("domains", ()):
        made = keystone.ensure("domain", f"name={domain['name']}", {"name": domain["name"]})
        user = _user(keystone, domain["admin"], made, domain["password"])
        keystone.call("PUT", f"/domains/{made}/users/{user}/roles/{roles[0]}")
    for service in wanted["services"]:
        name = service["user"]
        user = _user(keystone, name, "default", service["password"])
        for role in roles:
            keystone.call("PUT", f"/projects/{project}/users/{user}/roles/{role}")
        made = keystone.ensure("service", f"type={service['type']}", {"name": name, "type": service["type"]})
        for interface in _INTERFACES:
            keystone.ensure(
                "endpoint",
                f"service_id={made}&interface={interface}",
                {
                    "service_id": made,
                    "interface": interface,
                    "region_id": wanted["region"],
                    "url": service["url"],
                },
            )


def _user(keystone: Keystone, name: str, domain: str, password: str) -> str:
    wanted = {"name": name, "domain_id": domain, "password": password}
    return keystone.ensure("user", f"name={name}&domain_id={domain}", wanted)


def furnish(keystone: Keystone, things: list[dict[str, Any]]) -> None:
    """Make the things that are missing, in their order."""
    ids: dict[str, str] = {}
    for thing in things:
        text = json.dumps(thing)
        for name in sorted(ids, key=len, reverse=True):
            text = text.replace(f"${name}", ids[name])
        ids[thing["as"]] = _thing(keystone, json.loads(text))


def _thing(keystone: Keystone, thing: dict[str, Any]) -> str:
    place, wanted = thing["list"], thing["wanted"]
    answer, _ = keystone.call("GET", place)
    found = [one for one in answer[f"{thing['kind']}s"] if one["name"] == wanted["name"]]
    if found:
        one = found[0]
    else:
        made, _ = keystone.call("POST", place, wanted if thing.get("bare") else {thing["kind"]: wanted})
        one = made if thing.get("bare") else made[thing["kind"]]
        keystone.changed += 1
    if "content" in thing and one["status"] == "queued":
        with urllib.request.urlopen(thing["content"], timeout=_TIMEOUT_S) as content:  # noqa: S310 - the lab's own
            keystone.upload(f"{place}/{one['id']}/file", content.read())
    told = str(one["id"])
    for url, body in thing.get("then", ()):
        _ask(keystone, url.replace(f"${thing['as']}", told), body)
    return told


def _ask(keystone: Keystone, url: str, body: dict[str, Any]) -> None:
    """Ask for what is so already, if only the thing was made before."""
    try:
        keystone.call("POST", url, body)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.CONFLICT:
            raise


def main() -> None:
    """Read the wish, make it so."""
    wanted = json.load(sys.stdin)
    keystone = Keystone(wanted["url"])
    keystone.login(wanted["password"])
    if "services" in wanted:
        populate(keystone, wanted)
    furnish(keystone, wanted.get("things", []))
    for url in wanted.get("ask", ()):
        keystone.call("GET", url)
    sys.stdout.write(f"changed {keystone.changed}\n")


if __name__ == "__main__":
    main()
