"""A whole cloud in memory, behind all ports at once, so that no two fakes can disagree.

Time passes only when a test calls ``pass_time``. Users ask each API all the while: ``failed`` has every
request that got no good answer, and ``deeds`` everything that was really done, twice if done twice.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from skylift.catalog.catalog import load
from skylift.model.bus import QueueSeen
from skylift.model.cloud import UnitState
from skylift.model.ids import Epoch, HostName
from skylift.model.problem import Uncertain
from skylift.model.record import Artifact, Record, ServiceEntry
from skylift.model.release import Release
from skylift.model.schema import SchemaHead
from skylift.model.work import InHand
from skylift.ports import Ended, Running
from skylift.ports.hosts import HostUnreachable
from skylift.testing.fake_builds import FakeBuilds
from skylift.testing.fake_ceph import FakeCeph
from skylift.testing.fake_disks import FakeVolumesOfHosts
from skylift.testing.fake_neutron import FakeNeutron
from skylift.testing.fake_nova import FakeNova
from skylift.testing.fake_roster import FakeRoster
from skylift.testing.fake_schemas import FakeSchemas
from skylift.testing.fake_stacks import FakeStacks
from skylift.testing.fake_state import Deed, FailedRequest, FakeHost, FakeProbes, FakeUnit
from skylift.testing.fake_stores import FakeStores
from skylift.testing.fake_traffic import FakeTraffic
from skylift.testing.fake_work import run_host, run_unit
from skylift.testing.samples import NOW, ROWS

MOMENT_S = 1
"""The grain of time."""
BOOT_S = 30


class FakeCloud:
    """A cloud that is whole at one release, as ``record`` declares it."""

    def __init__(self, record: Record, *, release: Release | None = None) -> None:
        self.record = record
        self.known = load(record.catalog).components
        self.now = NOW
        self.controllers = record.hosts_in(record.balancer.role)
        self.hosts = {name: FakeHost(name) for name in record.hosts}
        self.schemas = FakeSchemas(self)
        self.rows: dict[str, frozenset[str]] = {}
        self.broken: set[PurePosixPath] = set()
        """Paths of artifacts whose services end as soon as they start."""
        self.died = UnitState.FAILED
        """What a unit is whose service ended so: activating if systemd is told to start it for ever."""
        self.upgrade_check_code = 0
        self.leads_to: dict[tuple[str, ...], tuple[SchemaHead, ...]] = {}
        """Commands that end well here whatever they would do elsewhere, with the schemas that they leave."""
        self.queues: list[QueueSeen] = []
        """Queues of the message bus that somebody should know of."""
        self.stopped_vhosts: dict[str, tuple[str, ...]] = {}
        """By virtual host of the message bus, the nodes on which it does not run."""
        self.in_hand: list[InHand] = []
        """What users asked for and services have not ended."""
        self.deeds: list[Deed] = []
        self.backups: dict[tuple[HostName, PurePosixPath], Epoch] = {}
        """When each dump was finished, by its path."""
        self.witnesses: dict[str, bool] = {}
        """Whether those of each label are intact."""
        self.probes: dict[str, FakeProbes] = {}
        self._lost: Counter[str] = Counter()
        self.pids = 1000
        """The newest process on any host."""
        self.roster = FakeRoster(self)
        for entry in record.components.values():
            artifact = (record.artifact_for(release) if release else None) or record.artifact_of(entry.name)
            rows = ROWS.get(artifact.release, {}).get(entry.name, frozenset())
            self.rows |= dict.fromkeys(entry.databases.values(), rows)
            for service in entry.services.values():
                for host in record.hosts_in(service.role):
                    self._install(self.hosts[host.name], service, artifact)
        self.traffic = FakeTraffic(self)
        self.roster.pass_moment(at_once=True)
        self.builds = FakeBuilds(self)
        self.stacks = FakeStacks(self)
        self.stores = FakeStores(self)
        self.nova = FakeNova(self)
        self.neutron = FakeNeutron(self)
        self.ceph, self.disks = FakeCeph(self), FakeVolumesOfHosts(self)
        self.stuck: set[HostName] = set()
        """Hosts that do not reboot when they are told to."""
        self.blind = 0
        """How many of Nova's next answers miss."""
        self.automation: dict[str, bool] = {}
        """What works beside a run, and whether it is paused; one that is not in it cannot be asked."""
        self.surveys: Counter[str] = Counter()
        """How often all of Nova was read, and how often its groups."""

    @property
    def failed(self) -> list[FailedRequest]:
        """Every request that got no good answer."""
        return self.traffic.failed

    def stage(self, release: Release) -> None:
        """Let the artifact of ``release`` lie on every host that serves; nothing runs it yet."""
        for artifact in self.record.artifacts.values():
            for host in self.hosts.values() if artifact.release == release else ():
                if host.units:
                    host.staged[artifact.path] = artifact.digest

    def pass_time(self, seconds: float) -> None:
        """Let users ask, jobs end, services stop and hosts boot for this long."""
        for _ in range(max(round(seconds / MOMENT_S), 1)):
            self.now = Epoch(self.now + MOMENT_S)
            for host in self.hosts.values():
                if self.is_up(host.name):
                    run_host(self, host)
            self.traffic.pass_moment()
            self.roster.pass_moment()
            self.builds.pass_moment()
            self.stacks.pass_moment()
            self.nova.moves.pass_moment()
            self.neutron.pass_moment()
            self.ceph.pass_moment()

    def is_up(self, host: HostName) -> bool:
        """Whether the machine runs; it may still be out of our reach."""
        return self.hosts[host].up_at <= self.now

    def reach(self, host: HostName) -> FakeHost:
        """The host, for a port that asks it.

        Raises:
            HostUnreachable: it is down, or cut off.
        """
        found = self.hosts[host]
        if not found.reachable or not self.is_up(host):
            raise HostUnreachable(host, "no answer on port 22")
        return found

    def reboot(self, host: HostName) -> None:
        """Take a host down for ``BOOT_S``: its jobs are cut short, its balancer forgets what it was told.

        What its services have in hand is lost; they start with the host, on what their links say.
        """
        found = self.hosts[host]
        found.boots += 1
        for unit in found.units.values():
            self.traffic.cut((unit.pool, host))
            self.builds.cut(host)
            unit.state, unit.running, unit.pid = UnitState.INACTIVE, None, None
        for job in found.jobs.values():
            if isinstance(job.state, Running):
                job.state = Ended(255, "cut short")
        self.nova.cut(host)
        found.up_at, found.booting = self.now + BOOT_S, True
        if host in self.traffic.servers:
            self.traffic.forget(host)
        self.traffic.move_vip()

    def deed(self, host: HostName, what: str) -> None:
        """Something is really done."""
        self.deeds.append(Deed(self.now, host, what))

    def lose_answer(self, call: str, times: int = 1) -> None:
        """Let the next ``times`` of a changing call (such as ``jobs.start``) work, but lose its answer."""
        self._lost[call] += times

    def answer(self, call: str, host: HostName | str) -> None:
        """What a port does last after a change.

        Raises:
            Uncertain: the answer is to be lost.
        """
        if self._lost[call] > 0:
            self._lost[call] -= 1
            raise Uncertain(f"the connection to {host} broke before {call} was answered")

    def _install(self, host: FakeHost, entry: ServiceEntry, artifact: Artifact) -> None:
        host.staged[artifact.path] = artifact.digest
        unit = FakeUnit(entry.link, entry.pool, UnitState.INACTIVE)
        host.units[entry.unit] = unit
        if _runs_with(self.record, entry, artifact.release):
            host.links[entry.link] = artifact.path
            run_unit(self, host, unit)
        else:
            unit.enabled = False


def _runs_with(record: Record, entry: ServiceEntry, release: Release) -> bool:
    """Whether a service is there with a release, by what the catalog and the record say."""
    known = load(record.catalog).components.get(entry.component)
    own = next((s for s in known.services if s.name == entry.name), None) if known else None
    return entry.is_in(release) and (own is None or own.is_in(release))
