"""Rules for services whose work a stop could cut: closed to new work, then idle, then stopped, and opened."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from skylift.verifier.document import PlanSeen
from skylift.verifier.spans import Span, most_at_once

_CLOSE, _IDLE, _STOP, _OPEN = "close-service", "await-idle", "stop-service", "open-service"
_ELSEWHERE = "new work goes to other hosts"
_LOSES = "loses"
_OURS = ", disabled by Skylift"


def wanted_around_work(plan: PlanSeen, service: str, host: str, api: str) -> AbstractSet[str]:
    """Which steps around its work the turn of a service on a host must have, its API being of one release.

    Closed and opened is what another host can stand in for, and what an earlier run of Skylift left closed.
    What somebody else closed stays so; where nobody can stand in, a closing would only have new work
    refused. Waited for is whatever is closed, and what a stop would lose. What its API does not open again
    is not closed either.
    """
    ends, own, opens = plan.known.closed(service), plan.rows(service, host), plan.known.opens(service, api)
    if not ends or not own:
        return frozenset()
    left = any(_OURS in text for text in own.values())
    by_others = any(_is_closed(text) and _OURS not in text for text in own.values())
    stood_in = left or all(set(_open_hosts(plan, service, _backend(row))) - {host} for row in own)
    opened = {_OPEN} if left and opens else set[str]()
    if plan.is_gone(service) or is_cold(plan, service):
        return opened | ({_IDLE} if stood_in or ends == _LOSES else set())
    if by_others:
        return opened | {_IDLE}
    if stood_in and opens:
        return {_CLOSE, _IDLE, _OPEN}
    return {_IDLE} if ends == _LOSES else frozenset()


def closed_hosts_are_opened_as_closed(plan: PlanSeen) -> Iterator[str]:
    """What opens a host knows the reason that it was closed with, and looks at the same rows."""
    for turn in (*plan.turns.values(), *plan.restarts.values()):
        closing, opening = turn.get(_CLOSE), turn.get(_OPEN)
        if closing and opening:
            for key, what in (("labels", "closings of other plans"), ("rosters", "rows in other databases")):
                if closing.action[key] != opening.action[key]:
                    yield f"{opening.id} takes back {what} than {closing.id} makes"


def some_host_takes_new_work(plan: PlanSeen) -> Iterator[str]:
    """Of each service, and of each backend it serves, a host is open at any time."""
    spans: dict[tuple[str, str], list[Span]] = {}
    for (service, host), turn in (*plan.turns.items(), *plan.restarts.items()):
        if _CLOSE in turn and _OPEN in turn:
            open_rows = [row for row, text in plan.rows(service, host).items() if not _is_closed(text)]
            for backend in {_backend(row) for row in open_rows}:
                spans.setdefault((service, backend), []).append((turn[_CLOSE], turn[_OPEN]))
    for (service, backend), closed in spans.items():
        free, most = len(set(_open_hosts(plan, service, backend))), most_at_once(plan, closed)
        if most >= free:
            of = f" for {backend}" if backend else ""
            told = f"{most} of {free} open hosts of {service}{of} may be closed at once"
            yield f"{told}, and none takes new work"


def what_was_left_closed_is_opened(plan: PlanSeen) -> Iterator[str]:
    """What an earlier run of Skylift left closed gets work again, if its component is in the plan.

    Unless the API that serves does not open it.
    """
    opened = {(step.service, step.host) for step in plan.of_kind(_OPEN)}
    for service, component in plan.services.items():
        # While any service of its component has its turn to come, an old API serves.
        api = plan.api if plan.turns_of(component) else plan.goal
        opens = component in plan.goals() and plan.known.opens(service, api)
        for host in plan.facts.get(f"hosts {service}", "").split() if opens else ():
            left = any(_OURS in text for text in plan.rows(service, host).values())
            if left and plan.known.closed(service) and (service, host) not in opened:
                yield f"{service} on {host} was left closed by Skylift, and no step opens it"


def work_ends_while_it_can(plan: PlanSeen) -> Iterator[str]:
    """Of a component that is stopped as a whole, work ends after the stop of its APIs, before all others."""
    for (service, host), turn in plan.turns.items():
        if _IDLE not in turn or not is_cold(plan, service):
            continue
        idle, place = turn[_IDLE], f"{service} on {host}"
        for (other, _), its in plan.turns_of(plan.services[service]).items():
            stop = its.get(_STOP)
            if stop is None:
                continue
            if plan.balanced(other) and not plan.surely_before(stop, idle):
                yield f"{place} may get new work after {idle.id}: {stop.id} may end later"
            if not plan.balanced(other) and _IDLE not in its and not plan.surely_before(idle, stop):
                yield f"{stop.id} may stop what {place} needs to end its work: {idle.id} may end later"


def closing_is_told(plan: PlanSeen) -> Iterator[str]:
    """Whoever reads the plan sees during which steps new work goes elsewhere (row 11)."""
    for (service, _), turn in (*plan.turns.items(), *plan.restarts.items()):
        for kind, step in turn.items() if _CLOSE in turn else ():
            told = (step.impact["notice"], step.impact["api"]) == (_ELSEWHERE, plan.services.get(service))
            if kind != _OPEN and not told:
                yield f"{step.id} has new work go to other hosts of {service}, and does not say so"


def is_cold(plan: PlanSeen, service: str) -> bool:
    """Whether its whole component is stopped before any of it starts."""
    turns = plan.turns_of(plan.services[service]).values()
    stops = [turn[_STOP] for turn in turns if _STOP in turn]
    starts = [turn["start-service"] for turn in turns if "start-service" in turn]
    return len(stops) > 1 and all(plan.surely_before(stop, start) for stop in stops for start in starts)


def _open_hosts(plan: PlanSeen, service: str, backend: str) -> Iterator[str]:
    for host in plan.facts.get(f"hosts {service}", "").split():
        rows = plan.rows(service, host)
        if any(_backend(row) == backend and not _is_closed(text) for row, text in rows.items()):
            yield host


def _backend(row: str) -> str:
    """``lvm`` in ``ctl1@lvm``: one cinder-volume has a row for each backend that it serves."""
    return row.partition("@")[2].partition("#")[0]


def _is_closed(text: str) -> bool:
    return ", disabled" in text
