"""The fake cloud behind the ports that work on the whole of it: balancer, database, vantage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from skylift.catalog.catalog import load
from skylift.model.backup import Backup, Written
from skylift.model.cloud import Backend, Endpoint, GaleraNode
from skylift.model.ids import ComponentName, Epoch, HostName, PoolName, Seconds
from skylift.model.marks import PROBE
from skylift.model.problem import Fix, Refused, Remedy, Transient
from skylift.model.roster import Roster, RosterKind, ServiceReport
from skylift.model.work import InHand
from skylift.ports import Command, ProbeTally, WitnessSeen
from skylift.ports.hosts import HostUnreachable
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_state import FakeProbes
from skylift.testing.fake_work import DUMP, REHEARSE, RESTORE

_WITNESSES = ("user", "project", "image", "resource provider")
_MORE = {"neutron": "router", "cinder": "volume", "nova": "server", "heat": "stack"}


class ApisSilent(Transient):
    """The APIs of the fake cloud do not answer."""

    code = "fake.apis-silent"

    def __init__(self, pool: PoolName) -> None:
        super().__init__(f"{pool} could not be asked: no backend serves", Remedy(Fix.REPAIR, "start one"))


class CannotPark(Refused):
    """A pool has no line in the balancers' map."""

    code = "fake.cannot-park"

    def __init__(self, pool: PoolName) -> None:
        super().__init__(f"{pool} could not be parked: no line in the map", Remedy(Fix.REPAIR, "add one"))


@dataclass(frozen=True, slots=True)
class FakeBalancer:
    """All balancers; what one of them cannot be told, the others are."""

    cloud: FakeCloud

    def backends(self, on: HostName | None = None) -> tuple[Backend, ...]:
        asked = (on,) if on else tuple(host.name for host in self.cloud.controllers)
        for host in asked:
            self.cloud.reach(host)
        return tuple(view for view in self.cloud.traffic.views() if view.balancer in asked)

    def set_state(self, pool: PoolName, server: HostName, state: Literal["drain", "ready"]) -> None:
        missed: list[HostUnreachable] = []
        for host in self.cloud.controllers:
            try:
                self.cloud.reach(host.name)
                self.cloud.traffic.servers[host.name][pool, server].told = state
            except HostUnreachable as problem:
                missed.append(problem)
        if missed:
            raise missed[0]
        self.cloud.answer("balancer.set_state", server)

    def park(self, pool: PoolName, seconds: Seconds, *, limit: Seconds) -> None:
        self._set(pool, until=self.cloud.now + seconds, limit=limit)
        self.cloud.answer("balancer.park", pool)

    def unpark(self, pool: PoolName) -> None:
        self._set(pool, until=0.0, limit=Seconds(0))
        self.cloud.answer("balancer.unpark", pool)

    def parked(self) -> Mapping[HostName, Mapping[PoolName, Seconds]]:
        for host in self.cloud.controllers:
            self.cloud.reach(host.name)
        return {host: parking.left(self.cloud.now) for host, parking in self.cloud.traffic.parking.items()}

    def _set(self, pool: PoolName, *, until: float, limit: Seconds) -> None:
        missed: list[HostUnreachable] = []
        for host in self.cloud.controllers:
            parking = self.cloud.traffic.parking[host.name]
            if pool not in parking.lines:
                raise CannotPark(pool)
            try:
                self.cloud.reach(host.name)
                parking.park(pool, until=until, limit=limit)
            except HostUnreachable as problem:
                missed.append(problem)
        if missed:
            raise missed[0]


@dataclass(frozen=True, slots=True)
class FakeDatabase:
    """Galera, as the controllers that are up show it."""

    cloud: FakeCloud

    def rows(self, database: str, table: str = "alembic_version") -> frozenset[str]:  # noqa: ARG002 - the port's words
        self._reach()
        return self.cloud.rows.get(database, frozenset())

    def reports(self, roster: Roster) -> tuple[ServiceReport, ...]:
        self._reach()
        return self.cloud.roster.rows(roster)

    def lower_version(self, roster: Roster, row: ServiceReport, version: int) -> None:
        if roster.kind is not RosterKind.NOVA:
            msg = f"rows of {roster.component} have no one version"
            raise ValueError(msg)
        self._reach()
        self.cloud.roster.lower(row, version)
        self.cloud.answer("database.lower_version", row.host)

    def work(self, roster: Roster) -> tuple[InHand, ...]:
        self._reach()
        own = (work for work in self.cloud.in_hand if work.database == roster.database)
        return (*own, *self.cloud.stacks.of(roster.database))

    def work_of(
        self, roster: Roster, row: ServiceReport, *, promised_before: Epoch | None
    ) -> tuple[InHand, ...]:
        self._reach()
        found = self.cloud.builds.of(row, promised_before)
        return tuple(work for work in found if work.database == roster.database)

    def nodes(self) -> tuple[GaleraNode, ...]:
        up = self._reach()
        return tuple(GaleraNode(host, "Primary", "Synced", len(up)) for host in up)

    def grants(self, user: str) -> tuple[str, ...]:
        self._reach()
        own = (c.databases.values() for c in self.cloud.record.components.values() if c.user == user)
        granted = (f"GRANT ALL PRIVILEGES ON `{name}`.* TO `{user}`@`%`" for names in own for name in names)
        return (*granted, "log_bin_trust_function_creators=1")

    def _reach(self) -> tuple[HostName, ...]:
        names = [entry.name for entry in self.cloud.controllers]
        up = tuple(n for n in names if self.cloud.is_up(n) and self.cloud.hosts[n].reachable)
        if not up:
            raise HostUnreachable(names[0], "no database server answers")
        return up


