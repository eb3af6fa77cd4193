"""Facts: what was observed, by name and as text, and which of them a plan relies on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from skylift.model.bus import BusSeen
from skylift.model.closing import label_in
from skylift.model.cloud import Cloud, HostSeen, migrations_subject
from skylift.model.ids import ArtifactName
from skylift.model.record import Record
from skylift.model.roster import pins
from skylift.model.schema import beyond, branch_of, heads, pending
from skylift.planning.plan import Plan

_GIB = 2**30
_UNREAD = "unread: "
_RELIED_ON = (
    "artifact",
    "backend",
    "broker",
    "check",
    "database",
    "galera",
    "hosts",
    "link",
    "pin",
    "policy",
    "pool",
    "report",
    "schema",
    "since",
    "unit",
    "until",
)
"""Kinds of fact that decide which steps a plan has, or whether one may be begun: a database cluster that lost
a member since bears no schema change. Free disk, boots, clocks and backups do not decide: what is left of
them at the time of the run is for the checks to judge again."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A fact that is not as it was when the plan was made."""

    name: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.name} was {self.was}, and is {self.now} now"

    @property
    def unread(self) -> bool:
        """Whether it could not be read, so that nothing is known to have changed."""
        return self.now.startswith(_UNREAD)


def facts_of(cloud: Cloud, record: Record) -> Mapping[str, str]:
    """Every named fact of a cloud under its record, as text; the first word of a name is its kind.

    A fact that could not be read is there, too, as ``unread: WHY``.
    """
    found = dict(
        pair
        for kind in (_of_record, _of_services, _of_reports, _of_stores, _of_hosts)
        for pair in kind(cloud, record)
    )
    for subject, why in cloud.unread.items():
        found.setdefault(subject, f"{_UNREAD}{why}")
    return {name: found[name] for name in sorted(found)}


def relied_on(facts: Mapping[str, str], target: ArtifactName, *, back: bool = False) -> Mapping[str, str]:
    """The facts that a plan to ``target`` stands on; on the way ``back``, what schemas have beyond it."""
    of_target = {"beyond"} if back else {"migrations", "pending"}
    return {
        name: text
        for name, text in facts.items()
        if name.split(" ")[0] in _RELIED_ON
        or (name.split(" ")[0] in of_target and name.split(" ")[-1] == target)
    }


def drift(plan: Plan, now: Mapping[str, str]) -> tuple[Drift, ...]:
    """The facts that ``plan`` relies on and that are different now, by name."""
    return tuple(
        Drift(name, was, now.get(name, "not there"))
        for name, was in sorted(plan.facts.items())
        if now.get(name) != was
    )


def _of_record(_: Cloud, record: Record) -> Iterator[tuple[str, str]]:
    yield "policy batch", str(record.policy.batch)
    yield "policy outages", _words(record.policy.outages)
    if record.balancer.parking:
        yield "policy park_s", str(record.policy.park_s)
    for name, service in record.services.items():
        yield f"hosts {name}", _words(host.name for host in record.hosts_in(service.role))
        yield f"pool {name}", service.pool or "nothing"
        for bound, release in (("since", service.since), ("until", service.until)):
            if release:
                yield f"{bound} {name}", str(release)


def _of_services(cloud: Cloud, _: Record) -> Iterator[tuple[str, str]]:
    for component in cloud.upgrade_checks:
        yield f"check {component}", "can be asked"
    for (name, host), unit in cloud.units.items():
        yield f"unit {name} {host}", unit.state.value
        yield f"artifact {name} {host}", unit.running or "nothing"
        yield f"link {name} {host}", unit.linked or "nothing"
    views: dict[tuple[str, str], set[str]] = {}
    for backend in cloud.backends:
        views.setdefault((backend.pool, backend.server), set()).add(backend.state.value)
    silent = "".join(f", unread on {balancer}" for balancer in cloud.silent_balancers)
    for (pool, server), states in views.items():
        yield f"backend {pool}/{server}", _words(states) + silent
    for endpoint in cloud.endpoints:
        yield f"endpoint {endpoint.service} {endpoint.interface}", endpoint.url


def _of_reports(cloud: Cloud, _: Record) -> Iterator[tuple[str, str]]:
    """Who reports, and how new it is; never when, for that changes all the time."""
    told: dict[str, set[str]] = {}
    pinned: dict[str, list[str]] = {}
    for report in cloud.reports:
        version = "no version" if report.version is None else f"version {report.version}"
        by = " by Skylift" if label_in(report) else ""
        state = version if report.enabled else f"{version}, disabled{by}"
        told.setdefault(f"report {report.service} {report.host}", set()).add(state)
    owners = {(report.database, report.service): report.component for report in cloud.reports}
    for (database, service), lowest in pins(cloud.reports).items():
        pinned.setdefault(f"pin {owners[database, service]}", []).append(f"{database}/{service}={lowest}")
    for work in cloud.work:
        yield f"work {work.database} {work.what} {work.state}", str(work.count)
    for name, states in told.items():
        yield name, "; ".join(sorted(states))
    for name, lowest_of in pinned.items():
        yield name, _words(lowest_of)


def _of_stores(cloud: Cloud, _: Record) -> Iterator[tuple[str, str]]:
    for name, seen in cloud.schemas.items():
        yield f"database {name}", f"{seen.component}:{seen.schema}" if seen.schema else seen.component
        yield f"schema {name}", _words(seen.rows)
        for (component, schema, artifact), revisions in cloud.migrations.items():
            if (component, schema) == (of := (seen.component, seen.schema)):
                others = (r for (c, s, _), found in cloud.migrations.items() for r in found if (c, s) == of)
                yield f"beyond {name} {artifact}", _words(beyond(revisions, others, seen.rows))
                left = pending(revisions, seen.rows)
                yield f"pending {name} {artifact}", _words({branch_of(revisions, r) or "all" for r in left})
    for subject, revisions in cloud.migrations.items():
        yield migrations_subject(*subject), _words(heads(revisions))
    if cloud.broker:
        yield "broker", _bus(cloud.broker)
    for host, node in cloud.galera.items():
        yield f"galera {host}", f"{node.status} {node.state} {node.size}"


def _bus(seen: BusSeen) -> str:
    running = f"{len(seen.running)} of {len(seen.members)} nodes run"
    parts = "cut in parts" if seen.partitions else "in one part"
    alarms = (f"alarm of {alarm}" for alarm in seen.alarms)
    stopped = (f"{vhost} down on {_words(nodes)}" for vhost, nodes in seen.stopped.items())
    return ", ".join((running, parts, *alarms, *stopped))


def _of_hosts(cloud: Cloud, _: Record) -> Iterator[tuple[str, str]]:
    for host, seen in cloud.hosts.items():
        if not isinstance(seen, HostSeen):
            yield f"host {host}", f"unread: {seen.why}"
            continue
        yield f"host {host}", "answers"
        yield f"boot {host}", seen.boot_id
        yield f"disk {host}", f"{seen.disk_free_bytes // _GIB} GiB free"
        yield f"os {host}", seen.os_release
        for keys, digest in seen.key_digests.items():
            yield f"keys {keys} {host}", digest


def _words(words: Iterable[str]) -> str:
    return " ".join(sorted(words)) or "nothing"
