"""Users who boot servers on the fake cloud: one is lost if its nova-compute is stopped while it is built.

What is sent to a service that does not run waits for it, as messages in a queue do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skylift.model.cloud import UnitState
from skylift.model.ids import ComponentName, Epoch, HostName, ServiceName
from skylift.model.roster import ServiceReport
from skylift.model.work import EXAMPLES, InHand, Piece

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

NOVA_COMPUTE = ServiceName("nova-compute")
ON_ITS_WAY_S = 2
"""From the choice of a host until the build begins there."""
BUILD_S = 7


@dataclass(slots=True)
class FakeBuild:
    """One server that a user asked for."""

    id: str
    host: HostName
    """The one that was chosen for it."""
    asked_at: Epoch
    ends_at: float | None = None
    """None until its build has begun."""
    lost: bool = False

    def in_hand(self, now: Epoch) -> bool:
        """Whether it is being built."""
        return self.ends_at is not None and now < self.ends_at and not self.lost


class FakeBuilds:
    """Every server that was asked for, and what became of it."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self.every_s = 0
        """How often a user asks for one; 0 for never."""
        self.all: list[FakeBuild] = []
        self.unplaced = 0
        """Servers for which there was no host."""
        self.busy: dict[str, InHand] = {}
        """What another service has in hand until somebody ends it, by the id of its row."""

    @property
    def lost(self) -> list[FakeBuild]:
        """What was being built when its service was stopped."""
        return [build for build in self.all if build.lost]

    @property
    def built(self) -> list[FakeBuild]:
        """What users got."""
        return [b for b in self.all if b.ends_at is not None and b.ends_at <= self._cloud.now and not b.lost]

    def ask(self, host: HostName) -> FakeBuild:
        """A server that a scheduler has chosen ``host`` for just now."""
        self.all.append(FakeBuild(f"vm{len(self.all)}", host, self._cloud.now))
        return self.all[-1]

    def pass_moment(self) -> None:
        """Let a user ask, if it is time for that, and builds begin."""
        now = self._cloud.now
        if self.every_s and now % self.every_s == 0:
            self._schedule()
        for build in self.all:
            if build.ends_at is None and now - build.asked_at >= ON_ITS_WAY_S and self._runs(build.host):
                build.ends_at = now + BUILD_S

    def cut(self, host: HostName) -> None:
        """End nova-compute on a host, with what it builds."""
        for build in self.all:
            if build.host == host and build.in_hand(self._cloud.now):
                build.lost = True

    def of(self, row: ServiceReport, promised_before: Epoch | None) -> Iterator[InHand]:
        """What the service that wrote ``row`` builds, and what nobody has begun and was asked for before."""
        if row.id in self.busy:
            yield self.busy[row.id]
        if row.service != NOVA_COMPUTE:
            return
        own = [b for b in self.all if row.is_from(b.host) and b.in_hand(self._cloud.now)]
        waiting = [
            build
            for build in self.all
            if build.ends_at is None and (promised_before is None or build.asked_at < promised_before)
        ]
        for state, builds in (("spawning", own), ("scheduling", waiting)):
            oldest = tuple(Piece(build.id, build.asked_at) for build in builds[:EXAMPLES])
            if builds:
                yield InHand(ComponentName("nova"), row.database, "server", state, len(builds), oldest)

    def _schedule(self) -> None:
        entry = self._cloud.record.services[NOVA_COMPUTE]
        hosts = [host.name for host in self._cloud.record.hosts_in(entry.role)]
        free = [host for host in hosts if self._cloud.roster.takes_work((NOVA_COMPUTE, host))]
        if free:
            self.ask(free[len(self.all) % len(free)])
        else:
            self.unplaced += 1

    def _runs(self, host: HostName) -> bool:
        entry = self._cloud.record.services[NOVA_COMPUTE]
        return self._cloud.is_up(host) and self._cloud.hosts[host].units[entry.unit].state is UnitState.ACTIVE
