"""What stands in for nova, neutron, cinder and heat: work that is accepted now and done after a few looks."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

CORE = {
    "compute": "/compute/v2.1",
    "network": "/network",
    "block-storage": "/volume/v3",
    "orchestration": "/stack/v1",
}
"""Service type and path of each, as ``ApiStandIn.offered`` has them."""

Said = tuple[int, object]
Thing = dict[str, Any]

_NOT_FOUND = (404, {"error": "not found"})
_SINGLES = {
    "servers": "server",
    "volumes": "volume",
    "stacks": "stack",
    "ports": "port",
    "networks": "network",
    "subnets": "subnet",
    "routers": "router",
    "security-groups": "security_group",
    "security-group-rules": "security_group_rule",
}
_BEGIN = {"servers": ("BUILD", "ACTIVE"), "volumes": ("creating", "available")}
_STACK = "stack_status"


@dataclass
class CoreApis:
    """Things by kind and id. What was accepted has come about when it was looked at ``looks`` times."""

    looks: int = 2
    things: dict[str, dict[str, Thing]] = field(default_factory=lambda: {kind: {} for kind in _SINGLES})
    flavors: list[Thing] = field(default_factory=lambda: [_flavor("small", 512, 1), _flavor("tiny", 64, 0)])
    boots_end: str = "ACTIVE"
    """What new servers end in; ``BUILD`` if they never end."""
    host: str | None = "cmp1"
    """The host that new servers are on; none if nobody ever places them."""
    volumes_end: str = "available"
    """What new volumes end in."""
    stacks_end: str = "CREATE_COMPLETE"
    """What new stacks end in."""
    removed: bool = True
    """Whether what is deleted is gone in the end."""
    address: str = "127.0.0.1"
    """Of every port."""

    def add(self, kind: str, **fields: Any) -> str:
        """Put a thing there, as if somebody had made it long ago; its id."""
        made = {"id": str(uuid.uuid4()), "name": "", "status": "ACTIVE", "attachments": [], **fields}
        self.things[kind][made["id"]] = made
        return str(made["id"])

    def serve(self, method: str, target: str, sent: bytes) -> Said:
        """Status and document of the answer to one request."""
        asked = urlsplit(target)
        names = [n for n in asked.path.split("/") if n][2:]
        query = {key: values[0] for key, values in parse_qs(asked.query).items()}
        body = json.loads(sent) if sent else {}
        match method, names:
            case "GET", ["flavors", "detail"]:
                return 200, {"flavors": self.flavors}
            case "GET", [kind] | [kind, "detail"] if kind in self.things:
                return 200, {kind.replace("-", "_"): self._listed(kind, query)}
            case "POST", [kind] if kind in self.things:
                return self._make(kind, body)
            case "GET", [kind, wanted] | [kind, _, wanted] if kind in self.things:
                return self._show(kind, wanted)
            case "DELETE", [kind, wanted] | [kind, _, wanted] if kind in self.things:
                return self._delete(kind, wanted)
            case "POST", ["servers", server, "os-volume_attachments"]:
                return self._attach(server, body["volumeAttachment"]["volumeId"])
            case "DELETE", ["servers", server, "os-volume_attachments", volume]:
                return self._detach(server, volume)
            case "PUT", ["routers", router, verb]:
                return self._join(router, body.get("subnet_id", ""), joins=verb == "add_router_interface")
            case _:
                return _NOT_FOUND

    def settle(self) -> None:
        """Let everything that was accepted come about."""
        for kind, things in self.things.items():
            for thing in [thing for thing in things.values() if "ends" in thing]:
                _end(kind, self.things[kind], thing)

    def _look(self, kind: str, wanted: str) -> None:
        thing = self.things[kind].get(wanted, {})
        thing["looked"] = thing.get("looked", 0) + 1
        if thing["looked"] >= self.looks and "ends" in thing:
            _end(kind, self.things[kind], thing)

    def _listed(self, kind: str, query: dict[str, str]) -> list[Thing]:
        for wanted in list(self.things[kind]):
            self._look(kind, wanted)
        listed = []
        for thing in self.things[kind].values():
            name = str(thing.get("stack_name", thing["name"]))
            wanted = query.get("name", "").strip("^$")
            fits = wanted in name and query.get("device_id", "") in str(thing.get("device_id", ""))
            listed += [thing] if fits else []
        return listed

    def _make(self, kind: str, body: Thing) -> Said:
        single = _SINGLES[kind]
        declared = body if kind == "stacks" else body[single]
        thing = {"status": "ACTIVE", **declared, "id": str(uuid.uuid4()), "looked": 0}
        if kind in _BEGIN:
            thing["status"], thing["ends"] = _BEGIN[kind]
        if kind == "servers" and not self._place(thing):
            return 400, {"error": "a volume of it is not available"}
        if kind == "volumes":
            thing |= {"attachments": [], "ends": self.volumes_end}
        if kind == "ports":
            thing |= {"fixed_ips": [{"ip_address": self.address}], "device_id": ""}
        if kind == "stacks":
            thing |= {_STACK: "CREATE_IN_PROGRESS", "ends": self.stacks_end, "name": declared["stack_name"]}
            thing["outputs"] = [{"output_key": "kept", "output_value": uuid.uuid4().hex}]
        self.things[kind][thing["id"]] = thing
        return (202 if kind in _BEGIN else 201), {single: thing}

    def _place(self, server: Thing) -> bool:
        """Give a server its volume and its port; nova refuses one whose volume is not there yet."""
        server |= {"ends": self.boots_end, "OS-EXT-SRV-ATTR:host": self.host}
        server["fault"] = {"message": "no valid host was found"} if self.boots_end == "ERROR" else {}
        for network in server["networks"] if server["networks"] != "none" else ():
            if "port" in network:
                self.things["ports"][network["port"]]["device_id"] = server["id"]
        taken = [d["uuid"] for d in server.get("block_device_mapping_v2", ()) if d["source_type"] == "volume"]
        return all(self._attach(server["id"], volume)[0] == HTTPStatus.OK for volume in taken)

    def _show(self, kind: str, wanted: str) -> Said:
        self._look(kind, wanted)
        thing = self.things[kind].get(wanted)
        return (200, {_SINGLES[kind]: thing}) if thing else _NOT_FOUND

    def _delete(self, kind: str, wanted: str) -> Said:
        thing = self.things[kind].get(wanted)
        if thing is None:
            return _NOT_FOUND
        if kind == "volumes" and (thing["attachments"] or "ends" in thing):
            return 400, {"error": f"the volume is {thing['status']}"}
        if kind in {*_BEGIN, "stacks"}:
            thing["looked"] = 0
            if self.removed:
                thing["ends"] = "gone"
        else:
            del self.things[kind][wanted]
        if kind == "networks":
            subnets = self.things["subnets"]
            self.things["subnets"] = {i: s for i, s in subnets.items() if s["network_id"] != wanted}
        if kind == "servers":
            for volume in self.things["volumes"].values():
                if volume["attachments"] and volume["attachments"][0]["server_id"] == wanted:
                    volume |= {"looked": 0, "status": "detaching", "ends": "available", "attachments": []}
        return (202 if kind == "volumes" else 204), None

    def _attach(self, server: str, volume: str) -> Said:
        thing = self.things["volumes"][volume]
        if thing["status"] != "available":
            return 400, {"error": f"the volume is {thing['status']}"}
        thing |= {"looked": 0, "status": "attaching", "ends": "in-use"}
        thing["attachments"] = [{"server_id": server, "volume_id": volume}]
        return 200, {"volumeAttachment": {"volumeId": volume}}

    def _detach(self, server: str, volume: str) -> Said:
        thing = self.things["volumes"][volume]
        if not [a for a in thing["attachments"] if a["server_id"] == server]:
            return _NOT_FOUND
        thing |= {"looked": 0, "status": "detaching", "ends": "available", "attachments": []}
        return 202, None

    def _join(self, router: str, subnet: str, *, joins: bool) -> Said:
        ports = self.things["ports"]
        if joins:
            self.add("ports", device_id=router, fixed_ips=[{"subnet_id": subnet}])
        else:
            for port in [p for p in ports.values() if p.get("device_id") == router]:
                del ports[port["id"]]
        return 200, {"id": router, "subnet_id": subnet}


def _end(kind: str, things: dict[str, Thing], thing: Thing) -> None:
    """Let what was accepted for a thing come about."""
    ends = thing.pop("ends")
    if ends == "gone":
        del things[thing["id"]]
    else:
        thing[_STACK if kind == "stacks" else "status"] = ends


def _flavor(name: str, ram: int, disk: int) -> Thing:
    return {"id": name, "name": name, "ram": ram, "vcpus": 1, "disk": disk}