@dataclass(frozen=True, slots=True)
class FakeBackups:
    """Dumps on the fake hosts."""

    cloud: FakeCloud

    def newest(self, host: HostName, folder: PurePosixPath, database: str) -> Epoch | None:
        self.cloud.reach(host)
        found = [
            at
            for (where, path), at in self.cloud.backups.items()
            if where == host and path.parent == folder and path.name.startswith(f"{database}-")
        ]
        return max(found, default=None)

    def dump_command(self, backup: Backup) -> Command:
        return Command((DUMP, backup.database, str(backup.file)))

    def rehearse_command(self, backup: Backup) -> Command:
        return Command((REHEARSE, backup.database, str(backup.file)))

    def restore_command(self, backup: Backup, finished: Epoch) -> Command:
        return Command((RESTORE, backup.database, str(backup.file), str(int(finished))))

    def rehearsed(self, backup: Backup) -> Epoch | None:
        self.cloud.reach(backup.host)
        return self.cloud.stores.proved(backup)

    def written_since(self, backup: Backup, finished: Epoch) -> tuple[Written, ...]:
        self.cloud.reach(backup.host)
        return self.cloud.stores.written_since(backup, finished)


@dataclass(frozen=True, slots=True)
class FakeVantage:
    """Users, seen from outside; what they ask is the fake traffic."""

    cloud: FakeCloud

    def endpoints(self) -> tuple[Endpoint, ...]:
        self._ask()
        vip, known = self.cloud.record.balancer.vip, load(self.cloud.record.catalog).components
        return tuple(
            Endpoint(known[entry.component].type, interface, f"http://{vip}:{entry.port}")
            for entry in self.cloud.record.services.values()
            if entry.balanced
            for interface in ("admin", "internal", "public")
        )

    def ask_backend(self, component: ComponentName, host: HostName, port: int, path: str) -> str:  # noqa: ARG002 - the port's words
        self._reach()
        services = self.cloud.record.components[component].services.values()
        pool = next(service.pool for service in services if service.port == port)
        return self.cloud.traffic.complaint(pool, host)

    def start_probes(self, label: str, *, witnesses: str = "") -> None:  # noqa: ARG002 - the port's words
        self._reach()
        requests, failed, _ = self._counted()
        before = self.cloud.probes.setdefault(label, FakeProbes(requests, failed))
        if before.ended is not None:
            counted, lost, _ = before.ended
            again = FakeProbes(requests - counted + before.requests, failed - lost + before.failed)
            self.cloud.probes[label] = again

    def tally(self, label: str) -> ProbeTally:
        self._reach()
        probes = self.cloud.probes.get(label)
        if probes is None:
            return ProbeTally(0, 0, {}, None, alive=False)
        requests, failed, at = probes.ended or self._counted()
        gaps = {str(pool): gap for pool, gap in self.cloud.traffic.longest_gap_s.items()}
        return ProbeTally(
            requests - probes.requests, failed - probes.failed, gaps, Epoch(at), alive=probes.ended is None
        )

    def samples(self, label: str, *, offset: int) -> bytes:  # noqa: ARG002 - the port's words
        """None: the fake traffic is counted, not written down."""
        self._reach()
        return b""

    def stop_probes(self, label: str) -> None:
        self._reach()
        nova = self.cloud.nova
        for name in [n for n, s in nova.servers.items() if s.ours and n.startswith(f"{PROBE}{label}-")]:
            nova.delete(name)
        probes = self.cloud.probes.get(label)
        if probes is not None and probes.ended is None:
            self.cloud.probes[label] = replace(probes, ended=self._counted())

    def create_witnesses(self, label: str, *, without: tuple[str, ...] = ()) -> None:  # noqa: ARG002 - likewise
        self._ask()
        self.cloud.witnesses.setdefault(label, True)
        self.cloud.answer("vantage.create_witnesses", self.cloud.record.vantage.host)

    def witnesses(self, label: str) -> tuple[WitnessSeen, ...]:
        self._ask()
        if label not in self.cloud.witnesses:
            return ()
        intact = self.cloud.witnesses[label]
        more = (kind for name, kind in _MORE.items() if name in self.cloud.record.components)
        said = "as it was made" if intact else "gone"
        return tuple(WitnessSeen(kind, intact, said) for kind in (*_WITNESSES, *more))

    def destroy_witnesses(self, label: str) -> None:
        self._ask()
        self.cloud.witnesses.pop(label, None)

    def _counted(self) -> tuple[int, int, float]:
        """Requests and failures of all users until now."""
        return self.cloud.traffic.requests, len(self.cloud.traffic.failed), self.cloud.now

    def _reach(self) -> None:
        self.cloud.reach(self.cloud.record.vantage.host)

    def _ask(self) -> None:
        """Be answered by every API, or raise ``ApisSilent``."""
        self._reach()
        for entry in self.cloud.record.services.values():
            if entry.balanced and not self.cloud.traffic.answered(entry.pool):
                raise ApisSilent(entry.pool)
