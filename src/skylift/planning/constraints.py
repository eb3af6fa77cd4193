"""The components' own constraints as edges between the steps of a draft."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from skylift.catalog.catalog import Catalog
from skylift.catalog.component import Constraint
from skylift.model.ids import ComponentName, HostName, ServiceName
from skylift.planning.draft import Draft, ServicePart
from skylift.planning.plan import Edge, Step
from skylift.planning.turns import Turn

_UPGRADE = "upgrade "


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a constraint may speak of: from the begin of one step to the end of another."""

    begins: Step
    ends: Step
    host: HostName | None = None


def between(catalog: Catalog, before: str, after: str, *, back: bool = False) -> Constraint | None:
    """The rule that ``before`` goes before ``after``: two components, or two services."""
    wanted = (f"upgrade {before}", f"upgrade {after}")
    return next((r for r in _rules(catalog, back=back) if (r.before, r.after) == wanted), None)


def _rules(catalog: Catalog, *, back: bool) -> Iterator[Constraint]:
    """All of them, on the way back turned round where that changes them."""
    for rule in catalog.order:
        yield _turned(rule) if back and _of_upgrades(rule) else rule


def _of_upgrades(rule: Constraint) -> bool:
    """Whether it speaks of upgrades alone: rules of stops and starts hold in both directions."""
    return all(event.startswith(_UPGRADE) for event in (rule.before, rule.after))


def _turned(rule: Constraint) -> Constraint:
    """On the way back what was to be upgraded first goes last, for the same reason.

    On each step of the way back as many are new as on a step of the way up, and the same ones.
    """
    because = f"what was upgraded first goes back last: {rule.because}"
    return replace(rule, before=rule.after, after=rule.before, because=because)


def as_declared(draft: Draft, catalog: Catalog) -> Iterator[Edge]:
    """An edge for each pair of events in the draft that a constraint puts in order."""
    for declared in catalog.order:
        rule = _as_it_goes(draft, catalog, declared)
        by_host = rule.within == "host"
        ends = _events(draft, catalog, rule.before, last=not by_host)
        begins = _events(draft, catalog, rule.after, last=False)
        for end in ends:
            for begin in begins:
                if not by_host or end.host == begin.host:
                    yield Edge(end.ends.id, begin.begins.id, rule.because, rule.source)


def _as_it_goes(draft: Draft, catalog: Catalog, rule: Constraint) -> Constraint:
    """The rule as it holds here: services of a component that is stopped as a whole are ordered by starts.

    Also on the way back: nothing new is left then for old ones to meet, and what the others need to come up
    starts first, as on the way up. A nova-compute reports through a conductor.
    """
    if not _of_upgrades(rule):
        return rule
    owners = {
        catalog.component_of(ServiceName(event.partition(" ")[2])) for event in (rule.before, rule.after)
    }
    cold = {part.left.name for part in draft.parts if part.left.cold}
    if len(owners) == 1 and owners <= cold:
        before, after = (event.replace(_UPGRADE, "start ", 1) for event in (rule.before, rule.after))
        return replace(rule, before=before, after=after)
    return _turned(rule) if draft.back else rule


def _events(draft: Draft, catalog: Catalog, told: str, *, last: bool) -> tuple[Event, ...]:
    """The events that ``told`` matches; with ``last``, those of a service's last turns only.

    A service's turns wait for each other, so the last ones stand for all.
    """
    verb, _, subject = told.partition(" ")
    if verb == "run":
        component, _, phase = subject.partition(":")
        steps = [
            step
            for part in draft.parts
            if part.left.name == component
            for known, step in (*part.before, *part.after)
            if known.name == phase
        ]
        return tuple(Event(step, step) for step in steps)
    if verb in {"pin", "unpin"}:
        restarts = [
            turn
            for part in draft.parts
            if part.left.name == subject and verb == "unpin"
            for turns in part.unpins
            for turn in turns
        ]
        return (Event(restarts[0].first, restarts[-1].last),) if restarts else ()
    named = _services(catalog, subject)
    going = [part for name, part in draft.services.items() if name in named]
    found = (_event(verb, turn) for part in going for turn in _turns(part, last=last))
    return tuple(event for event in found if event)


def _turns(part: ServicePart, *, last: bool) -> tuple[Turn, ...]:
    return part.last if last else part.turns


def _event(verb: str, turn: Turn) -> Event | None:
    own = dict(turn.verbs).get(verb)
    match verb:
        case "stop":
            return Event(turn.first, own, turn.host) if own else None
        case "start":
            return Event(own, turn.last, turn.host) if own else None
        case "close" | "open":
            return Event(own, own, turn.host) if own else None
        case _:
            return Event(turn.first, turn.last, turn.host)


def _services(catalog: Catalog, subject: str) -> frozenset[ServiceName]:
    component = catalog.components.get(ComponentName(subject))
    if component is None:
        return frozenset({ServiceName(subject)})
    return frozenset(service.name for service in component.services)
