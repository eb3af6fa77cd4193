"""From what was seen to a plan that upgrades it while its APIs serve: mode ``rolling``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from skylift.catalog.catalog import Catalog
from skylift.catalog.component import Ends
from skylift.model.cloud import Cloud
from skylift.model.codec import canonical
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, HostName
from skylift.model.record import Record
from skylift.model.roster import stale
from skylift.planning.draft import Draft, draft
from skylift.planning.facts import facts_of, relied_on
from skylift.planning.order import edges
from skylift.planning.parking import cannot_park
from skylift.planning.plan import FORMAT, Plan
from skylift.planning.survey import Left, ServiceLeft, Survey, survey


def plan_upgrade(
    cloud: Cloud, record: Record, goal: Upgrade, catalog: Catalog, *, record_digest: Digest
) -> Plan:
    """The steps that are left until every component is whole at ``goal``, each with its reasons.

    The same input gives the same plan (row 4). A component that is whole already gets no steps; if
    all are, the plan has none.

    Raises:
        Refused: no plan would keep the APIs serving, or something it needs could not be read; the
            problem says which (``planning.refusals``).
    """
    found = survey(cloud, record, goal, catalog)
    facts = relied_on(facts_of(cloud, record), found.target.name)
    label = f"{found.source}-to-{goal.to}-{_mark(facts, record_digest)}"
    parts = draft(found, record, catalog, label) if any(not c.whole for c in found.components) else None
    return Plan(
        format=FORMAT,
        cloud=record.name,
        goal=goal,
        source=found.source,
        record=record_digest,
        services={name: service.component for name, service in record.services.items()},
        facts=facts,
        notes=(
            *_notes(found, parts, cannot_park=cannot_park(record, catalog)),
            *(_stale_notes(cloud, record, goal, catalog) if parts else ()),
        ),
        steps=parts.steps if parts else (),
        edges=edges(parts, catalog) if parts else (),
    )


def _mark(facts: Mapping[str, str], record_digest: Digest) -> str:
    """Tells the witnesses and backups of two different plans apart; no clock, so that plans stay equal."""
    return hashlib.sha256(canonical([record_digest, dict(facts)])).hexdigest()[:8]


def _notes(found: Survey, parts: Draft | None, *, cannot_park: str) -> Iterator[str]:
    if parts is None:
        yield f"nothing to do: every component is whole at {found.target.release}"
        return
    for left in found.components:
        yield from _component_notes(left)
        yield from _parking_notes(left, cannot_park) if cannot_park else ()
    if any(service.entry.balanced and service.turns for c in found.components for service in c.services):
        yield "hosts go by name: the balancers do not say which of them holds the VIP"
    last = [str(step.id) for step in parts.steps if step.no_return]
    if last:
        yield (
            f"no way back but a restored backup from {last[0]} on ({', '.join(last)}); before it, every step "
            "can be taken back"
        )


def _component_notes(left: Left) -> Iterator[str]:
    if left.whole:
        yield f"{left.name} is whole at {left.target.release} already: no steps"
        return
    if left.old and left.cold:
        yield (
            f"{left.name} is stopped as a whole and started on {left.target.release}, and does not answer "
            f"meanwhile: {left.why}. What users have goes on like this: {left.known.data_plane}"
        )
    if left.old and not left.cold:
        yield from _rolling_note(left)
        yield from _together_notes(left)
        yield from _losses(left)
    yield from _first_and_last_notes(left)
    yield from _closing_notes(left)
    for phase in (p.phase for p in left.phases if p.phase.stage == "expand" and p.phase.branch):
        yield f"{left.name}:{phase.name} runs while old code serves: {phase.beside_old} ({phase.source})"
    if left.known.schemas and not any(p.phase.branch for p in left.phases):
        yield f"the schema of {left.name} stays as it is: it has every migration of {left.target.release}"


def _parking_notes(left: Left, why: str) -> Iterator[str]:
    stopping: dict[str, list[str]] = {}
    for service in left.services if not left.cold else ():
        if service.turns and service.known.park:
            stopping.setdefault(" and ".join(service.known.park), []).append(service.name)
    for waiting, names in stopping.items():
        yield f"requests to {waiting} cannot wait during a restart of {', '.join(names)}: {why}"


def _stale_notes(cloud: Cloud, record: Record, goal: Upgrade, catalog: Catalog) -> Iterator[str]:
    for old in stale(cloud.reports, record, cloud.observed_at, catalog.down_after):
        row = old.report
        place = f"the row of {row.service} on {row.host} in {row.database}"
        if row.holds_back(catalog.version(row.component, row.service, goal.to)):
            yield (
                f"{place} holds all that speak to {row.service} to the form of version {row.version} until "
                f"it is removed, whatever this plan upgrades: {old.why}, and its version counts all the same"
            )
        else:
            yield f"{place} stands for no service, and holds nothing back: {old.why}"


def _rolling_note(left: Left) -> Iterator[str]:
    going = [service for service in left.staying if service.old]
    told = ", ".join(_hosts_told(service) for service in going)
    if going:
        yield (
            f"{left.name} is upgraded rolling, of each service the first host alone: {told}; {left.source} "
            f"and {left.target.release} may serve side by side ({left.why})"
        )


def _first_and_last_notes(left: Left) -> Iterator[str]:
    for service in left.services:
        first = service.entry.since or service.known.since
        if service.begins:
            yield (
                f"{service.name} begins with {first}: it is started on {', '.join(sorted(service.begins))}, "
                "and starts with its host from then on"
            )
        if service.ends and service.turns:
            last = service.entry.until or service.known.until
            yield (
                f"{service.name} ends with {last}: it is stopped on {', '.join(service.turns)}, and does not "
                "start with its host any more"
            )


def _together_notes(left: Left) -> Iterator[str]:
    for service in left.services:
        if service.turns and (rule := service.together):
            waiting = " and ".join(name for name in rule.park if name in left.entry.services)
            yield (
                f"{service.name} is stopped on all its hosts before it is started on {left.target.release} "
                f"on any: {rule.because}. What users asked for is waited for, then requests to {waiting} "
                "wait at the balancers until it lives again"
            )


def _hosts_told(service: ServiceLeft) -> str:
    if service.together:
        return f"{service.name} (all {len(service.hosts)} hosts together)"
    noun = "backends" if service.entry.balanced else "hosts"
    most = f"at most {service.batch} of {len(service.hosts)} {noun} out"
    return f"{service.name} ({service.turns[0]} first, {most})"


def _losses(left: Left) -> Iterator[str]:
    losing: dict[str, list[str]] = {}
    for service in left.services:
        waited = all(host in service.closings and service.closings[host].idles for host in service.turns)
        if service.turns and service.known.ends is Ends.LOSES and not waited:
            why = f"{service.known.ends_because} ({service.known.ends_source})"
            losing.setdefault(why, []).append(service.name)
    for why, names in losing.items():
        yield f"a stop of {', '.join(names)} may lose what is in hand: {why}"


def _closing_notes(left: Left) -> Iterator[str]:
    for service in left.services:
        going = [(host, service.closings[host]) for host in service.turns if host in service.closings]
        if any(closing.closes for _, closing in going):
            yield (
                f"{service.name} is closed to new work host by host, and stopped when it has nothing in "
                "hand: new work goes to other hosts, and what only that one could take is refused"
            )
            if left.known.pin and not service.known.closes_in(left.target.release):
                yield (
                    f"{service.name} is not closed when it is restarted once more, and new work waits for "
                    f"it: what {left.target.release} closes it does not open "
                    f"({service.known.openable_source})"
                )
        reasons: dict[str, list[HostName]] = {}
        for host, closing in going:
            if closing.why_not:
                reasons.setdefault(closing.why_not, []).append(host)
        for why, hosts in reasons.items():
            yield f"{service.name} is not closed on {', '.join(hosts)}: {why}"
        for host in service.opens:
            yield f"{service.name} on {host} was left closed by an earlier plan, and is opened"
