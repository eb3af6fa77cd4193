"""What an operator must know of a plan before she approves it: how, what is lost, where the way back ends."""

from __future__ import annotations

from collections.abc import Iterator

from skylift.catalog.catalog import Catalog
from skylift.catalog.component import Ends, Plane
from skylift.model.cloud import Cloud
from skylift.model.goal import Upgrade
from skylift.model.ids import HostName
from skylift.model.record import Record
from skylift.model.roster import stale
from skylift.planning.draft import Draft
from skylift.planning.plan import Plan
from skylift.planning.survey import Left, ServiceLeft, Survey
from skylift.planning.window import Window, windows


def notes(
    found: Survey, parts: Draft | None, plan: Plan, catalog: Catalog, *, cannot_park: str
) -> Iterator[str]:
    """All but what is told of one kind of plan alone."""
    if parts is None:
        every = "all that goes back" if found.back else "every component"
        yield f"nothing to do: {every} is whole at {found.target.release}"
        return
    for left in found.components:
        yield from _component_notes(left)
        yield from _parking_notes(left, cannot_park) if cannot_park else ()
    if any(service.entry.balanced and service.turns for c in found.components for service in c.services):
        yield "hosts go by name: the balancers do not say which of them holds the VIP"
    yield from _window_notes(plan, windows(plan, catalog), catalog)


def _window_notes(plan: Plan, found: tuple[Window, ...], catalog: Catalog) -> Iterator[str]:
    ends = {step for window in found for step in window.until}
    first = [str(step.id) for step in plan.steps if step.id in ends]
    if first:
        any_of = f"the first of these begins: {', '.join(first)}" if first[1:] else f"{first[0]} begins"
        yield f"all of it can be taken back until {any_of} (skylift rollback)"
    for window in found:
        own = window.until[:1] if _ends_itself(window, catalog) else ()
        told = f"until {own[0]} begins" if own else "at any time"
        yield f"{window.component} can be taken back {told}: {window.because} ({window.source})"
    bars: dict[str, list[str]] = {}
    for window in found:
        later = catalog.after(window.component)
        last = [w.component for w in found if w.component in later and _ends_itself(w, catalog)]
        if last:
            bars.setdefault(" and ".join(last), []).append(window.component)
    for last_of, names in bars.items():
        yield f"{', '.join(names)} can be taken back after {last_of} only, so not for longer than that"


def _ends_itself(window: Window, catalog: Catalog) -> bool:
    """Whether a step of its own ends its way back, so that the first of those is its own."""
    return bool(window.until) and bool(catalog.components[window.component].way_back.ends)


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
        yield from _note_on_what_users_have(left)
        yield from _together_notes(left)
        yield from _before_start_notes(left)
        yield from _heard_late_notes(left)
        yield from _losses(left)
    yield from _first_and_last_notes(left)
    yield from _closing_notes(left)
    for phase in (p.phase for p in left.phases if p.phase.stage == "expand" and p.phase.branch):
        yield f"{left.name}:{phase.name} runs while old code serves: {phase.beside_old} ({phase.source})"
    if left.restored:
        return
    if left.back:
        way = left.known.way_back
        yield f"{left.name} goes back, and its databases stay as they are: {way.because} ({way.source})"
    elif left.known.schemas and not any(p.phase.branch for p in left.phases):
        yield f"the schema of {left.name} stays as it is: it has every migration of {left.target.release}"


def _parking_notes(left: Left, why: str) -> Iterator[str]:
    stopping: dict[str, list[str]] = {}
    for service in left.services if not left.cold else ():
        if service.turns and service.known.park:
            stopping.setdefault(" and ".join(service.known.park), []).append(service.name)
    for waiting, names in stopping.items():
        yield f"requests to {waiting} cannot wait during a restart of {', '.join(names)}: {why}"


def stale_notes(cloud: Cloud, record: Record, goal: Upgrade, catalog: Catalog) -> Iterator[str]:
    """Rows of services that are gone, and which of them hold others back."""
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
    way = "goes back" if left.back else "is upgraded"
    if going:
        yield (
            f"{left.name} {way} rolling, of each service the first host alone: {told}; {left.source} "
            f"and {left.target.release} may serve side by side ({left.why})"
        )


def _note_on_what_users_have(left: Left) -> Iterator[str]:
    """What becomes of what users have, where services run beside it."""
    if any(service.turns and service.known.plane is Plane.DATA for service in left.services):
        yield f"what users have of {left.name}: {left.known.data_plane} ({left.known.data_plane_source})"


def _first_and_last_notes(left: Left) -> Iterator[str]:
    for service in left.services:
        first = service.entry.since or service.known.since
        last = service.entry.until or service.known.until
        begins, ends = (
            (f"ended with {last}", f"began with {first}")
            if left.back
            else (
                f"begins with {first}",
                f"ends with {last}",
            )
        )
        if service.begins:
            yield (
                f"{service.name} {begins}: it is started on {', '.join(sorted(service.begins))}, "
                "and starts with its host from then on"
            )
        if service.ends and service.turns:
            yield (
                f"{service.name} {ends}: it is stopped on {', '.join(service.turns)}, and does not "
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


def _before_start_notes(left: Left) -> Iterator[str]:
    for service in left.services:
        due = service.known.due_before_start(left.leaves, left.target.release)
        if service.turns and due:
            yield (
                f"before {service.name} of {left.target.release} starts on a host, a step there serves to "
                f"{due.name}: {due.because} ({due.source})"
            )


def _heard_late_notes(left: Left) -> Iterator[str]:
    for service in left.services if left.back else ():
        late = service.known.heard_late
        if late and service.turns[1:]:
            first = service.turns[0]
            yield (
                f"{service.name} goes back on {first} first, and {late.for_s} s later on the others: "
                f"{late.because} ({late.source})"
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
            if left.known.pin and not left.back and not service.known.closes_in(left.target.release):
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
