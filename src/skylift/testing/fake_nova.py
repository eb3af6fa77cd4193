"""Nova and Placement of the fake cloud: instances on its compute hosts, and migrations that take their time.

Hosts are those that nova-compute reports from. What Nova would not do, this does not: nothing is placed on
a host that is closed or down, nor where there is no room; a migration ends where it began if a host goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skylift.model.ids import HostName
from skylift.model.roster import ServiceReport
from skylift.testing.fake_builds import NOVA_COMPUTE
from skylift.testing.fake_moves import FakeMoves, FakeServer
from skylift.testing.fake_roster import DOWN_S

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

FLAVOR: dict[str, Any] = {
    "original_name": "tiny",
    "vcpus": 1,
    "ram": 128,
    "disk": 0,
    "ephemeral": 0,
    "swap": 0,
    "extra_specs": {},
}


class FakeNova:
    """What there is, by id; a test puts instances there with ``boot``."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self.servers: dict[str, FakeServer] = {}
        self.moves = FakeMoves(cloud, self.servers, self.takes)
        self.groups: dict[str, str] = {}
        """The policy of each server group."""
        self.slots = 16
        """Instances that a host has room for."""
        self.sick: set[HostName] = set()
        """Hosts that nothing can be booted on."""

    def boot(self, name: str, host: str, **more: Any) -> FakeServer:
        """An instance that runs."""
        self.servers[name] = FakeServer(name, HostName(host), changed_at=self._cloud.now, **more)
        return self.servers[name]

    def delete(self, name: str) -> None:
        """Its owner removes it."""
        server = self.servers[name]
        server.deleted, server.task_state, server.changed_at = True, None, self._cloud.now

    def on(self, host: HostName) -> list[FakeServer]:
        """What is on a host."""
        return [s for s in self.servers.values() if s.host == host and not s.deleted]

    def rows(self) -> dict[HostName, ServiceReport]:
        """What nova-compute of each host reported last."""
        return {HostName(row.host): row for row in self._cloud.roster.all() if row.service == NOVA_COMPUTE}

    def is_up(self, host: HostName) -> bool:
        """Whether its nova-compute is taken for up, which may be late to be true."""
        row = self.rows().get(host)
        return row is not None and not row.silent_for(self._cloud.now, DOWN_S)

    def takes(self, host: HostName) -> bool:
        """Whether the scheduler would place anything on a host."""
        row = self.rows().get(host)
        coming = sum(m.seen.target == host for m in self.moves.all if m.seen.under_way)
        return (
            row is not None and row.enabled and self.is_up(host) and len(self.on(host)) + coming < self.slots
        )

    def cut(self, host: HostName) -> None:
        """A host goes down, with what runs on it."""
        for server in self.on(host):
            server.boots += 1
