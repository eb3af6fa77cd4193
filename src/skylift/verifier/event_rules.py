"""Order rules that hold for every component, judged on events: restated here, shared with nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise

from skylift.verifier.events import Event, Events
from skylift.verifier.knowledge import Knowledge, Pattern, PhaseKnown

_PINS = "nova, admin guide, Upgrades: pinned while releases are mixed, unpinned when no old service is left"
_SLURP = "governance, resolution 2022-02-10, Release Cadence Adjustment"
_FIRST_SLURP = (2023, 1)
_MANY = 3
"""From so many names on, the others are counted."""


def schema_before_new_code(known: Knowledge, events: Events) -> Iterator[str]:
    """What new code reads is there before it starts (row 95)."""
    for run, phase in _runs(known, events, "expand"):
        if early := [e for e in events.of("start", component=run.component) if not run.surely_before(e)]:
            yield f"new code of {_named(early)} may start before {run.told} has ended: {_why(phase)}"


def schema_after_old_code(known: Knowledge, events: Events) -> Iterator[str]:
    """What old code uses stays until no host runs it (row 93)."""
    for run, phase in _runs(known, events, "converge"):
        if late := [e for e in events.of("upgrade", component=run.component) if not e.surely_before(run)]:
            yield f"{run.told} may run beside old code of {_named(late)}: {_why(phase)}"


def cold_schema_meets_nobody(known: Knowledge, events: Events) -> Iterator[str]:
    """A phase that no code may watch runs while every service of its component is stopped."""
    for run, phase in _runs(known, events, "cold"):
        stopped = {_at(e) for e in events.of("stop", component=run.component) if e.surely_before(run)}
        starts = events.of("start", component=run.component)
        early = {_at(e) for e in starts if not run.surely_before(e)}
        places = events.places.get(run.component, frozenset()) | {_at(e) for e in starts}
        serving = sorted({service for service, host in (places - stopped) | early})
        if serving or not stopped:
            yield f"{run.told} may run beside {_listed(serving) or run.component}: {_why(phase)}"


def phases_in_their_order(known: Knowledge, events: Events) -> Iterator[str]:
    """A phase builds on those that its component's file lists before it, for the same schema."""
    for component in known.components.values():
        listed = [events.matching(Pattern("run", f"{component.name}:{name}")) for name in component.phases]
        steps = list(zip(component.phases.values(), listed, strict=True))
        for schema in sorted({phase.schema for phase in component.phases.values()}):
            own = [runs for phase, runs in steps if phase.schema == schema and runs]
            for before, after in pairwise(own):
                for first, then in _late(before, after):
                    yield f"{then.told} may run before {first.told} has ended: it builds on what that leaves"


def pins_frame_the_mix(known: Knowledge, events: Events) -> Iterator[str]:
    """Pinned before the first new service starts, unpinned after the last is new."""
    del known
    for pin in events.of("pin"):
        if early := [e for e in events.of("start", component=pin.component) if not pin.surely_before(e)]:
            yield (
                f"new code of {_named(early)} may start before {pin.told} has ended: "
                f"what is new speaks as the old do while both run ({_PINS})"
            )
    for unpin in events.of("unpin"):
        if late := [e for e in events.of("upgrade", component=unpin.component) if not e.surely_before(unpin)]:
            yield (
                f"{unpin.told} may begin beside old code of {_named(late)}, "
                f"which does not understand the new ({_PINS})"
            )


def unpinned_by_what_works(known: Knowledge, events: Events) -> Iterator[str]:
    """A service looks again at how new the others are when it starts; a reload does not make every one."""
    for unpin in events.of("unpin"):
        described = known.components.get(unpin.component)
        if unpin.manner == "reload" and described:
            yield f"{unpin.told} may leave it pinned: a restart unpins every service ({described.pin})"


def some_host_serves(known: Knowledge, events: Events) -> Iterator[str]:
    """A service on several hosts is never out of use on all of them, unless it must be, or all goes cold."""
    for component in sorted({e.component for e in events.of("upgrade")} - events.cold):
        own = events.of("upgrade", component=component)
        for service in sorted({e.subject for e in own}):
            turns = [e for e in own if e.subject == service]
            hosts = {host for name, host in events.places.get(component, frozenset()) if name == service}
            whole = len(turns) > 1 and len(turns) == len(hosts) and not known.together(service)
            if whole and not _chained(turns):
                yield f"{service} may be out of use on all its hosts at once, and nothing serves meanwhile"


