"""The roster: rows that services write in their component's database as long as they live.

Pure. What a row holds back is a fact of its kind (see ``RosterKind``); a driver reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from skylift.model.ids import ComponentName, Epoch, HostName, Seconds, ServiceName
from skylift.model.record import Record

_HOUR_S = 3600


class RosterKind(Enum):
    """Whose form a table of reports has."""

    NOVA = "nova"
    """``services`` in every cell: of rows that are neither deleted nor forced down, the lowest version of a
    nova-compute is what its callers keep to. Source: read: nova/compute/rpcapi.py, _determine_version_cap,
    and nova/db/main/api.py, service_get_minimum_version, 2023.1 to 2026.1: whether a row is alive is not
    asked."""
    CINDER = "cinder"
    """``services``: of rows that are not deleted, the lowest RPC version of each service is what its callers
    keep to; 3.19 is counted as 3019, as oslo.utils' convert_version_to_int does. Source: read:
    cinder/objects/service.py, _get_minimum_version, 2023.1 to 2026.1."""
    NEUTRON = "neutron"
    """``agents``: nothing is held back by a row, for versions of objects are agreed on agent by agent."""
    HEAT = "heat"
    """``service``: one row for each engine process, of no version."""


@dataclass(frozen=True, slots=True)
class RowName:
    """A service, and the name that its rows bear."""

    row: str
    service: ServiceName


@dataclass(frozen=True, slots=True)
class Roster:
    """Where services of one component report, in one database."""

    kind: RosterKind
    component: ComponentName
    database: str
    names: tuple[RowName, ...]
    """The services that report there; rows of other names are not read."""
    remove: tuple[str, ...]
    """The command that removes a row, with ``{id}``, ``{row}`` for the name it bears, and ``{host}``."""

    def service(self, row: str) -> ServiceName | None:
        """The service whose rows bear this name; none if it is not the roster's."""
        return next((name.service for name in self.names if name.row == row), None)


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One row: a service that reports, or once did."""

    component: ComponentName
    database: str
    service: ServiceName
    """As the catalog names it."""
    host: str
    """As the row has it, which may be more than a host: ``ctl1.example.org``, ``ctl1@lvm``."""
    id: str
    """What a command that removes the row wants."""
    enabled: bool
    """Whether it is given new work."""
    reason: str
    """Why it is not, as whoever disabled it wrote."""
    seen_at: Epoch | None
    """When it reported last; none if it never did."""
    version: int | None
    """How new it says it is; none if its rows do not say."""
    holds: bool
    """Whether its version counts for what its callers keep to."""

    def is_from(self, host: HostName) -> bool:
        """Whether ``host`` wrote it: by its name, with or without a domain and a backend."""
        return is_name_of(self.host, host)

    def silent_for(self, now: Epoch, longer_than: int) -> bool:
        """Whether it did not report within the last ``longer_than`` seconds before ``now``."""
        return self.seen_at is None or now - self.seen_at > longer_than

    def holds_back(self, wanted: int | None) -> bool:
        """Whether it keeps its callers to an older form than that of ``wanted``, if that is known."""
        return self.holds and (wanted is None or (self.version or 0) < wanted)

    def removal(self, roster: Roster) -> str:
        """The command that removes this row."""
        row = next((name.row for name in roster.names if name.service == self.service), self.service)
        values = {"{id}": self.id, "{row}": row, "{host}": self.host}
        return " ".join(values.get(word, word) for word in roster.remove)


@dataclass(frozen=True, slots=True)
class Stale:
    """A row that nobody stands behind any more."""

    report: ServiceReport
    why: str


def pins(reports: Iterable[ServiceReport]) -> Mapping[tuple[str, ServiceName], int]:
    """By database and service, the version that callers keep to: the lowest of all rows that count.

    A row counts whether or not its service is alive; see ``RosterKind``.
    """
    found: dict[tuple[str, ServiceName], int] = {}
    for report in reports:
        if report.holds:
            place = report.database, report.service
            version = report.version or 0
            found[place] = min(version, found.get(place, version))
    return {place: found[place] for place in sorted(found)}


def is_placed(report: ServiceReport, record: Record) -> bool:
    """Whether the record places the service on the host that wrote the row."""
    entry = record.services.get(report.service)
    return entry is not None and any(report.is_from(host.name) for host in record.hosts_in(entry.role))


def stale(
    reports: Iterable[ServiceReport], record: Record, now: Epoch, down_after: Mapping[ComponentName, Seconds]
) -> tuple[Stale, ...]:
    """The rows that nobody stands behind: silent and of no host of the record, or silent for long.

    A row that is alive is not stale, whatever its host is called: something runs there.
    """
    return tuple(_stale(reports, record, now, down_after))


def _stale(
    reports: Iterable[ServiceReport], record: Record, now: Epoch, down_after: Mapping[ComponentName, Seconds]
) -> Iterator[Stale]:
    hours = record.policy.stale_after_h
    for report in reports:
        if not report.silent_for(now, down_after[report.component]):
            continue
        if not is_placed(report, record):
            yield Stale(report, "the record does not place it there")
        elif report.silent_for(now, hours * _HOUR_S):
            yield Stale(report, f"it did not report for more than {hours} h")


def is_name_of(row: str, host: HostName) -> bool:
    """Whether a row of this name is of ``host``: it may have a domain and a backend, such as ``ctl1@lvm``."""
    name = row.partition("@")[0].partition("#")[0]
    return name == host or name.partition(".")[0] == host.partition(".")[0]
