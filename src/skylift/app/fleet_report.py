"""The report of a run over a fleet: moves as Nova tells them, hosts, what users got, and what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from skylift.app.fleet_account import FleetAccount, fleet_account
from skylift.app.runs import RunFolder
from skylift.app.samples import fetch_samples, fetched
from skylift.app.site import Site
from skylift.engine.fold import Standing
from skylift.engine.journal import Event, StepDone, StepFailed, StepStarted
from skylift.fleet.fleet import InstanceId
from skylift.model.availability import Availability, Span, availability
from skylift.model.ids import HostName, StepId
from skylift.model.problem import Problem
from skylift.model.sample import Sample, read_samples
from skylift.ports import MigrationSeen

ASKED_MAX = 500
"""Instances whose migrations Nova is asked for; of more, the journal alone tells."""
_ARRIVED = {"completed", "confirmed", "finished"}


@dataclass(frozen=True, slots=True)
class Moved:
    """One instance that was asked to move, and what Nova says of it since."""

    instance: str
    asked: int
    """How often the run asked."""
    statuses: tuple[str, ...]
    """Nova's word for each migration since the run began, the oldest first."""
    on: HostName | None
    """The host that the last of them that arrived has brought it to; none if none did."""

    @property
    def arrivals(self) -> int:
        """How often it came to another host."""
        return sum(status in _ARRIVED for status in self.statuses)


@dataclass(frozen=True, slots=True)
class Spell:
    """One attempt at a step of a host, or at what is done afterwards; without an end while it goes on."""

    step: StepId
    began_ms: int
    ended_ms: int | None
    failed: bool


@dataclass(frozen=True, slots=True)
class FleetReport:
    """One run over a fleet, as its operator answers for it."""

    account: FleetAccount
    moved: tuple[Moved, ...]
    """None if there are more than Nova is asked for, or it does not answer."""
    availability: Availability
    unmeasured: tuple[str, ...]
    """What is not known, and why: of that the report says nothing, good or bad."""

    @property
    def spells(self) -> tuple[Spell, ...]:
        """What was done when, in the order in which it ended."""
        return tuple(_spells(self.account.events))

    @property
    def fewest(self) -> int:
        """No plan could do with fewer moves: those for the hosts, and those afterwards."""
        plan = self.account.mandate.plan
        return int(plan["bounds"]["moves"]) + int(plan.get("afterwards", {"fewest": 0})["fewest"])

    @property
    def away(self) -> tuple[Moved, ...]:
        """Instances that were to be brought back, and are elsewhere by Nova's word on their moves."""
        homes = self.account.wanted.homes if self.account.wanted else {}
        there = ((m, homes.get(InstanceId(m.instance))) for m in self.moved)
        return tuple(moved for moved, home in there if home and moved.on not in {home, None})

    @property
    def whole(self) -> bool:
        """Whether every host is through, and no request failed."""
        complete = self.account.run.standing is Standing.COMPLETED and not self.account.left
        return complete and self.availability.failed == 0

    @property
    def arrivals(self) -> Counter[int]:
        """How many instances came to another host how often."""
        return Counter(moved.arrivals for moved in self.moved)

    @property
    def summary(self) -> str:
        """One line for a log."""
        of, seen = self.account, self.availability
        moves = sum(moved.arrivals for moved in self.moved) if self.moved else of.asked.total()
        parts = [
            of.run.standing.value,
            f"{len(of.done)} of {len(of.mandate.hosts)} hosts",
            f"{len(of.left)} left",
            f"{moves} moves of {len(of.asked)} instances",
        ]
        if seen.apis:
            parts += [f"{seen.failed} failed of {seen.requests} requests", *map(str, seen.guests)]
        else:
            parts.append("no requests were measured")
        return ", ".join(parts)


def fleet_report(site: Site, folder: RunFolder, remark: Callable[[str], None]) -> FleetReport:
    """Everything that is known of the run in ``folder``; what cannot be fetched is told to ``remark``."""
    account = fleet_account(site.runs, folder, site.record)
    unmeasured: list[str] = []
    try:
        fetch_samples(site, folder)
    except Problem as problem:
        unmeasured.append(f"newer samples could not be fetched: {problem}")
    moved: tuple[Moved, ...] = ()
    if len(account.asked) > ASKED_MAX:
        unmeasured.append(
            f"what became of {len(account.asked)} instances nova was not asked: of {ASKED_MAX} it would be"
        )
    else:
        try:
            moved = tuple(_moved(site, account, instance) for instance in sorted(account.asked))
        except Problem as problem:
            unmeasured.append(f"nova was not asked what became of the moves: {problem}")
    samples = read_samples(fetched(folder))
    seen = seen_by_users(samples, account.events)
    unmeasured += _unmeasured(seen, moved)
    for line in unmeasured:
        remark(line)
    return FleetReport(account, moved, seen, tuple(unmeasured))


def _unmeasured(seen: Availability, moved: Sequence[Moved]) -> Iterator[str]:
    if not seen.apis:
        yield "no requests were measured, so what users got is not known"
    for began, ended in seen.unwatched:
        since, until = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}" for at in (began, ended))
        yield f"nothing was measured from {since} to {until} UTC, so what users got then is not known"
    if seen.apis and not seen.guests:
        yield "no guest of ours was watched, so how long one stands still as it moves is not known"
    lost = [of.instance for of in moved if not of.statuses]
    if lost:
        yield f"of {len(lost)} instances that were asked to move nova has no migration: {', '.join(lost[:8])}"


def _spells(events: Iterable[Event]) -> Iterator[Spell]:
    open_since: dict[StepId, int] = {}
    for event in events:
        match event:
            case StepStarted(step=step, at_ms=at_ms):
                open_since[step] = at_ms
            case StepDone(step=step, at_ms=at_ms) | StepFailed(step=step, at_ms=at_ms) if step in open_since:
                yield Spell(step, open_since.pop(step), at_ms, isinstance(event, StepFailed))
            case _:
                pass
    yield from (Spell(step, at_ms, None, failed=False) for step, at_ms in open_since.items())


def seen_by_users(samples: Iterable[Sample], events: Sequence[Event]) -> Availability:
    """What users got, laid over the steps of hosts."""
    began = {e.step: e.at_ms for e in reversed(events) if isinstance(e, StepStarted)}
    ended = {e.step: e.at_ms for e in events if isinstance(e, StepDone | StepFailed)}
    spans = [
        Span(step, at_ms / 1000, ended[step] / 1000 if step in ended else float("inf"))
        for step, at_ms in began.items()
    ]
    first = min(began.values(), default=None)
    return availability(samples, spans, changed_from=None if first is None else first / 1000)


def _moved(site: Site, account: FleetAccount, instance: str) -> Moved:
    since = account.run.opened_ms / 1000
    seen = [m for m in site.ports.compute.migrations(instance) if m.began_at >= since - 1]
    return moved_as(instance, account.asked[instance], seen)


def moved_as(instance: str, asked: int, seen: Sequence[MigrationSeen]) -> Moved:
    """What became of an instance, by its migrations, the newest first."""
    arrived = [m.target for m in seen if m.status in _ARRIVED]
    return Moved(instance, asked, tuple(m.status for m in reversed(seen)), arrived[0] if arrived else None)
