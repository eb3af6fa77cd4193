"""A run as it goes: pure, from the plan, the folded journal and what is left of running steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from skylift.app.schedule import has_begun
from skylift.app.taken_back import TakenBack
from skylift.engine.decide import Order, decide, may_run
from skylift.engine.fold import INTERRUPTED, Phase, Run, Standing, StepRun
from skylift.engine.journal import Reported
from skylift.engine.left_running import outlasting
from skylift.engine.loans import Loan, kept_back
from skylift.engine.operate import taken_back_by
from skylift.engine.problems import Holder, naming
from skylift.engine.verbs import Kind, Verb, allowed, can_follow, tells_no_word, what_runs
from skylift.model.codec import encode
from skylift.model.ids import ComponentName, HostName, StepId
from skylift.planning.plan import Plan
from skylift.planning.window import Window, owner_of_step

_GOES_ON = {Standing.RUNNING, Standing.ABORTING}
"""How a run stands that gives back by itself what it takes, if somebody works on it."""


def changes(plan: Plan, before: Run, after: Run) -> list[str]:
    """One line for each step that started or ended between two looks, and for what did not hold the run."""
    differ = set(after.steps.differing(before.steps))
    done = len(after.within(Phase.DONE))
    lines: list[str] = []
    for step in (step for step in plan.steps if step.id in differ) if differ else ():
        was, now = before.steps.get(step.id), after.steps.get(step.id)
        if now is None or was == now:
            continue
        clock = _span(after.last_ms - after.opened_ms)
        lines.append(f"{clock} [{done:>3}/{len(plan.steps)}] {_phase(now):<9} {step.id}{_took(now)}")
    new = (problem for code, problem in after.warned.items() if code not in before.warned)
    clock = _span(after.last_ms - after.opened_ms)
    return [*lines, *(f"{clock} goes on, though {problem.sentence}" for problem in new)]


def under_way(plan: Plan, run: Run, left: Mapping[StepId, str], now_ms: int) -> list[str]:
    """One line for each running step: for how long, and what is left."""
    running = run.within(Phase.RUNNING)
    return [
        f"{_span(now_ms - run.steps[step.id].started_ms)} {step.id}: {left.get(step.id, step.action.title)}"
        for step in plan.steps
        if step.id in running
    ]


def lines(
    plan: Plan, run: Run, holder: Holder | None, back: TakenBack | None = None, *, rested: bool = False
) -> list[str]:
    """Where a run stands and what to do next: the answer of ``status``, and the end of ``apply``.

    Whether it ``rested`` before the last words that were said to it, only its journal knows.
    Of one that was taken ``back`` as a whole nothing is left to do, and nothing is its any more.
    """
    done = len(run.within(Phase.DONE))
    if back is not None and back.holds and back.is_of_all(plan, run):
        return [
            f"run {run.id} of {plan.headline}: {_way_back(back)}",
            f"  {done} of {len(plan.steps)} steps had been done in {_span(run.last_ms - run.opened_ms)}",
            *_asides(plan, run),
            f"  next: skylift {'report' if back.standing is Standing.COMPLETED else 'status'} {back.by}",
        ]
    return [
        f"run {run.id} of {plan.headline}: {_standing(plan, run, holder, rested=rested)}",
        f"  {done} of {len(plan.steps)} steps done in {_span(run.last_ms - run.opened_ms)}",
        *([f"  {', '.join(back.components)}: {_way_back(back)}"] if back else ()),
        *begin_lines(run),
        *_running(plan, run),
        *left_running_lines(run, left_running(plan, run)),
        *_problems(plan, run),
        *_warnings(run, Kind.of(plan)),
        *_asides(plan, run),
        *_given_up(plan, run),
        *([] if holder and run.standing in _GOES_ON else _taken(plan, run, back)),
        *_awaited(plan, run),
        *_next(plan, run, holder),
    ]


def taken_components(back: TakenBack | None) -> frozenset[ComponentName]:
    """What of a run is another one's by now: that gives back what had been taken of it."""
    return frozenset(back.components) if back is not None and back.holds else frozenset()


