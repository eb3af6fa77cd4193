"""A run over a fleet as it goes: hosts done, under way, and what is left, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skylift.app.fleet_account import FleetAccount
from skylift.cli.views.columns import indented
from skylift.cli.views.run import begin_lines, left_running_lines, resume_after, waits_for_time
from skylift.engine.fold import INTERRUPTED, Phase, Run, Standing
from skylift.engine.guards import pairs_of
from skylift.engine.journal import Reported
from skylift.engine.settled_places import step_of
from skylift.engine.verbs import Kind, allowed, can_follow
from skylift.model.codec import encode
from skylift.model.ids import StepId

_SHOWN = 20
"""Hosts of a kind that are named; --json has all."""


def lines(of: FleetAccount) -> list[str]:
    """Where it stands and what to do next."""
    run, mandate = of.run, of.mandate
    done = f"{len(of.done)} of {len(mandate.hosts)} hosts done"
    return [
        f"run {run.id} of {mandate.cloud}, {mandate.purpose.value}: {_standing(of)}",
        f"  {done} in {_span(run.last_ms - run.opened_ms)}, {of.asked.total()} moves asked for",
        *(f"  {number} {what}s were given to other agents" for what, number in sorted(of.carried.items())),
        *begin_lines(run),
        *_some(f"  under way: {step}{_waits(run, step)}" for step in sorted(run.within(Phase.RUNNING))),
        *left_running_lines(run, of.may_run),
        *(f"  paused by this run: {name}" for name in _paused(run)),
        *_afterwards(of),
        *_pause(of),
        *_left(of),
        *_next(of),
    ]


def document(of: FleetAccount) -> dict[str, Any]:
    """The same, for ``--json``."""
    run = of.run
    return {
        "run": run.id,
        "cloud": of.mandate.cloud,
        "purpose": of.mandate.purpose.value,
        "standing": run.standing.value,
        "holder": encode(of.holder),
        "done": list(of.done),
        "under_way": list(of.under_way),
        "left": dict(of.left),
        "steps": {step: encode(at) for step, at in run.steps.items()},
        "automation": _paused(run),
        "gated": [stage.value for stage in run.gated],
        "waits": dict(run.waits),
        "may_run": dict(of.may_run),
        "moves": dict(of.asked),
        "afterwards": {"kind": of.wanted.kind.value, "moves": dict(of.afterwards)} if of.wanted else None,
        "carried": dict(of.carried),
        "not_before_ms": run.not_before_ms,
        "pause": encode(run.pause),
        "abort": encode(run.abort),
        "allowed": [verb.value for verb in allowed(run, Kind.HOSTS)],
    }


def _paused(run: Run) -> list[str]:
    return sorted({pair.name for pair in pairs_of(run) if pair.is_owed(run)})


def _waits(run: Run, step: StepId) -> str:
    return f" waits for {run.waits[step]}" if step in run.waits else ""


def _standing(of: FleetAccount) -> str:
    run = of.run
    if of.holder is None and waits_for_time(run):
        return "scheduled"
    if run.closed is None and of.holder is None:
        # What comes after the hosts rests when the run is paused, and is still begun.
        rests = {step_of(of.wanted.kind)} if of.wanted and run.pause else set()
        gone = bool(run.within(Phase.RUNNING) - rests)
        return INTERRUPTED if gone else f"at rest, {run.standing.value}"
    return f"{run.standing.value}, by {of.holder}" if run.closed is None else run.standing.value


def _afterwards(of: FleetAccount) -> Iterator[str]:
    """What is done when every host is through, or that nothing is."""
    if of.wanted is None:
        yield "  afterwards: nothing is moved"
        return
    step = step_of(of.wanted.kind)
    at, planned = of.run.steps.get(step), len(of.mandate.plan["afterwards"]["moves"])
    stands = at.phase.value if at else "when every host is through"
    yield f"  afterwards: {step}, {stands}: {of.afterwards.total()} moves asked for, {planned} planned"
    if at is not None and at.problem is not None:
        yield f"    {at.problem.code}: {at.problem.sentence}"
        yield from indented(_remedies(of.run, at.problem), 6)


def _pause(of: FleetAccount) -> Iterator[str]:
    if of.run.pause is not None and of.run.pause.problem is not None:
        problem = of.run.pause.problem
        yield f"  {problem.code}: {problem.sentence}"
        yield from indented(_remedies(of.run, problem), 4)
    if of.run.abort is not None:
        yield f"  given up by {of.run.abort.actor}: {of.run.abort.reason}"


def _remedies(run: Run, problem: Reported) -> list[str]:
    """What it takes of them as it stands now."""
    return [str(remedy) for remedy in problem.remedies if can_follow(run, Kind.HOSTS, remedy)]


def _left(of: FleetAccount) -> Iterator[str]:
    if of.left:
        yield f"  left: {len(of.left)} hosts"
        yield from _some(f"    {host}: {why or 'yet to begin'}" for host, why in of.left.items())


def _next(of: FleetAccount) -> Iterator[str]:
    match of.run.standing:
        case Standing.COMPLETED | Standing.ABORTED:
            yield "  next: skylift report"
        case _ if of.run.gated and not of.run.abort:
            for stage in of.run.gated:
                yield f"  next: skylift approve {stage.value}, and then skylift resume"
        case _ if of.holder is not None:
            yield "  next: wait for it, or let no other host begin: skylift pause"
        case _ if waits_for_time(of.run):
            yield "  next: wait for it, or call it off: skylift abort --reason WHY"
        case Standing.HALTED:
            yield "  next: mend what failed, then: skylift retry"
        case Standing.ABORTING:
            close = "close it as it is: skylift abort --leave --reason WHY"
            yield f"  next: {resume_after(', '.join(of.may_run))}; or {close}"
        case _:
            yield "  next: skylift resume; what was postponed: skylift retry STEP"


def _some(told: Iterator[str]) -> Iterator[str]:
    all_of = list(told)
    yield from all_of[:_SHOWN]
    if len(all_of) > _SHOWN:
        yield f"    and {len(all_of) - _SHOWN} more; --json has all"


def _span(ms: int) -> str:
    return f"{ms // 60_000:02}:{ms // 1000 % 60:02}"
