"""A run as it goes: pure, from the plan, the folded journal and what is left of running steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from skylift.engine.fold import Phase, Run, Standing, StepRun
from skylift.engine.journal import Reported
from skylift.engine.problems import Holder
from skylift.model.codec import encode
from skylift.model.ids import StepId
from skylift.planning.plan import Plan


def changes(plan: Plan, before: Run, after: Run) -> list[str]:
    """One line for each step that started or ended between two looks, in the plan's order."""
    done = len(after.within(Phase.DONE))
    lines: list[str] = []
    for step in plan.steps:
        was, now = before.steps.get(step.id), after.steps.get(step.id)
        if now is None or was == now:
            continue
        clock = _span(after.last_ms - after.opened_ms)
        lines.append(f"{clock} [{done:>3}/{len(plan.steps)}] {_phase(now):<9} {step.id}{_took(now)}")
    return lines


def under_way(plan: Plan, run: Run, left: Mapping[StepId, str], now_ms: int) -> list[str]:
    """One line for each running step: for how long, and what is left."""
    return [
        f"{_span(now_ms - run.steps[step.id].started_ms)} {step.id}: {left.get(step.id, step.action.title)}"
        for step in plan.steps
        if step.id in run.within(Phase.RUNNING)
    ]


def lines(plan: Plan, run: Run, holder: Holder | None) -> list[str]:
    """Where a run stands and what to do next: the answer of ``status``, and the end of ``apply``."""
    done = len(run.within(Phase.DONE))
    return [
        f"run {run.id} of {plan.cloud}, {plan.source} to {plan.goal.to}: {_standing(run, holder)}",
        f"  {done} of {len(plan.steps)} steps done in {_span(run.last_ms - run.opened_ms)}",
        *_running(plan, run),
        *_problems(plan, run),
        *_next(run, holder),
    ]


def document(plan: Plan, run: Run, holder: Holder | None) -> dict[str, Any]:
    """The same, for ``--json``."""
    return {
        "run": run.id,
        "cloud": plan.cloud,
        "standing": run.standing.value,
        "holder": encode(holder),
        "done": sorted(run.within(Phase.DONE)),
        "left": [step.id for step in plan.steps if step.id not in run.within(Phase.DONE)],
        "steps": {step: encode(at) for step, at in run.steps.items()},
        "pause": encode(run.pause),
    }


def _standing(run: Run, holder: Holder | None) -> str:
    if run.standing is Standing.RUNNING and holder is None:
        return "interrupted (its process is gone)"
    return f"{run.standing.value}, by {holder}" if holder and run.closed is None else run.standing.value


def _running(plan: Plan, run: Run) -> Iterator[str]:
    for step in plan.steps:
        if step.id in run.within(Phase.RUNNING):
            yield f"  under way: {step.id}: {step.action.title}"


def _problems(plan: Plan, run: Run) -> Iterator[str]:
    for step in plan.steps:
        at = run.steps.get(step.id)
        if at is not None and at.problem is not None:
            yield f"  {step.id} failed"
            yield from _reported(at.problem)
    if run.pause and run.pause.problem:
        yield from _reported(run.pause.problem)


def _reported(problem: Reported) -> Iterator[str]:
    yield f"    {problem.code}: {problem.sentence}"
    for remedy in problem.remedies:
        yield f"      {remedy}"


def _next(run: Run, holder: Holder | None) -> Iterator[str]:
    match run.standing:
        case Standing.COMPLETED:
            yield "  next: skylift validate; skylift report"
        case Standing.HALTED:
            yield "  next: follow a remedy, then: skylift retry"
        case Standing.PAUSED:
            yield "  next: skylift resume"
        case Standing.RUNNING if holder is None:
            yield "  next: skylift resume"
        case Standing.RUNNING:
            yield "  next: wait for it, or pause it with ctrl-c where it runs"


def _phase(at: StepRun) -> str:
    return {Phase.RUNNING: "started", Phase.WAITING: "again"}.get(at.phase, at.phase.value)


def _took(at: StepRun) -> str:
    return "" if at.ended_ms is None else f" ({(at.ended_ms - at.started_ms) / 1000:.1f} s)"


def _span(ms: int) -> str:
    return f"{ms // 60_000:02}:{ms // 1000 % 60:02}"