def _way_back(back: TakenBack) -> str:
    if back.standing is Standing.COMPLETED:
        return f"taken back by run {back.by}"
    if back.standing is Standing.ABORTED:
        return f"the way back was given up half-way, run {back.by}; what is left can be taken back again"
    return f"being taken back by run {back.by}, which is {back.standing.value}"


def window_lines(found: Sequence[Window], back: TakenBack | None = None) -> list[str]:
    """How far each component that was changed can still go back; those with the same answer share a line.

    What another run takes ``back`` is not the run's any more.
    """
    told: dict[str, list[str]] = {}
    for window in found:
        if window.changed and window.component not in taken_components(back):
            told.setdefault(_how_far(window), []).append(window.component)
    return [f"  {', '.join(names)} {how}" for how, names in told.items()]


def _how_far(window: Window) -> str:
    if window.closed_by:
        return f"cannot go back any more: {window.closed_by} has begun"
    until = f"until {' or '.join(window.until)} begins" if window.until else "at any time"
    return f"can go back {until}"


def document(plan: Plan, run: Run, holder: Holder | None, back: TakenBack | None = None) -> dict[str, Any]:
    """The same, for ``--json``."""
    return {
        "run": run.id,
        "cloud": plan.cloud,
        "standing": run.standing.value,
        "holder": encode(holder),
        "taken_back": encode(back),
        "done": sorted(run.within(Phase.DONE)),
        "left": _left(plan, run),
        "steps": {step: encode(at) for step, at in run.steps.items()},
        "not_before_ms": run.not_before_ms,
        "pause": encode(run.pause),
        "warned": [encode(problem) for problem in run.warned.values()],
        "abort": encode(run.abort),
        "taken": [loan.taken_by for loan in _kept(plan, run, back)],
        "unapproved": {stage.value: named for stage, named in Order.of(plan).unapproved(run).items()},
        "may_run": dict(left_running(plan, run)),
        "allowed": [verb.value for verb in allowed(run, Kind.of(plan))],
    }


def _standing(plan: Plan, run: Run, holder: Holder | None, *, rested: bool) -> str:
    if holder is None and waits_for_time(run):
        return "scheduled"
    if run.standing is Standing.RUNNING and holder is None:
        rests = rested or decide(Order.of(plan), run, at_once=1).over
        return "at rest" if rests else INTERRUPTED
    return f"{run.standing.value}, by {holder.who}" if holder and run.closed is None else run.standing.value


def waits_for_time(run: Run) -> bool:
    """Whether a run was told to begin later, has begun nothing, and nobody stopped it."""
    return bool(run.not_before_ms) and run.standing is Standing.RUNNING and not has_begun(run)


def begin_lines(run: Run) -> list[str]:
    """When a run begins that was told to; where no worker serves, a process has to be there then."""
    if not run.not_before_ms or has_begun(run) or run.closed is not None:
        return []
    moment = datetime.fromtimestamp(run.not_before_ms / 1000, UTC)
    at = f"{moment:%a %Y-%m-%d %H:%M} UTC"
    return [f"  begins at {at}, by a worker or whoever waits for it; if nobody does: skylift resume"]


def _running(plan: Plan, run: Run) -> Iterator[str]:
    for step in plan.steps:
        if step.id in run.within(Phase.RUNNING):
            yield f"  under way: {step.id}: {step.action.title}"


def left_running(plan: Plan, run: Run) -> Mapping[StepId, HostName]:
    """The steps not under way whose command may still run, each with its host."""
    return {} if taken_back_by(run) else outlasting(run, may_run(Order.of(plan), run))


def left_running_lines(run: Run, commands: Mapping[StepId, HostName]) -> Iterator[str]:
    """These ``commands``, which may still run though their step does not, and how to see what they do."""
    until = "; until it has ended, nothing new begins there" if run.closed else ""
    for step, host in commands.items():
        yield f"  MAY STILL RUN on {host}: the command of {step}{until}"
        yield f"    {what_runs(host)}"


