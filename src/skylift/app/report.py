"""The report of a run: what happened, what users got meanwhile, the verdict, and what to do about it.

A pure fold of plan, journal, samples and the last validation; text, JSON and HTML are views of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from skylift.actions.parking import ParkPool
from skylift.app.unmeasured import Unmeasured, in_a_line, unmeasured, untold_of
from skylift.app.validate import Issue, Outcome, Validation, of_run
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.journal import Event, Reported, RunPaused, RunWarned, StepDone, StepFailed, StepStarted
from skylift.model.availability import ApiAvailability, Availability, Span, availability
from skylift.model.ids import StepId
from skylift.model.problem import Fix, Remedy
from skylift.model.sample import Sample
from skylift.planning.plan import Notice, Plan, Stage
from skylift.ports import WitnessSeen


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one step; ``ended_ms`` is none if nothing tells of its end."""

    step: StepId
    title: str
    stage: Stage
    number: int
    began_ms: int
    ended_ms: int | None
    failed: bool
    likely_s: int
    """What the plan thought it would take."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem that the run met, and whether the run got over it."""

    at_ms: int
    step: StepId | None
    problem: Reported
    over: bool


@dataclass(frozen=True, slots=True)
class Impact:
    """What the plan said users of one API would notice, beside what they did (row 3)."""

    api: str
    planned: str
    measured: str
    kept: bool | None
    """Whether it was no worse than planned; none if nothing worse was seen, and nobody looked throughout."""
    broken: str
    """What of it was not kept; empty if all was, as far as anybody looked."""
    unmeasured: str
    """For how long nobody measured while it was short of something, and how; empty if never."""


