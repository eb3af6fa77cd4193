"""The fake cloud behind the ports of Nova and Placement, and of canaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from skylift.model.ids import Epoch, HostName
from skylift.model.marks import canary_name
from skylift.model.problem import Fix, Refused, Remedy, Transient
from skylift.ports import CanarySeen, Changes, ComputeSeen, MigrationSeen, Tell
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_moves import FakeServer
from skylift.testing.fake_nova import FLAVOR

_ANSWERS_S = 2
"""How long a canary takes to answer."""


class NovaRefuses(Refused):
    """Nova was asked for what an instance's state does not allow."""

    code = "fake.nova-refuses"

    def __init__(self, what: str) -> None:
        super().__init__(f"nova refused it: {what}", Remedy(Fix.REPAIR, "look at the instance"))


class NovaSilent(Transient):
    """Nova did not answer in time."""

    code = "fake.nova-silent"

    def __init__(self) -> None:
        super().__init__("nova did not answer in time", Remedy(Fix.RETRY, "ask again"))


@dataclass(frozen=True, slots=True)
class FakeCompute:
    """Nova and Placement; ``FakeCloud.blind`` makes that many of their answers miss."""

    cloud: FakeCloud

    def survey(self) -> ComputeSeen:
        self._reach()
        self.cloud.surveys["all"] += 1
        nova = self.cloud.nova
        hosts = list(nova.rows())
        room = {
            "VCPU": {"total": nova.slots, "reserved": 0, "allocation_ratio": 1.0},
            "MEMORY_MB": {"total": nova.slots * FLAVOR["ram"], "reserved": 0, "allocation_ratio": 1.0},
        }
        return ComputeSeen(
            servers=tuple(_server(s) for s in nova.servers.values() if not s.deleted),
            services=tuple(self._services()),
            aggregates=(),
            groups=self._groups(),
            providers=tuple({"uuid": f"rp-{host}", "name": str(host)} for host in hosts),
            inventories={f"rp-{host}": room for host in hosts},
            traits={f"rp-{host}": () for host in hosts},
        )

    def groups(self) -> tuple[dict[str, Any], ...]:
        self._reach()
        self.cloud.surveys["groups"] += 1
        return self._groups()

    def _groups(self) -> tuple[dict[str, Any], ...]:
        nova = self.cloud.nova
        return tuple(
            {
                "id": name,
                "policy": policy,
                "members": [s.id for s in nova.servers.values() if s.group == name and not s.deleted],
            }
            for name, policy in nova.groups.items()
        )

    def changes(self, since: Epoch) -> Changes:
        self._reach()
        servers = self.cloud.nova.servers.values()
        return Changes(
            tuple(self._services()),
            tuple(_server(s) for s in servers if s.changed_at >= since),
            tuple(move.seen for move in self.cloud.nova.moves.all if move.seen.under_way),
        )

    def migrations(self, instance: str) -> tuple[MigrationSeen, ...]:
        self._reach()
        found = [move.seen for move in self.cloud.nova.moves.all if move.seen.instance == instance]
        return tuple(reversed(found))

    def migrate(self, instance: str, target: HostName, *, live: bool) -> None:
        server = self._idle(instance)
        if target == server.host or target not in self.cloud.nova.rows():
            raise NovaRefuses(f"{instance} cannot be moved to {target}")
        if live and server.vm_state not in {"active", "paused"}:
            raise NovaRefuses(f"{instance} is {server.vm_state}, and is not moved live")
        self.cloud.nova.moves.begin(server, target, live=live)
        self.cloud.answer("compute.migrate", server.host)

    def abort(self, instance: str, migration: str) -> None:
        self._reach()
        going = [move for move in self.cloud.nova.moves.going(instance) if move.seen.id == migration]
        if not going or not going[0].seen.live:
            raise NovaRefuses(f"{instance} has no live migration {migration} that could be ended")
        self.cloud.nova.moves.abort(going[0])
        self.cloud.answer("compute.abort", instance)

    def tell(self, instance: str, word: Tell) -> None:
        server = self._idle(instance)
        wanted = {Tell.CONFIRM: "resized", Tell.STOP: "active", Tell.START: "stopped"}[word]
        if server.vm_state != wanted:
            raise NovaRefuses(f"{instance} is {server.vm_state}, and cannot be told to {word.value}")
        if word is Tell.CONFIRM:
            self.cloud.nova.moves.confirm(next(self.cloud.nova.moves.going(instance)))
        else:
            server.vm_state = "stopped" if word is Tell.STOP else "active"
            server.boots += word is Tell.START
            server.changed_at = self.cloud.now
        self.cloud.answer("compute.tell", server.host)

    def _idle(self, instance: str) -> FakeServer:
        self._reach()
        server = self.cloud.nova.servers.get(instance)
        if server is None or server.deleted:
            raise NovaRefuses(f"there is no instance {instance}")
        if server.task_state is not None:
            raise NovaRefuses(f"{instance} is {server.task_state}")
        return server

    def _reach(self) -> None:
        self.cloud.reach(self.cloud.record.vantage.host)
        if self.cloud.blind > 0:
            self.cloud.blind -= 1
            raise NovaSilent

    def _services(self) -> list[dict[str, Any]]:
        return [
            {
                "id": row.id,
                "binary": "nova-compute",
                "host": str(host),
                "zone": "nova",
                "status": "enabled" if row.enabled else "disabled",
                "state": "up" if self.cloud.nova.is_up(host) else "down",
                "disabled_reason": row.reason or None,
                "forced_down": False,
            }
            for host, row in self.cloud.nova.rows().items()
        ]


