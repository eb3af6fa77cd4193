"""Migrations of the fake cloud: each takes its time, and ends where it began if one of its hosts goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from skylift.model.ids import Epoch, HostName
from skylift.ports import MigrationSeen

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

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
    stuck: int = 0
    """Live migrations of it that do not end by themselves: each must be ended."""
    ours: bool = False
    """Whether it is a canary."""


@dataclass(slots=True)
class FakeMove:
    """One migration."""

    seen: MigrationSeen
    ends_at: float


class FakeMoves:
    """Every migration, oldest first."""

    def __init__(
        self, cloud: FakeCloud, servers: Mapping[str, FakeServer], takes: Callable[[HostName], bool]
    ) -> None:
        self._cloud, self._servers, self._takes = cloud, servers, takes
        self.all: list[FakeMove] = []

    def going(self, name: str) -> Iterator[FakeMove]:
        """The migration of an instance that goes on, if one does."""
        return (move for move in self.all if move.seen.instance == name and move.seen.under_way)

    def begin(self, server: FakeServer, target: HostName, *, live: bool) -> None:
        """Begin to move an instance, or let that fail at once, as the scheduler does."""
        self._cloud.deed(server.host, f"migrate {server.id} to {target}")
        fits = self._takes(target)
        seen = MigrationSeen(
            id=str(len(self.all) + 1),
            instance=server.id,
            source=server.host,
            target=target,
            live=live,
            resize=False,
            status=(_BEGINS if live else "pre-migrating") if fits else "error",
            began_at=Epoch(self._cloud.now),
        )
        self.all.append(FakeMove(seen, self._cloud.now + MOVE_S))
        if fits:
            self._change(server, "migrating" if live else "resize_migrating")

    def pass_moment(self) -> None:
        """Let migrations go on, and end those whose time has come or whose hosts have gone."""
        for move in self.all:
            if not move.seen.under_way or move.seen.awaits_confirmation:
                continue
            server, target = self._servers[move.seen.instance], move.seen.target
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

    def abort(self, move: FakeMove) -> None:
        """End a live migration: its instance runs on where it is."""
        server = self._servers[move.seen.instance]
        server.stuck = max(server.stuck - 1, 0)
        self._end(move, "cancelled")

    def confirm(self, move: FakeMove) -> None:
        """Let a cold one be over."""
        move.seen = replace(move.seen, status="confirmed")
        server = self._servers[move.seen.instance]
        server.vm_state = "active" if server.boots else "stopped"
        self._change(server, None)

    def _arrive(self, move: FakeMove, target: HostName) -> None:
        server = self._servers[move.seen.instance]
        server.host, server.moves = target, server.moves + 1
        if move.seen.live:
            self._end(move, "completed")
            return
        move.seen = replace(move.seen, status="finished")
        server.boots += server.vm_state == "active"
        server.vm_state = "resized"
        self._change(server, None)

    def _end(self, move: FakeMove, status: str) -> None:
        move.seen = replace(move.seen, status=status, left_mib=None)
        self._change(self._servers[move.seen.instance], None)

    def _change(self, server: FakeServer, task: str | None) -> None:
        server.task_state, server.changed_at = task, self._cloud.now
