"""A core cloud as its users have it: asked over its APIs, its guests reached from the client host."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from skylift.gate.lab.commands import poll
from skylift.gate.lab.configure import cloud_facts
from skylift.gate.lab.host import VIP, Lab, LabHost, LabProblem, run
from skylift.gate.lab.openstack import IDENTITY_URL

NOVA = f"http://{VIP}:8774/v2.1"
NEUTRON = f"http://{VIP}:9696/v2.0"
CINDER = f"http://{VIP}:8776/v3"
HEAT = f"http://{VIP}:8004/v1"
GLANCE = f"http://{VIP}:9292/v2"
DASHBOARD = f"http://{VIP}:8080"

_ANSWER_S = 90
_BUILD_S = 420
"""Emulated guests on a machine that does much else."""
_UNDER_WAY = {"build", "creating", "reserved", "attaching", "backing-up", "migrating"}


class CoreCloud:
    """The administrator of a core cloud, and what she makes there."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._token = ""
        self._project = ""

    @property
    def project(self) -> str:
        """The id of the project that all of it is made in."""
        self._log_in()
        return self._project

    def ask(self, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object that ``url`` answers; empty if it answers nothing.

        Raises:
            LabProblem: it answered with an error status, or not at all.
        """
        self._log_in()
        return self._answer(method, url, body)[0]

    def boot(self, name: str, *, zone: str, networks: list[dict[str, str]]) -> str:
        """The id of a new server of the guests' image; ``zone`` may name a host: ``real:cmp1``."""
        (image,) = self.ask("GET", f"{GLANCE}/images?name=guest")["images"]
        wanted = {
            "name": name,
            "imageRef": image["id"],
            "flavorRef": "tiny",
            "availability_zone": zone,
            "networks": networks,
        }
        return str(self.ask("POST", f"{NOVA}/servers", {"server": wanted})["server"]["id"])

    def servers(self) -> dict[str, str]:
        """The ids of all servers, by name."""
        return {one["name"]: one["id"] for one in self.ask("GET", f"{NOVA}/servers")["servers"]}

    def port(self, network: str, *, address: str = "") -> dict[str, Any]:
        """A new port; one with an ``address`` of 10.78.X.Y has the MAC that a guest takes it from."""
        wanted: dict[str, Any] = {"network_id": network, "port_security_enabled": False}
        if address:
            x, y = (int(part) for part in address.split(".")[2:])
            wanted |= {
                "mac_address": f"fa:16:3e:4e:{x:02x}:{y:02x}",
                "fixed_ips": [{"ip_address": address}],
            }
        made: dict[str, Any] = self.ask("POST", f"{NEUTRON}/ports", {"port": wanted})["port"]
        return made

    def network(self, name: str) -> str:
        """The id of a network."""
        (found,) = self.ask("GET", f"{NEUTRON}/networks?name={name}")["networks"]
        return str(found["id"])

    def settled(self, url: str, kind: str, *, limit_s: int = _BUILD_S) -> str:
        """The status of what ``url`` shows, once nothing works on it any more, or ``limit_s`` has passed."""
        seen: list[str] = []

        def at_rest() -> bool:
            thing = self.ask("GET", url)[kind]
            seen.append(str(thing.get("stack_status") or thing["status"]))
            # A server may show ERROR for a moment while its nova-compute starts.
            once = seen[-1] == "ERROR" and seen.count("ERROR") == 1
            return not (once or seen[-1].lower() in _UNDER_WAY or seen[-1].endswith("_IN_PROGRESS"))

        poll(at_rest, limit_s=limit_s, every_s=3)
        return seen[-1]

    def counter(self, address: str) -> int:
        """How far the guest at ``address`` has counted, told to the client host.

        Raises:
            LabProblem: it tells nothing.
        """
        return int(run(self.lab.client, f"curl -fsS --max-time 20 http://{address}/counter", timeout_s=60))

    def counts(self, address: str, *, limit_s: int = _BUILD_S) -> bool:
        """Whether the guest at ``address`` counts on."""
        seen: list[int] = []

        def further() -> bool:
            try:
                seen.append(self.counter(address))
            except LabProblem:
                return False
            return seen[-1] > seen[0]

        return poll(further, limit_s=limit_s, every_s=2)

    def _log_in(self) -> None:
        if self._token:
            return
        domain = {"id": "default"}
        user = {"name": "admin", "domain": domain, "password": cloud_facts(self.lab).passwords.admin}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": "admin", "domain": domain}}
        body = {"auth": {"identity": identity, "scope": scope}}
        told, head = self._answer("POST", f"{IDENTITY_URL}/auth/tokens", body)
        self._project = str(told["token"]["project"]["id"])
        self._token = head["x-subject-token"]

    def _answer(
        self, method: str, url: str, body: dict[str, Any] | None
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """The answer's object and its headers; nothing secret stands in the command's words."""
        asked = {"url": url, "request": method, "header": "Content-Type: application/json"}
        lines = [f"{key} = {json.dumps(value)}" for key, value in asked.items()]
        if self._token:
            lines += [
                f'header = "X-Auth-Token: {self._token}"',
                'header = "X-OpenStack-Nova-API-Version: 2.79"',
            ]
        if body is not None:
            lines.append(f"data = {json.dumps(json.dumps(body))}")
        words = [
            "curl",
            "--silent",
            "--show-error",
            "--include",
            "--max-time",
            str(_ANSWER_S),
            "--config",
            "-",
        ]
        ended = subprocess.run(
            ["nsenter", f"--net={self.lab.namespace}", *words],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            check=False,
        )
        head, _, content = ended.stdout.replace("\r", "").partition("\n\n")
        status, *rest = head.splitlines() or ["nothing"]
        if ended.returncode != 0 or status.split()[1][:1] != "2":
            raise LabProblem(f"{method} {url}: {status} {content[:500]}{ended.stderr}")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        return (json.loads(content) if content.startswith("{") else {}), headers


def running_guests(cloud: CoreCloud, wanted: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """By name, the ids of guests, booted if they are not there; each counts.

    ``wanted`` has by name the host that each is booted on, and its address.
    """
    network, there = cloud.network("provider"), cloud.servers()
    for name, (host, address) in wanted.items():
        if name not in there:
            port = cloud.port(network, address=address)
            there[name] = cloud.boot(name, zone=f"real:{host}", networks=[{"port": port["id"]}])
    for name, (_, address) in wanted.items():
        assert cloud.settled(f"{NOVA}/servers/{there[name]}", "server") == "ACTIVE", name
        assert cloud.counts(address), f"{name} at {address} does not count"
    return {name: there[name] for name in wanted}


def console(cloud: CoreCloud, server: str) -> str:
    """The end of what a server wrote on its console: where it hangs, its kernel says why."""
    asked = {"os-getConsoleOutput": {"length": 40}}
    return str(cloud.ask("POST", f"{NOVA}/servers/{server}/action", asked)["output"])


def answers_ping(client: LabHost, address: str) -> bool:
    """Whether ``address`` answers the client host at last."""
    return comes_true(client, f"ping -c 1 -W 2 {address} >/dev/null")


def comes_true(host: LabHost, script: str) -> bool:
    """Whether ``script`` on ``host`` ends well at last."""

    def asked() -> bool:
        try:
            run(host, script, timeout_s=60)
        except LabProblem:
            return False
        return True

    return poll(asked, limit_s=_BUILD_S, every_s=2)