def old_and_new_never_meet(known: Knowledge, events: Events) -> Iterator[str]:
    """A service whose releases must not live at once has stopped everywhere before it starts anywhere."""
    for start in events.of("start"):
        rule = known.together(start.subject)
        stops = [e for e in events.of("stop") if rule and e.subject == start.subject]
        if rule and (late := [stop for stop in stops if not stop.surely_before(start)]):
            yield (
                f"new code of {_place(start)} may run beside old code of {_named(late)}: {rule.because} "
                f"({rule.source})"
            )


def what_stops_starts_again(known: Knowledge, events: Events) -> Iterator[str]:
    """Nothing that was stopped stays so."""
    del known
    starts = {_at(e): e for e in events.of("start")}
    if lost := [e for e in events.of("stop") if _at(e) not in starts and not e.last]:
        yield f"nothing starts {_named(lost)} again after its stop"
    for stop in events.of("stop"):
        start = starts.get(_at(stop))
        if start and not stop.surely_before(start):
            yield f"{_place(start)} may be started before it is stopped"


def what_is_closed_is_opened(known: Knowledge, events: Events) -> Iterator[str]:
    """A host that is closed to new work is closed before the stop, and opened after the start."""
    del known
    at = {verb: {_at(e): e for e in events.of(verb)} for verb in ("stop", "start", "open")}
    for close in events.of("close"):
        stop, start, opened = (at[verb].get(_at(close)) for verb in ("stop", "start", "open"))
        if stop and not close.surely_before(stop):
            yield f"{_place(stop)} may be stopped before it is closed: it may be given work until then"
        if opened is None:
            yield f"nothing opens {_place(close)} again after it is closed"
        elif not close.surely_before(opened):
            yield f"{_place(opened)} may be opened before it is closed, and stays closed"
        elif start and not start.surely_before(opened):
            yield f"{_place(opened)} may be opened before it is started: it is given work that nobody does"


EVENT_RULES: tuple[Callable[[Knowledge, Events], Iterator[str]], ...] = (
    schema_before_new_code,
    schema_after_old_code,
    cold_schema_meets_nobody,
    phases_in_their_order,
    pins_frame_the_mix,
    unpinned_by_what_works,
    some_host_serves,
    old_and_new_never_meet,
    what_stops_starts_again,
    what_is_closed_is_opened,
)


def hop_is_tested(start: str, goal: str) -> Iterator[str]:
    """To the next release, or from one SLURP to the next; within a release there is no distance."""
    here, there = _release(start), _release(goal)
    if here is None or there is None:
        yield f"{start} to {goal} is no hop: a release is a year and a half, such as 2024.1"
        return
    distance = (there[0] - here[0]) * 2 + there[1] - here[1]
    slurps = here[1] == there[1] == 1 and here >= _FIRST_SLURP
    if not (distance in {0, 1} or (distance == 2 and slurps)):  # noqa: PLR2004 - one SLURP further
        yield f"{start} to {goal} is further than releases are made to work together ({_SLURP})"


def _release(text: str) -> tuple[int, int] | None:
    year, _, half = text.partition(".")
    return (int(year), int(half)) if year.isdecimal() and half in {"1", "2"} else None


def _runs(known: Knowledge, events: Events, stage: str) -> Iterator[tuple[Event, PhaseKnown]]:
    for run in events.of("run"):
        phase = known.phase(run.subject)
        if phase and phase.stage == stage:
            yield run, phase


def _listed(names: Sequence[str]) -> str:
    """One or two names, or the first and how many more."""
    return " and ".join(names) if len(names) < _MANY else f"{names[0]} and {len(names) - 1} more"


def _named(events: Sequence[Event]) -> str:
    return _listed(tuple(dict.fromkeys(_place(event) for event in events)))


def _why(phase: PhaseKnown) -> str:
    return f"{phase.because} ({phase.source})"


def _late(before: tuple[Event, ...], after: tuple[Event, ...]) -> Iterator[tuple[Event, Event]]:
    for then in after:
        for first in before:
            same = not first.cell or not then.cell or first.cell == then.cell
            if same and not first.surely_before(then):
                yield first, then


def _at(event: Event) -> tuple[str, str]:
    return event.subject, event.host


def _place(event: Event) -> str:
    return event.told.partition(" ")[2]


def _chained(turns: list[Event]) -> bool:
    """Whether at least two of the turns cannot be under way together."""
    return any(a.surely_before(b) or b.surely_before(a) for a, b in combinations(turns, 2))