def _problems(plan: Plan, run: Run) -> Iterator[str]:
    kind = Kind.of(plan)
    for step in plan.steps:
        at = run.steps.get(step.id)
        if at is not None and at.problem is not None and at.aside is None:
            yield f"  {step.id} failed"
            yield from _reported(run, kind, at.problem)
    if run.pause and run.pause.problem:
        yield from _reported(run, kind, run.pause.problem)


def _warnings(run: Run, kind: Kind) -> Iterator[str]:
    """What does not hold a way back, as long as it goes on."""
    for problem in run.warned.values() if run.closed is None else ():
        yield f"  not held by {problem.code}: {problem.sentence}"
        yield from (f"      {remedy}" for remedy in problem.remedies if can_follow(run, kind, remedy))


def _reported(run: Run, kind: Kind, problem: Reported) -> Iterator[str]:
    """With those of its remedies that the run takes as it stands by now."""
    yield f"    {problem.code}: {problem.sentence}"
    for remedy in problem.remedies:
        if can_follow(run, kind, remedy):
            yield f"      {remedy}"


def _asides(plan: Plan, run: Run) -> Iterator[str]:
    for step in plan.steps:
        at = run.steps.get(step.id)
        if at is not None and at.aside is not None:
            yield f"  {step.id} is {at.phase.value}, by {at.aside.actor}: {at.aside.reason}"
            if at.aside.costs:
                yield f"    {at.aside.costs}"
            if at.phase is Phase.POSTPONED:
                yield from _why_postponed(plan, run, step.id, at)


def _why_postponed(plan: Plan, run: Run, step: StepId, at: StepRun) -> Iterator[str]:
    """Why it failed, for it is still to be done; and what does not begin, for it could not be given back."""
    if at.problem is not None:
        yield f"    {at.problem.code}: {at.problem.sentence}"
        # Which word takes it back is told below: those of its remedies are about steps that failed.
        yield from (f"      {remedy}" for remedy in at.problem.remedies if tells_no_word(remedy))
    waiting = ", ".join(take for take, why in kept_back(Order.of(plan).loans, run).items() if step in why)
    if waiting:
        yield f"    until then nothing could give back what these take, so they wait, too: {waiting}"


def _given_up(plan: Plan, run: Run) -> Iterator[str]:
    if run.abort is None:
        return
    yield f"  given up by {run.abort.actor}: {run.abort.reason}"
    left = _left(plan, run)
    if left:
        yield f"  not done: {len(left)} steps, {left[0]} first"


def _kept(plan: Plan, run: Run, back: TakenBack | None) -> list[Loan]:
    """What the run has taken, but for what its ways back have given back."""
    already = back.given_back if back else frozenset[StepId]()
    return [loan for loan in Order.of(plan).kept(run) if loan.taken_by not in already]


def _taken(plan: Plan, run: Run, back: TakenBack | None) -> Iterator[str]:
    """What users are short of while the run does not go on, and what gives it back."""
    gone = taken_components(back)
    for loan in (loan for loan in _kept(plan, run, back) if owner_of_step(plan, loan.taken_by) not in gone):
        giving = plan.step(loan.given_back_by).action.title
        if run.abort is not None:
            yield f"  STILL TAKEN by {loan.taken_by}; to give it back: {giving}"
        else:
            yield f"  taken by {loan.taken_by}, and given back by {loan.given_back_by}: {giving}"


def _awaited(plan: Plan, run: Run) -> Iterator[str]:
    """What the run has come to, paused or not, and what a stage lacks of which something was approved.

    What else needs an approval later is in the plan.
    """
    order = Order.of(plan)
    come_to = {step.stage for step in decide(order, replace(run, pause=None), at_once=1).awaits}
    for stage, named in order.unapproved(run).items():
        passed = [s.id for s in plan.steps if s.stage is stage and s.id in run.approved - run.steps.keys()]
        if passed and run.abort is None:
            yield f"  approved, and yet to begin: {', '.join(passed)}"
        if stage in come_to or (passed and run.abort is None):
            waits = "waits" if stage in come_to else "will wait"
            more = f", which passes {', '.join(named)}: no step alone leads back" if named else ""
            other = f", by another than {run.author}" if run.author else ""
            yield f"  {waits} for the approval of {stage.value}{more}{other}:"
            yield f"    skylift approve {stage.value}{naming(named)}"


