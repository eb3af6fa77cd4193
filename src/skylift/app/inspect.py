"""Look at a whole cloud: everything a ``Cloud`` holds, read side by side. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from skylift.app.inspect_host import joined, read_host
from skylift.app.inspect_target import Target
from skylift.catalog.catalog import Catalog
from skylift.model.cloud import Cloud, GaleraNode, SchemaSeen
from skylift.model.goal import Goal
from skylift.model.ids import ComponentName, Epoch
from skylift.model.problem import Problem
from skylift.model.record import Record
from skylift.model.roster import Roster, ServiceReport
from skylift.model.work import InHand
from skylift.ports import Ports

K = TypeVar("K")
T = TypeVar("T")

_AT_ONCE = 8
"""Reads in flight at once. All may fall on the bootstrap host, and sshd opens 10 sessions on a connection."""


@dataclass(frozen=True, slots=True)
class _Reads:
    """Reads side by side, each on its own: what one could not read is noted, and hinders no other."""

    pool: ThreadPoolExecutor
    unread: dict[str, str]

    def begin(self, subjects: Mapping[K, str], read: Callable[[K], T]) -> Callable[[], dict[K, T]]:
        """Start ``read`` for each key; what this returns waits for them and gives what could be read."""
        begun = {key: self.pool.submit(read, key) for key in subjects}
        return lambda: self._found(begun, subjects)

    def _found(self, begun: Mapping[K, Future[T]], subjects: Mapping[K, str]) -> dict[K, T]:
        found: dict[K, T] = {}
        for key, future in begun.items():
            try:
                found[key] = future.result()
            except Problem as problem:
                self.unread[subjects[key]] = str(problem)
        return found


def observe_cloud(
    record: Record, catalog: Catalog, ports: Ports, *, now: Epoch, goal: Goal | None = None
) -> Cloud:
    """What the cloud is now; what could not be read is in ``unread`` with the reason.

    With a ``goal``, also what only the target artifact can tell, where it is staged: its migrations, its
    services' own upgrade checks, whether hosts can obtain it; and keystone's doctor.
    """
    unread: dict[str, str] = {}
    # Each question to a service starts a Python with all of it (2 to 3 s of CPU, measured) on the bootstrap
    # host, which serves users meanwhile: one at a time leaves its APIs their cores.
    with ThreadPoolExecutor(_AT_ONCE) as pool, ThreadPoolExecutor(1) as patient:
        reads, questions = _Reads(pool, unread), _Reads(patient, unread)
        hosts = reads.begin({h: h for h in record.hosts}, lambda h: read_host(record, catalog, ports, h))
        stores = _stores(reads, record, catalog, ports)
        balancers = _each("backends", (host.name for host in record.hosts_in(record.balancer.role)))
        backends = reads.begin(balancers, ports.balancer.backends)
        broker = reads.begin({"all": "broker"} if record.broker else {}, lambda _: ports.broker.look())
        endpoints = reads.begin({"all": "endpoints"}, lambda _: ports.vantage.endpoints())
        seen = joined(hosts().values())
        unread.update(seen.unread)
        target = Target(record, catalog, ports, seen, goal)
        migrations = reads.begin(target.migration_subjects(), target.migrations)
        obtainable = reads.begin(target.obtainable_subjects(), target.obtainable)
        checked = target.having(lambda commands: commands.upgrade_check)
        upgrade_checks = questions.begin(_each("upgrade-check", checked), target.upgrade_check)
        typed = target.having(lambda commands: commands.unset_machine_types)
        machine_types = questions.begin(
            _each("machine-types", typed),
            lambda name: target.ask_running(name, lambda commands: commands.unset_machine_types),
        )
        examined = dict.fromkeys(target.having(lambda commands: commands.doctor)[:1], "doctor")
        doctor = questions.begin(
            examined, lambda name: target.ask_running(name, lambda commands: commands.doctor)
        )
        return Cloud(
            observed_at=now,
            hosts=seen.hosts,
            units=seen.units,
            answers=seen.answers,
            staged=seen.staged,
            schemas=stores.schemas(),
            migrations=migrations(),
            galera={node.host: node for nodes in stores.galera().values() for node in nodes},
            backends=tuple(view for views in backends().values() for view in views),
            endpoints=next(iter(endpoints().values()), ()),
            grants=stores.grants(),
            backups=stores.backups(),
            obtainable=obtainable(),
            upgrade_checks=upgrade_checks(),
            doctor=next(iter(doctor().values()), None),
            broker=next(iter(broker().values()), None),
            unread=unread,
            reports=tuple(report for found in stores.reports().values() for report in found),
            work=tuple(pieces for found in stores.work().values() for pieces in found),
            machine_types=machine_types(),
        )


@dataclass(frozen=True, slots=True)
class _Stores:
    """What is being read of the databases."""

    schemas: Callable[[], dict[str, SchemaSeen]]
    grants: Callable[[], dict[ComponentName, tuple[str, ...]]]
    backups: Callable[[], dict[str, Epoch | None]]
    galera: Callable[[], dict[str, tuple[GaleraNode, ...]]]
    reports: Callable[[], dict[str, tuple[ServiceReport, ...]]]
    work: Callable[[], dict[str, tuple[InHand, ...]]]


def _stores(reads: _Reads, record: Record, catalog: Catalog, ports: Ports) -> _Stores:
    known, rosters = record.databases, {r.database: r for r in _rosters(record, catalog)}
    owners = _each("grants", (name for name, c in record.components.items() if c.databases))
    return _Stores(
        schemas=reads.begin(_each("schema", known), lambda d: _schema(record, catalog, ports, d)),
        grants=reads.begin(owners, lambda c: ports.database.grants(record.components[c].user)),
        backups=reads.begin(_each("backup", known), lambda d: _backup(record, ports, d)),
        galera=reads.begin({"nodes": "galera"}, lambda _: ports.database.nodes()),
        reports=reads.begin(_each("reports", rosters), lambda d: ports.database.reports(rosters[d])),
        work=reads.begin(_each("work", rosters), lambda d: ports.database.work(rosters[d])),
    )


def _schema(record: Record, catalog: Catalog, ports: Ports, database: str) -> SchemaSeen:
    component = record.databases[database]
    schema = catalog.components[component].schema_in(record.components[component].databases, database)
    return SchemaSeen(component, schema.name, ports.database.rows(database, schema.table))


def _rosters(record: Record, catalog: Catalog) -> Iterator[Roster]:
    for name, entry in record.components.items():
        yield from catalog.components[name].rosters(entry.databases, entry.services)


def _backup(record: Record, ports: Ports, database: str) -> Epoch | None:
    host = record.hosts_in(record.database.role)[0].name
    return ports.backups.newest(host, record.database.backups, database)


def _each(kind: str, names: Iterable[K]) -> dict[K, str]:
    return {name: f"{kind} {name}" for name in names}
