"""The fake cloud's message bus: a node on each of its hosts, and whatever queues a test puts there."""

from __future__ import annotations

from dataclasses import dataclass

from skylift.model.bus import BusSeen
from skylift.ports.broker import QUEUES_MAX
from skylift.ports.hosts import HostUnreachable
from skylift.testing.fake_cloud import FakeCloud


@dataclass(frozen=True, slots=True)
class FakeBroker:
    """Brokers that run as long as their hosts do."""

    cloud: FakeCloud

    def look(self) -> BusSeen:
        entry = self.cloud.record.broker
        hosts = [host.name for host in self.cloud.record.hosts_in(entry.role if entry else "")]
        answering = [h for h in hosts if self.cloud.is_up(h) and self.cloud.hosts[h].reachable]
        if not answering:
            raise HostUnreachable(hosts[0] if hosts else self.cloud.controllers[0].name, "no broker answers")
        return BusSeen(
            members=frozenset(f"rabbit@{host}" for host in hosts),
            running=frozenset(f"rabbit@{host}" for host in hosts if self.cloud.is_up(host)),
            partitions={},
            alarms=(),
            stopped=dict(self.cloud.stopped_vhosts),
            queues=tuple(self.cloud.queues[:QUEUES_MAX]),
        )