def _left(plan: Plan, run: Run) -> list[StepId]:
    return [step.id for step in plan.steps if step.id not in run.within(Phase.DONE)]


def _next(plan: Plan, run: Run, holder: Holder | None) -> Iterator[str]:
    rests = run.closed is not None or not (run.within(Phase.RUNNING) or left_running(plan, run))
    can_go_back = rests and Verb.ROLLBACK in allowed(run, Kind.of(plan))
    back = "take it back: skylift rollback -o FILE" if can_go_back else ""
    match run.standing:
        case Standing.COMPLETED:
            onward = f"check --to {plan.goal.to}" if plan.stages_only else "validate; skylift report"
            yield f"  next: skylift {onward}"
        case Standing.ABORTED:
            anew = "" if plan.stages_only else ", a new plan"
            yield f"  next: skylift report; and for what is not done{anew}: {plan.again}"
            yield from [f"  or {back}"] if back else []
        case Standing.HALTED:
            yield f"  next: follow a remedy, then: skylift retry{'; or ' if back else ''}{back}"
        case Standing.PAUSED:
            yield f"  next: {_after_pause(plan, run, holder)}"
        case Standing.RUNNING | Standing.ABORTING if holder is not None:
            yield "  next: wait for it, or let nothing new start: skylift pause"
        case Standing.RUNNING if waits_for_time(run):
            yield "  next: wait for it, or call it off: skylift abort --reason WHY"
        case Standing.ABORTING:
            yield f"  next: {_after_giving_up(plan, run)}"
        case Standing.RUNNING:
            yield f"  next: {_after_interruption(plan, run)}"


def _after_pause(plan: Plan, run: Run, holder: Holder | None) -> str:
    """What ends first if the process lives; and the remedies of a problem say more than to resume."""
    ending = sorted(run.within(Phase.RUNNING)) if holder is not None else []
    if ending:
        return f"wait until it rests: {', '.join(ending)} ends first"
    if run.pause and run.pause.problem:
        return "follow a remedy"
    return _after_interruption(plan, replace(run, pause=None))


def _after_giving_up(plan: Plan, run: Run) -> str:
    """What lets a run end that nobody drives; what it cannot give back may be left to somebody."""
    if run.abort and run.abort.leave:
        return "skylift resume"
    close = "close it as it is: skylift abort --leave --reason WHY"
    decided = decide(Order.of(plan), run, at_once=1)
    if run.pause or not decided.over:
        names = ", ".join(step.id for step in decided.look)
        return f"{resume_after(names)}; or {close}"
    if run.within(Phase.FAILED):
        return f"skylift retry; or {close}"
    return f"skylift retry {_postponed(run)}; or {close}" if run.within(Phase.POSTPONED) else close


def resume_after(names: str) -> str:
    """What lets a run end that was given up, if these steps' commands may run yet."""
    return f"skylift resume{f', which waits until no command of {names} runs any more' if names else ''}"


def _after_interruption(plan: Plan, run: Run) -> str:
    decided = decide(Order.of(plan), run, at_once=1)
    if not decided.over:
        return "skylift resume"
    if decided.awaits:
        return "approve it, then: skylift resume"
    return f"nothing is left but what was postponed: skylift retry {_postponed(run)}"


def _postponed(run: Run) -> str:
    return "; skylift retry ".join(sorted(run.within(Phase.POSTPONED))) or "STEP"


def _phase(at: StepRun) -> str:
    return {Phase.RUNNING: "started", Phase.WAITING: "again"}.get(at.phase, at.phase.value)


def _took(at: StepRun) -> str:
    return "" if at.ended_ms is None else f" ({(at.ended_ms - at.started_ms) / 1000:.1f} s)"


def _span(ms: int) -> str:
    return f"{ms // 60_000:02}:{ms // 1000 % 60:02}"