@dataclass(frozen=True, slots=True)
class Report:
    """One run, as its operator answers for it."""

    run: Run
    plan: Plan
    attempts: tuple[Attempt, ...]
    availability: Availability
    impacts: tuple[Impact, ...]
    troubles: tuple[Trouble, ...]
    witnesses: tuple[WitnessSeen, ...]
    validation: Validation | None
    """None if the cloud was not looked at again; no verdict while the run is open."""
    samples: tuple[Sample, ...]
    changed_from: float | None
    """When the control plane was first touched."""
    unmeasured: tuple[Unmeasured, ...] = ()

    @property
    def verdict(self) -> str:
        """In the words of ``validate``, or where the run stands if it is not complete."""
        if self.run.standing is not Standing.COMPLETED:
            return f"{self.run.standing.value}"
        judged = self.validation.outcome if self.validation else Outcome.COMPLETED
        if judged is Outcome.COMPLETED and self.issues:
            judged = Outcome.WITH_ISSUES
        return f"{judged.value}"

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What is not as it should be, each with what to do about it (row 10)."""
        seen = self.validation.issues if self.validation else ()
        worse = {impact.api for impact in self.impacts if impact.kept is False}
        lost = [_loss_issue(self.plan, api) for api in self.availability.apis if api.api in worse]
        return (*seen, *_witness_issues(self.witnesses), *lost, *_skipped_issues(self.run))

    @property
    def untold(self) -> frozenset[str]:
        """The APIs that were short of something while nobody measured: of these no figure is the whole."""
        return frozenset(api for each in self.unmeasured for api in each.apis)

    @property
    def hurt(self) -> tuple[WitnessSeen, ...]:
        """The witnesses that are not as they were made."""
        return tuple(witness for witness in self.witnesses if not witness.intact)

    @property
    def summary(self) -> str:
        """One line for a log: verdict, requests, boots, other works, guests, longest gap, witnesses."""
        seen = self.availability
        parts = [self.verdict]
        if seen.apis:
            parts.append(f"{seen.failed} failed of {seen.requests} requests")
            parts += [f"{seen.slow} slow"] if seen.slow else []
            parts += [str(seen.boots)] if seen.boots.asked else []
            parts += [f"{len(seen.lost)} lost of {seen.works} works"] if seen.works else []
            parts += map(str, seen.guests)
            of = " of an API" if seen.guests else ""
            measured = "measured " if self.untold else ""
            parts.append(f"longest {measured}gap{of} {seen.longest_gap_ms / 1000:.1f} s")
        else:
            parts.append("no requests were measured")
        parts += [untold] if (untold := in_a_line(self.unmeasured)) else []
        if self.witnesses:
            parts.append(f"witnesses {len(self.witnesses) - len(self.hurt)} of {len(self.witnesses)}")
        return ", ".join(parts)


def report(
    plan: Plan,
    events: Sequence[Event],
    samples: Iterable[Sample],
    *,
    witnesses: tuple[WitnessSeen, ...] = (),
    validation: Validation | None = None,
    until: float | None = None,
) -> Report:
    """Fold what is known of a run; ``events`` are its journal, from the opening on.

    ``until`` is when ``samples`` should end, an epoch in seconds; none if nobody knows.
    """
    kept = tuple(samples)
    attempts = _attempts(plan, events)
    changed = [a.began_ms / 1000 for a in attempts if a.stage is Stage.CONTROL_PLANE]
    changed_from = min(changed, default=None)
    spans = [_span(attempt) for attempt in attempts]
    seen = availability(kept, spans, changed_from=changed_from, until=until)
    dark = unmeasured(plan, events, seen.unwatched)
    run = fold(events)
    return Report(
        run=run,
        plan=plan,
        attempts=attempts,
        availability=seen,
        impacts=tuple(_impact(plan, api, dark) for api in seen.apis),
        troubles=_troubles(events),
        witnesses=witnesses,
        validation=of_run(validation, plan.goal, run) if validation else None,
        samples=kept,
        changed_from=changed_from,
        unmeasured=dark,
    )


def _attempts(plan: Plan, events: Iterable[Event]) -> tuple[Attempt, ...]:
    """In the order they began. One that goes on watching the same job, or was done anew, is the same."""
    steps = {step.id: step for step in plan.steps}
    began: dict[tuple[StepId, int], int] = {}
    ended: dict[tuple[StepId, int], tuple[int, bool]] = {}
    for event in events:
        match event:
            case StepStarted(step, number, at_ms):
                began.setdefault((step, number), at_ms)
                ended.pop((step, number), None)
            case StepDone(step, number, at_ms):
                ended[step, number] = (at_ms, False)
            case StepFailed(step=step, attempt=number, at_ms=at_ms):
                ended[step, number] = (at_ms, True)
            case _:
                pass
    return tuple(
        Attempt(
            step=step,
            title=steps[step].action.title,
            stage=steps[step].stage,
            number=number,
            began_ms=at_ms,
            ended_ms=ended.get((step, number), (None, False))[0],
            failed=ended.get((step, number), (None, False))[1],
            likely_s=steps[step].estimate.likely,
        )
        for (step, number), at_ms in began.items()
    )


def _span(attempt: Attempt) -> Span:
    ended = float("inf") if attempt.ended_ms is None else attempt.ended_ms / 1000
    return Span(attempt.step, attempt.began_ms / 1000, ended)


def _troubles(events: Sequence[Event]) -> tuple[Trouble, ...]:
    run = fold(events)
    # What was postponed is as it failed; for what was skipped somebody answers.
    still = run.within(Phase.FAILED, Phase.POSTPONED)
    newest = {event.step: event for event in events if isinstance(event, StepFailed)}
    troubles: list[Trouble] = []
    for event in events:
        match event:
            case StepFailed(step=step, problem=problem, at_ms=at_ms):
                over = step not in still or newest[step] is not event
                troubles.append(Trouble(at_ms, step, problem, over=over))
            case RunPaused(problem=Reported() as problem, at_ms=at_ms):
                paused = run.pause is not None and run.pause.at_ms == at_ms
                troubles.append(Trouble(at_ms, None, problem, over=not paused))
            case RunWarned(problem=problem, at_ms=at_ms):
                over = run.closed is not None or problem.code not in run.warned
                troubles.append(Trouble(at_ms, None, problem, over=over))
            case _:
                pass
    return tuple(troubles)


def _impact(plan: Plan, api: ApiAvailability, dark: Sequence[Unmeasured]) -> Impact:
    """Fewer backends, slow answers or requests that wait were announced, never a failed request."""
    untold = untold_of(dark, api.api)
    measured = (
        f"{api.failed} of {api.requests} requests failed, {_lost(api)}"
        f"longest {'measured ' if untold else ''}gap {api.gap.length_ms / 1000:.2f} s, "
        f"p99 {api.during.p99} after {api.baseline.p99}"
    )
    allowed_ms = _gap_allowed_ms(plan, api)
    limit = "" if allowed_ms is None else f"; no gap above {allowed_ms / 1000:.2f} s"
    broken = ", ".join(_broken(plan, api))
    return Impact(
        api.api,
        f"{announced(plan, api.api)}{limit}",
        f"{measured}, {untold}" if untold else measured,
        kept=False if broken else None if untold else True,
        broken=broken,
        unmeasured=untold,
    )


def _gap_allowed_ms(plan: Plan, api: ApiAvailability) -> int | None:
    """None where the plan announces that the API does not answer: nobody knows beforehand for how long."""
    if any(s.impact.api == api.api and s.impact.notice is Notice.DOWN for s in plan.steps):
        return None
    return api.gap_allowed_ms(_waits_s(plan, api.api) * 1000)


def _broken(plan: Plan, api: ApiAvailability) -> Iterator[str]:
    """What of a plan's promise users of an API did not get."""
    if api.failed:
        yield f"{api.failed} of {api.requests} requests to {api.api} failed"
    if api.lost:
        yield f"{api.lost} of {api.works} works that {api.api} had accepted were lost"
    allowed_ms = _gap_allowed_ms(plan, api)
    if allowed_ms is not None and api.gap.length_ms > allowed_ms:
        waits_s = _waits_s(plan, api.api)
        waits = f", requests may wait for {waits_s} s" if waits_s else ""
        yield (
            f"the longest gap of {api.api} was {api.gap.length_ms / 1000:.2f} s, and may be "
            f"{allowed_ms / 1000:.2f} s (its slowest request before any change took "
            f"{api.baseline.slowest_ms / 1000:.2f} s{waits})"
        )