@dataclass(frozen=True, slots=True)
class FakeCanaries:
    """Servers of ours; on a host that is sick they end in error."""

    cloud: FakeCloud

    def place(self, label: str, host: HostName) -> CanarySeen:
        self.cloud.reach(self.cloud.record.vantage.host)
        nova, name = self.cloud.nova, canary_name(label, host)
        if name not in nova.servers or nova.servers[name].deleted:
            fits = host not in nova.sick and nova.takes(host)
            nova.boot(name, host, ours=True, vm_state="active" if fits else "error")
        if nova.servers[name].vm_state == "error":
            raise NovaRefuses(f"the canary on {host} ended in ERROR: no valid host was found")
        self.cloud.answer("canaries.place", host)
        return self._seen(nova.servers[name])

    def look(self, label: str, host: HostName) -> CanarySeen | None:
        self.cloud.reach(self.cloud.record.vantage.host)
        server = self.cloud.nova.servers.get(canary_name(label, host))
        return None if server is None or server.deleted else self._seen(server)

    def remove(self, label: str, host: HostName) -> None:
        self.cloud.reach(self.cloud.record.vantage.host)
        if self.look(label, host) is not None:
            self.cloud.nova.delete(canary_name(label, host))
        self.cloud.answer("canaries.remove", host)

    def _seen(self, server: FakeServer) -> CanarySeen:
        if server.vm_state == "error":
            return CanarySeen("the server is ERROR", answered=False)
        answers = self.cloud.now - server.changed_at >= _ANSWERS_S
        return CanarySeen("" if answers else "it does not answer yet", answered=answers)


def _server(server: FakeServer) -> dict[str, Any]:
    return {
        **({"name": server.id, "ours": server.ours} if server.id.startswith("skylift-") else {}),
        "id": server.id,
        "tenant_id": "users" if not server.ours else "admin",
        "status": "DELETED" if server.deleted else server.vm_state.upper(),
        "image": True,
        "flavor": FLAVOR,
        "OS-EXT-SRV-ATTR:host": str(server.host),
        "OS-EXT-STS:vm_state": "deleted" if server.deleted else server.vm_state,
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-AZ:availability_zone": "nova",
        "pinned_availability_zone": server.zone,
        "metadata": {},
        "tags": list(server.tags),
    }
