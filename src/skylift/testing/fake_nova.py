"""Nova and Placement of the fake cloud: instances on its compute hosts, and migrations that take their time.

Hosts are those that nova-compute reports from. What Nova would not do, this does not: nothing is placed on
a host that is closed or down, nor where there is no room; a migration ends where it began if a host goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from skylift.model.ids import Epoch, HostName
from skylift.model.roster import ServiceReport
from skylift.ports import MigrationSeen
from skylift.testing.fake_builds import NOVA_COMPUTE
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
MOVE_S = 8
"""How long a migration takes."""
_GOES, _BEGINS = "running", "queued"


@dataclass(slots=True)
class FakeServer:
    """One instance."""

    id: str
    host: HostName
    vm_state: str = "active"
    task_state: str | None = None
    changed_at: float = 0.0
    tags: tuple[str, ...] = ()
    zone: str | None = None
    group: str = ""
    deleted: bool = False
    moves: int = 0
    """How often it came to another host."""
    boots: int = 1
    """How often its guest was started: a live migration is none."""
    fails: int = 0
    """Migrations of it that are yet to fail."""
    stuck: bool = False
    """Whether its live migrations never end by themselves."""
    ours: bool = False
    """Whether it is a canary."""


@dataclass(slots=True)
class _Move:
    seen: MigrationSeen
    ends_at: float


class FakeNova:
    """What there is, by id; a test puts instances there with ``boot``."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self.servers: dict[str, FakeServer] = {}
        self.moves: list[_Move] = []
        """Every migration, oldest first."""
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
        coming = sum(m.seen.target == host for m in self.moves if m.seen.under_way)
        return row is not None and row.enabled and self.is_up(host) and len(self.on(host)) + coming < self.slots

    def going(self, name: str) -> Iterator[_Move]:
        """The migration of an instance that goes on, if one does."""
        return (move for move in self.moves if move.seen.instance == name and move.seen.under_way)

    def begin(self, server: FakeServer, target: HostName, *, live: bool) -> None:
        """Begin to move an instance, or let that fail at once, as the scheduler does."""
        self._cloud.deed(server.host, f"migrate {server.id} to {target}")
        fits = self.takes(target)
        seen = MigrationSeen(
            id=str(len(self.moves) + 1),
            instance=server.id,
            source=server.host,
            target=target,
            live=live,
            resize=False,
            status=(_BEGINS if live else "pre-migrating") if fits else "error",
            began_at=Epoch(self._cloud.now),
        )
        self.moves.append(_Move(seen, self._cloud.now + MOVE_S))
        if fits:
            self._change(server, "migrating" if live else "resize_migrating")

    def pass_moment(self) -> None:
        """Let migrations go on, and end those whose time has come or whose hosts have gone."""
        for move in self.moves:
            if not move.seen.under_way or move.seen.awaits_confirmation:
                continue
            server, target = self.servers[move.seen.instance], move.seen.target
            hosts = [move.seen.source, *([target] if target else [])]
            if server.deleted or not all(self._cloud.is_up(host) for host in hosts):
                self._end(move, "error")
            elif move.seen.live and server.stuck:
                move.seen = replace(move.seen, status=_GOES, left_mib=64)
            elif move.ends_at <= self._cloud.now and server.fails:
                server.fails -= 1
                self._end(move, "failed")
            elif move.ends_at <= self._cloud.now and target:
                self._arrive(move, target)
            elif move.seen.live:
                left = max(int(move.ends_at - self._cloud.now) * 16, 0)
                move.seen = replace(move.seen, status=_GOES, left_mib=left)

    def cut(self, host: HostName) -> None:
        """A host goes down, with what runs on it."""
        for server in self.on(host):
            server.boots += 1

    def abort(self, move: _Move) -> None:
        """End a live migration: its instance runs on where it is."""
        self._end(move, "cancelled")

    def confirm(self, move: _Move) -> None:
        """Let a cold one be over."""
        move.seen = replace(move.seen, status="confirmed")
        server = self.servers[move.seen.instance]
        server.vm_state = "active" if server.boots else "stopped"
        self._change(server, None)

    def _arrive(self, move: _Move, target: HostName) -> None:
        server = self.servers[move.seen.instance]
        server.host, server.moves = target, server.moves + 1
        if move.seen.live:
            self._end(move, "completed")
            return
        move.seen = replace(move.seen, status="finished")
        server.boots += server.vm_state == "active"
        server.vm_state = "resized"
        self._change(server, None)

    def _end(self, move: _Move, status: str) -> None:
        move.seen = replace(move.seen, status=status, left_mib=None)
        self._change(self.servers[move.seen.instance], None)

    def _change(self, server: FakeServer, task: str | None) -> None:
        server.task_state, server.changed_at = task, self._cloud.now
