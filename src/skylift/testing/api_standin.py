"""A small stand-in for a cloud's APIs on loopback, which fails on purpose when told to.

It keeps what it is given, so a client sees what it made; it is honest about ids and statuses, but
knows no roles, domains or expiry. For tests of what measures an API, not of what upgrades one.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from skylift.testing.core_standin import CoreApis

_FIRST = {"identity": "/identity/v3", "image": "/image", "placement": "/placement"}

Fault = Callable[["Exchange"], bool]
"""Looks at a request; answers it in its own way and returns true, or leaves it alone."""


class ApiStandIn(ThreadingHTTPServer):
    """Keystone, glance and placement at one address, and the APIs of ``CORE`` if they are offered."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.fault: Fault | None = None
        self.users: dict[str, dict[str, Any]] = {"admin": {"id": "u-admin", "password": "right"}}
        self.projects: dict[str, dict[str, Any]] = {"admin": {"id": "p-admin", "name": "admin"}}
        self.tokens: dict[str, tuple[str, str]] = {}
        self.images: dict[str, dict[str, Any]] = {}
        self.content: dict[str, bytes] = {}
        self.providers: dict[str, dict[str, Any]] = {}
        self.inventories: dict[str, Any] = {}
        self.services: dict[str, list[dict[str, Any]]] = {"compute": [], "volume": []}
        """The services of each of the two, as it lists them."""
        self.core = CoreApis()
        self.offered = dict(_FIRST)
        """Service type and path of each API in the catalog."""
        self.asked: list[tuple[str, str]] = []
        """Method and path of every request, in the order they came."""
        self.connections = 0
        self.alone = threading.Lock()
        """Held while one request is served: a list is of one moment, and not of two."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def api_standin() -> Iterator[ApiStandIn]:
    """A stand-in that serves until the block ends."""
    server = ApiStandIn()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Exchange(BaseHTTPRequestHandler):
    """One request to the stand-in."""

    server: ApiStandIn
    sent: bytes = b""

    def answer(self, status: int, document: object = None, **headers: str) -> None:
        """Send a whole answer; bytes as they are, anything else as JSON."""
        if isinstance(document, bytes):
            body = document
        else:
            body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        """Serve one connection; a client that went away is no error of ours."""
        self.server.connections += 1
        with suppress(BrokenPipeError, ConnectionResetError):
            super().handle()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        self.sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path))
        if self.server.fault and self.server.fault(self):
            return
        with self.server.alone:
            self._answer_honestly()

    def _answer_honestly(self) -> None:
        api, _, rest = self.path.lstrip("/").partition("/")
        path = rest.partition("?")[0].split("/")
        first = {"identity": self._identity, "image": self._image, "placement": self._placement}
        if api == "compute" and self.headers.get("Content-Type") != "application/json":
            self.answer(415, {"badMediaType": {"message": "Unsupported Content-Type"}})
        elif api == "volume" and "volume" not in self.headers.get("OpenStack-API-Version", "volume"):
            self.answer(400, {"badRequest": {"message": "malformed or otherwise incorrect"}})
        elif "os-services" in path:
            self._services(path)
        elif api in first:
            first[api](path)
        else:
            self.answer(*self.server.core.serve(self.command, self.path, self.sent))

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that http.server looks for

    def _identity(self, path: list[str]) -> None:
        match self.command, path[1:]:
            case "POST", ["auth", "tokens"]:
                self._issue()
            case "GET", ["auth", "tokens"]:
                user, project = self.server.tokens[self.headers["X-Subject-Token"]]
                self.answer(200, {"token": {"user": {"id": user}, "project": {"id": project}}})
            case "GET", ["roles"]:
                self.answer(200, {"roles": [{"id": "r-member"}]})
            case "GET", ["users" | "projects" as kind]:
                name = self.path.partition("name=")[2]
                kept = getattr(self.server, kind)
                self.answer(200, {kind: [{**kept[name], "name": name}] if name in kept else []})
            case "GET", ["projects", wanted]:
                found = [p for p in self.server.projects.values() if p["id"] == wanted]
                self.answer(200, {"project": found[0]}) if found else self.answer(404)
            case "POST", ["users" | "projects" as kind]:
                self._make(kind)
            case "PUT", _:
                self.answer(204)
            case "DELETE", ["users" | "projects" as kind, wanted]:
                kept = getattr(self.server, kind)
                for name in [n for n, one in kept.items() if one["id"] == wanted]:
                    del kept[name]
                self.answer(204)
            case _:
                self.answer(404)

    def _issue(self) -> None:
        asked = json.loads(self.sent)["auth"]
        user, project = asked["identity"]["password"]["user"], asked["scope"]["project"]["name"]
        known = self.server.users.get(user["name"])
        if known is None or known["password"] != user["password"] or project not in self.server.projects:
            self.answer(401)
            return
        token = uuid.uuid4().hex
        scope = self.server.projects[project]["id"]
        self.server.tokens[token] = (known["id"], scope)
        catalog = [
            {
                "type": kind,
                "endpoints": [{"interface": "public", "region": "here", "url": self.server.url + at}],
            }
            for kind, at in self.server.offered.items()
        ]
        body = {"user": {"id": known["id"]}, "project": {"id": scope}, "catalog": catalog}
        self.answer(201, {"token": body}, X_Subject_Token=token)

    def _make(self, kind: str) -> None:
        kept, single = getattr(self.server, kind), kind[:-1]
        declared = json.loads(self.sent)[single]
        if declared["name"] in kept:
            self.answer(409)
            return
        kept[declared["name"]] = {**declared, "id": f"{single}-{uuid.uuid4().hex}", "enabled": True}
        self.answer(201, {single: {"id": kept[declared["name"]]["id"]}})

    def _image(self, path: list[str]) -> None:
        images, content = self.server.images, self.server.content
        match self.command, path[1:]:
            case "GET", ["images"]:
                tag = self.path.partition("tag=")[2].partition("&")[0]
                self.answer(200, {"images": [i for i in images.values() if not tag or tag in i["tags"]]})
            case "POST", ["images"]:
                declared = {"tags": [], **json.loads(self.sent), "status": "queued"}
                images[declared["id"]] = declared
                self.answer(201, declared)
            case "PUT", ["images", wanted, "file"]:
                content[wanted] = self.sent
                images[wanted]["status"] = "active"
                self.answer(204)
            case "GET", ["images", wanted, "file"]:
                self.answer(200, content[wanted]) if wanted in content else self.answer(404)
            case "GET", ["images", wanted]:
                self.answer(200, images[wanted]) if wanted in images else self.answer(404)
            case "DELETE", ["images", wanted]:
                content.pop(wanted, None)
                self.answer(204 if images.pop(wanted, None) else 404)
            case _:
                self.answer(404)

    def _placement(self, path: list[str]) -> None:
        providers, inventories = self.server.providers, self.server.inventories
        match self.command, path[1:]:
            case "GET", []:
                wanted = self.path.partition("uuid=")[2]
                found = [p for p in providers.values() if wanted in {"", p["uuid"]}]
                self.answer(200, {"resource_providers": found})
            case "POST", []:
                declared = json.loads(self.sent)
                providers[declared["uuid"]] = declared
                self.answer(200, declared)
            case "GET", [wanted]:
                self.answer(200, providers[wanted]) if wanted in providers else self.answer(404)
            case "GET", [wanted, "inventories"]:
                held = inventories.get(wanted, {})
                self.answer(200, {"inventories": held, "resource_provider_generation": len(held)})
            case "PUT", [wanted, "inventories"]:
                inventories[wanted] = json.loads(self.sent)["inventories"]
                self.answer(200)
            case "DELETE", [wanted]:
                self.answer(204 if providers.pop(wanted, None) else 404)
            case _:
                self.answer(404)

    def _services(self, path: list[str]) -> None:
        """Source: compute API, os-services, from 2.53; block storage API v3, os-services."""
        nova = self.path.startswith("/compute/")
        kept = self.server.services["compute" if nova else "volume"]
        sent = json.loads(self.sent or b"{}")
        match self.command, path[path.index("os-services") + 1 :]:
            case "GET", []:
                asked = dict(parse_qsl(urlsplit(self.path).query))
                self.answer(200, {"services": [s for s in kept if asked.items() <= s.items()]})
            case "PUT", [wanted] if nova:
                if "compute 2.53" not in self.headers["OpenStack-API-Version"]:
                    self.answer(404)
                    return
                found = next(s for s in kept if s["id"] == wanted)
                if found["binary"] != "nova-compute":
                    self.answer(400)
                    return
                found |= {"disabled_reason": None, **sent}
                self.answer(200, {"service": found})
            case "PUT", [action]:
                found = next(s for s in kept if (s["host"], s["binary"]) == (sent["host"], sent["binary"]))
                reason = sent.get("disabled_reason")
                found |= {
                    "status": "enabled" if action == "enable" else "disabled",
                    "disabled_reason": reason,
                }
                self.answer(200, {})
            case _:
                self.answer(404)