def announced(plan: Plan, api: str) -> str:
    """What a plan says that users of an API will notice."""
    noticed = [step.impact.notice for step in plan.steps if step.impact.api == api]
    told = [
        f"{n.value} in {noticed.count(n)} of {len(plan.steps)} steps"
        for n in Notice
        if n is not Notice.NONE and n in noticed
    ]
    waits_s = _waits_s(plan, api)
    told += [f"requests wait for up to {waits_s} s"] if waits_s else []
    return ("" if Notice.DOWN in noticed else "no request fails; ") + ("; ".join(told) or "nothing to notice")


def _waits_s(plan: Plan, api: str) -> int:
    parked = (s.action for s in plan.steps if s.impact.api == api)
    return max((action.limit for action in parked if isinstance(action, ParkPool)), default=0)


def _lost(api: ApiAvailability) -> str:
    return f"{api.lost} of {api.works} accepted works were lost, " if api.works else ""


def _witness_issues(witnesses: Iterable[WitnessSeen]) -> Iterator[Issue]:
    for witness in witnesses:
        if not witness.intact:
            yield Issue(
                Outcome.WITH_ISSUES,
                f"the witness {witness.name} is not as it was made: {witness.detail}",
                (Remedy(Fix.REPAIR, "look whether users' own resources changed in the same way"),),
            )


def _skipped_issues(run: Run) -> Iterator[Issue]:
    for step, at in sorted(run.steps.items()):
        if at.phase is Phase.SKIPPED and at.aside is not None:
            costs = f"; {at.aside.costs}" if at.aside.costs else ""
            yield Issue(
                Outcome.WITH_ISSUES,
                f"{step} was skipped by {at.aside.actor}: {at.aside.reason}{costs}",
                (Remedy(Fix.REPAIR, f"see that what it was for is done: skylift why {step}"),),
            )


def _loss_issue(plan: Plan, api: ApiAvailability) -> Issue:
    """Lost requests cannot be given back: what is left is to find out why, and to tell users."""
    steps = ", ".join(api.failed_by_step or api.gap.steps)
    told = f"{', '.join(_broken(plan, api))}; " + (
        f"during {steps}" if steps else "no step was under way then"
    )
    where = "see which of its backends serve: skylift inspect"
    if api.guest:
        address = api.api.partition(" ")[2]
        where = f"see its server and host: openstack server list --all-projects --long --ip {address}"
    elif api.api not in plan.services.values():
        where = (
            f"see what {api.api} logged then, on its hosts: it is not in this record, so nobody looked at it"
        )
    return Issue(
        Outcome.WITH_ISSUES,
        told,
        (
            Remedy(Fix.REPAIR, where),
            Remedy(Fix.ACCEPT, "tell users of it, with the times that skylift report --json has"),
        ),
    )
