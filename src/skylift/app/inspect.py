"""Look at a whole cloud: everything a ``Cloud`` holds, read side by side. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from skylift.app.inspect_host import joined, read_host
from skylift.app.inspect_target import Target
from skylift.catalog.catalog import Catalog
from skylift.model.cloud import Cloud, SchemaSeen
from skylift.model.goal import Goal
from skylift.model.ids import ComponentName, Epoch
from skylift.model.problem import Problem
from skylift.model.record import Record
from skylift.model.roster import Roster
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
        databases = {database: f"schema {database}" for database in record.databases}
        schemas = reads.begin(databases, lambda d: _schema(record, catalog, ports, d))
        with_databases = (name for name, c in record.components.items() if c.databases)
        grants = reads.begin(
            _each("grants", with_databases), lambda c: ports.database.grants(record.components[c].user)
        )
        backups = reads.begin(
            {database: f"backup {database}" for database in record.databases},
            lambda d: _backup(record, ports, d),
        )
        rosters = {roster.database: roster for roster in _rosters(record, catalog)}
        reports = reads.begin(
            {database: f"reports {database}" for database in rosters},
            lambda d: ports.database.reports(rosters[d]),
        )
        galera = reads.begin({"nodes": "galera"}, lambda _: ports.database.nodes())
        backends = reads.begin({"all": "backends"}, lambda _: ports.balancer.backends())
        endpoints = reads.begin({"all": "endpoints"}, lambda _: ports.vantage.endpoints())
        seen = joined(hosts().values())
        unread.update(seen.unread)
        target = Target(record, catalog, ports, seen, goal)
        migrations = reads.begin(target.migration_subjects(), target.migrations)
        obtainable = reads.begin(target.obtainable_subjects(), target.obtainable)
        asked = target.with_upgrade_check() if goal else ()
        upgrade_checks = questions.begin(_each("upgrade-check", asked), target.upgrade_check)
        doctor = questions.begin(target.doctor_subjects(), target.doctor)
        return Cloud(
            observed_at=now,
            hosts=seen.hosts,
            units=seen.units,
            answers=seen.answers,
            staged=seen.staged,
            schemas=schemas(),
            migrations=migrations(),
            galera={node.host: node for nodes in galera().values() for node in nodes},
            backends=next(iter(backends().values()), ()),
            endpoints=next(iter(endpoints().values()), ()),
            grants=grants(),
            backups=backups(),
            obtainable=obtainable(),
            upgrade_checks=upgrade_checks(),
            doctor=next(iter(doctor().values()), None),
            unread=unread,
            reports=tuple(report for found in reports().values() for report in found),
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
    return ports.database.newest_backup(host, record.database.backups, database)


def _each(kind: str, components: Iterable[ComponentName]) -> dict[ComponentName, str]:
    return {name: f"{kind} {name}" for name in components}
