"""A cloud as one inspection saw it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from skylift.cli.views.columns import columns, indented
from skylift.fleet.fleet import Fleet, Instance
from skylift.model.cloud import Cloud, HostSeen, SchemaSeen, Unreached
from skylift.model.codec import encode
from skylift.model.ids import Epoch, HostName
from skylift.model.record import Record
from skylift.model.roster import pins
from skylift.model.schema import heads, pending, unknown

_GIB = 2**30
_NOTHING = "-"


def lines(cloud: Cloud, record: Record) -> list[str]:
    """Subject by subject, from hosts to the catalog; last, what could not be read."""
    blocks = (
        _hosts(cloud, record),
        _services(cloud, record),
        _schemas(cloud, record),
        _reports(cloud),
        _work(cloud),
        _databases(cloud, record),
        _broker(cloud, record),
        _backups(cloud),
        _backends(cloud, record),
        _endpoints(cloud),
        _unread(cloud),
    )
    told = [f"{record.name} at {_time(cloud.observed_at)}"]
    for block in blocks:
        told += ["", *block] if block else []
    return told


def document(cloud: Cloud, record: Record) -> dict[str, Any]:
    """The same, for ``--json``: all that was read, with the name of the cloud."""
    return {"cloud": record.name, **encode(cloud)}


def _hosts(cloud: Cloud, record: Record) -> list[str]:
    rows = [("host", "zone", "disk free", "clock", "system")]
    for name, entry in record.hosts.items():
        seen = cloud.hosts.get(name)
        zone = entry.zone or _NOTHING
        match seen:
            case HostSeen():
                free = f"{seen.disk_free_bytes / _GIB:.1f} GiB"
                rows.append((name, zone, free, f"{seen.clock_offset_ms:+d} ms", seen.os_release))
            case Unreached():
                rows.append((name, zone, _NOTHING, _NOTHING, seen.why))
            case None:
                rows.append((name, zone, _NOTHING, _NOTHING, "was not asked"))
    return columns(*rows)


def _services(cloud: Cloud, record: Record) -> list[str]:
    rows = [("service", "host", "unit", "answers", "release", "since", "artifact it runs")]
    for (service, host), unit in sorted(cloud.units.items()):
        artifact = record.artifact_at(unit.running)
        answer = cloud.answers.get((service, host))
        next_start = f", next start {unit.linked or 'nothing'}" if unit.linked != unit.running else ""
        rows.append(
            (
                service,
                host,
                unit.state.value,
                str(answer or _NOTHING),
                str(artifact.release) if artifact else _NOTHING,
                _time(unit.started_at) if unit.started_at else _NOTHING,
                (artifact.name if artifact else unit.running or _NOTHING) + next_start,
            )
        )
    return _table(rows)


def _schemas(cloud: Cloud, record: Record) -> list[str]:
    rows = [("schema", "at", "")]
    for database, seen in sorted(cloud.schemas.items()):
        rows.append((database, ", ".join(sorted(seen.rows)) or "nothing", _place(cloud, record, seen)))
    return _table(rows)


def _place(cloud: Cloud, record: Record, seen: SchemaSeen) -> str:
    """Where its rows are in the artifacts whose migrations were read, the newest first."""
    own = (seen.component, seen.schema)
    read = [name for component, schema, name in cloud.migrations if (component, schema) == own]
    for artifact in sorted((record.artifacts[name] for name in read), key=lambda a: a.release, reverse=True):
        declared = cloud.migrations[*own, artifact.name]
        if seen.rows == heads(declared):
            return f"the head of {artifact.release}"
    if not read:
        return ""
    newest = max((record.artifacts[name] for name in read), key=lambda a: a.release)
    declared = cloud.migrations[*own, newest.name]
    if unknown(declared, seen.rows):
        return f"not known to {newest.release}"
    return f"{len(pending(declared, seen.rows))} revisions short of {newest.release}"


def _reports(cloud: Cloud) -> list[str]:
    rows = [("reports", "as", "in", "seen", "version", "")]
    lowest = pins(cloud.reports)
    for row in sorted(cloud.reports, key=lambda r: (r.component, r.service, r.database, r.host)):
        told = [] if row.enabled else [f"disabled: {row.reason}" if row.reason else "disabled"]
        if row.holds and lowest[row.database, row.service] == (row.version or 0):
            told.append("the lowest: others keep to it")
        seen = _time(row.seen_at) if row.seen_at else "never"
        version = _NOTHING if row.version is None else str(row.version)
        rows.append((row.service, row.host, row.database, seen, version, ", ".join(told)))
    return _table(rows)


def _work(cloud: Cloud) -> list[str]:
    rows = [("in hand", "in", "state", "count", "since")]
    for work in sorted(cloud.work, key=lambda w: (w.component, w.database, w.what, w.state)):
        since = next((_time(piece.since) for piece in work.oldest if piece.since), _NOTHING)
        rows.append((work.what, work.database, work.state, str(work.count), since))
    return _table(rows)


def _databases(cloud: Cloud, record: Record) -> list[str]:
    rows = [("database", "cluster", "state", "size")]
    for host, node in sorted(cloud.galera.items()):
        rows.append((host, node.status, node.state, f"{node.size} of {record.database.size}"))
    return _table(rows)


def _broker(cloud: Cloud, record: Record) -> list[str]:
    seen, entry = cloud.broker, record.broker
    if seen is None or entry is None:
        return []
    rows = [("message bus", "state", "", "")]
    rows += [(n, "runs" if n in seen.running else "does not run", "", "") for n in sorted(seen.members)]
    rows += [(node, f"cut off from {', '.join(cut)}", "", "") for node, cut in seen.partitions.items()]
    rows += [("alarm", alarm, "", "") for alarm in seen.alarms]
    rows += [
        ("virtual host", f"{vhost} does not run on {', '.join(nodes)}", "", "")
        for vhost, nodes in seen.stopped.items()
    ]
    for q in seen.queues:
        waiting = "unknown" if q.messages is None else f"{q.messages} messages"
        rows.append(("queue", f"{q.vhost} {q.name}", waiting, f"{q.consumers} consumers"))
    return columns(*rows)


def _backups(cloud: Cloud) -> list[str]:
    rows = [("backup of", "begun")]
    for database, finished in sorted(cloud.backups.items()):
        rows.append((database, _time(finished) if finished else "there is none"))
    return _table(rows)


def _backends(cloud: Cloud, record: Record) -> list[str]:
    silent = cloud.silent_balancers
    balancers = sorted({*(b.balancer for b in cloud.backends), *silent})
    views = {(b.pool, b.server, b.balancer): b.state.value for b in cloud.backends}
    pools = [service.pool for service in record.services.values() if service.balanced]
    rows: list[tuple[str, ...]] = [("pool", "server", *(f"on {b}" for b in balancers))]
    for pool, server in sorted({(b.pool, b.server) for b in cloud.backends if b.pool in pools}):
        seen = (views.get((pool, server, b), "unread" if b in silent else _NOTHING) for b in balancers)
        rows.append((pool, server, *seen))
    return _table(rows)


def _endpoints(cloud: Cloud) -> list[str]:
    rows = [("endpoint", "interface", "url")]
    rows += [(e.service, e.interface, e.url) for e in sorted(cloud.endpoints, key=lambda e: e.service)]
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows below their heading; nothing if there is only the heading."""
    return columns(*rows) if len(rows) > 1 else []


def _unread(cloud: Cloud) -> list[str]:
    if not cloud.unread:
        return []
    return ["could not be read:", *indented((f"{s}: {why}" for s, why in sorted(cloud.unread.items())), 2)]


def _time(at: Epoch) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def fleet_lines(fleet: Fleet) -> list[str]:
    """The compute hosts, how full each is, and how many instances are in which state."""
    on: dict[HostName, list[Instance]] = {name: [] for name in fleet.hosts}
    for instance in fleet.instances:
        on[instance.host].append(instance)
    rows: list[tuple[object, ...]] = [("host", "zone", "instances", "vCPUs", "MiB", "state")]
    for name, host in sorted(fleet.hosts.items()):
        taken = [fleet.flavors[i.flavor] for i in on[name]]
        rows.append(
            (
                name,
                host.zone,
                len(on[name]),
                f"{sum(f.vcpus for f in taken)} of {host.vcpus}",
                f"{sum(f.ram_mib for f in taken)} of {host.ram_mib}",
                ", ".join(["up" if host.up else "down", *(["closed"] if host.closed else [])]),
            )
        )
    states = Counter(instance.state.value for instance in fleet.instances)
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
    return [*columns(*rows), "", f"instances: {told}"]
