"""Do the services that report their work do so, and does an old row hold the others back?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from skylift.catalog.known_roster import KnownRoster
from skylift.checks.check import Check, Complaint, Question, blocks, warns
from skylift.model.ids import ComponentName, Epoch, HostName
from skylift.model.record import ServiceEntry
from skylift.model.roster import Roster, ServiceReport, is_placed, stale


def _agents(question: Question) -> Iterator[Complaint]:
    for component, known in _with_roster(question):
        for entry, host in question.places_of(component):
            asked = entry.name in known.services and question.is_due(entry)
            if asked and not _unread(question, component):
                yield from _agent(question, known, entry, host)
        for row in _reports(question, component):
            alive = not row.silent_for(question.cloud.observed_at, known.down_s)
            if alive and not is_placed(row, question.record):
                yield warns(
                    f"{row.service} reports as {row.host}, where the record does not place it: no step "
                    "upgrades it there",
                    f"if that is a host of its own, give it the role of {row.service} in the record",
                )


def _agent(
    question: Question, known: KnownRoster, entry: ServiceEntry, host: HostName
) -> Iterator[Complaint]:
    rows = [r for r in _reports(question, entry.component) if r.service == entry.name]
    alive = [r for r in rows if not r.silent_for(question.cloud.observed_at, known.down_s)]
    own = [row for row in rows if row.is_from(host)]
    journal = f"see why: skylift ssh {host} journalctl -u {entry.unit} -n 50 --no-pager"
    if not own and not any(not is_placed(row, question.record) for row in alive):
        yield blocks(f"{entry.name} on {host} does not report: it has no row in its database", journal)
    elif own and not any(row in alive for row in own):
        last = max((row.seen_at for row in own if row.seen_at), default=None)
        yield blocks(f"{entry.name} on {host} does not report: it did last at {_time(last)}", journal)
    for row in own:
        if row in alive and not row.enabled:
            yield warns(f"{entry.name} on {host} is disabled: {row.reason or 'no reason is given'}")


def _stale(question: Question) -> Iterator[Complaint]:
    cloud, catalog = question.cloud, question.catalog
    for old in stale(cloud.reports, question.record, cloud.observed_at, catalog.down_after):
        row = old.report
        told = (
            f"the row of {row.service} on {row.host} in {row.database} is stale: {old.why}, and was seen "
            f"last at {_time(row.seen_at)}"
        )
        remove = f"remove it, if that service is gone: {row.removal(_roster_of(question, row))}"
        if row.holds_back(catalog.version(row.component, row.service, question.goal.to)):
            yield blocks(
                f"{told}; its version {row.version} holds all that speak to {row.service} back, for they "
                "keep to the lowest",
                remove,
            )
        else:
            yield warns(f"{told}; it holds nothing back", remove)


def _version_distance(question: Question) -> Iterator[Complaint]:
    for component, known in _with_roster(question):
        for row in _reports(question, component):
            oldest = known.oldest(row.service, question.goal.to)
            if row.holds and oldest is not None and (row.version or 0) < oldest:
                yield blocks(
                    f"{row.service} on {row.host} says that it is of version {row.version}, and "
                    f"{question.goal.to} starts beside {oldest} and newer only",
                    "if it runs, upgrade it to what the others run: see it: skylift inspect",
                    f"if it is gone, remove its row: {row.removal(_roster_of(question, row))}",
                )


def _with_roster(question: Question) -> Iterator[tuple[ComponentName, KnownRoster]]:
    for name in question.record.components:
        roster = question.catalog.components[name].roster
        if roster is not None:
            yield name, roster


def _reports(question: Question, component: ComponentName) -> tuple[ServiceReport, ...]:
    return tuple(row for row in question.cloud.reports if row.component == component)


def _unread(question: Question, component: ComponentName) -> bool:
    """Whether a row may be missing because its database could not be read, which blocks by itself."""
    databases = question.record.components[component].databases.values()
    return any(question.unread("reports", database) for database in databases)


def _roster_of(question: Question, row: ServiceReport) -> Roster:
    entry = question.record.components[row.component]
    rosters = question.catalog.components[row.component].rosters(entry.databases, entry.services)
    return next(roster for roster in rosters if roster.database == row.database)


def _time(at: Epoch | None) -> str:
    return "no time at all" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


AGENTS = Check(
    "agents",
    "every service that reports does so from each of its hosts, and may work",
    _agents,
    needs=("reports",),
)
STALE_SERVICES = Check(
    "stale-services",
    "no row of a service that is gone holds the others back",
    _stale,
    needs=("reports",),
    rows=(90, 91),
)
VERSION_DISTANCE = Check(
    "version-distance",
    "no service is older than the target release bears beside it",
    _version_distance,
    needs=("reports",),
    rows=(91,),
)
