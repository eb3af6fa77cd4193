"""What an operator may ask of a run, and when: one table, from which the reference is generated.

A verb is allowed by how the run stands and, if it is about a step, by how that step stands. Whether a
process works on the run right now does not matter: its word is a fact in the journal either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.problems import RunRefuses, StepRefuses
from skylift.model.ids import StepId

NOT_BEGUN = "not begun"
"""How a step stands that has no phase."""


class Verb(Enum):
    """What may be asked of a run that was opened."""

    PAUSE = "pause"
    """Start nothing new; what runs goes on to its end."""
    RESUME = "resume"
    """Go on: after a pause, or when the process that ran it is gone."""
    APPROVE = "approve"
    """Let a stage begin, and pass the points of no return in it."""
    RETRY = "retry"
    """Start a failed step again, or take a postponed one back."""
    SKIP = "skip"
    """Answer for a step: it is not done, and what depends on it goes on."""
    POSTPONE = "postpone"
    """Put a step aside with all that depends on it; the rest goes on."""
    ABORT = "abort"
    """Give the run up: running steps end, what was taken is given back, and what is left is named."""
    ROLLBACK = "rollback"
    """Take it back by a plan of its own, whose run takes over what this one has taken and closes it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a verb is allowed."""

    standings: frozenset[Standing]
    phases: frozenset[Phase | None] | None = None
    """How its step may stand; ``None`` in it is a step that has not begun. None if it is about no step."""
    at_rest: bool = False
    """Whether no step may be under way, unless the run was closed as it was."""


_OPEN = frozenset({Standing.RUNNING, Standing.PAUSED, Standing.HALTED})

TABLE: Mapping[Verb, Rule] = MappingProxyType(
    {
        Verb.PAUSE: Rule(frozenset({Standing.RUNNING, Standing.HALTED, Standing.ABORTING})),
        Verb.RESUME: Rule(_OPEN | {Standing.ABORTING}),
        Verb.APPROVE: Rule(_OPEN),
        Verb.RETRY: Rule(_OPEN | {Standing.ABORTING}, frozenset({Phase.FAILED, Phase.POSTPONED})),
        Verb.SKIP: Rule(_OPEN, frozenset({None, Phase.WAITING, Phase.FAILED, Phase.POSTPONED})),
        Verb.POSTPONE: Rule(_OPEN, frozenset({None, Phase.WAITING, Phase.FAILED})),
        Verb.ABORT: Rule(_OPEN | {Standing.ABORTING}),
        Verb.ROLLBACK: Rule(
            frozenset({Standing.PAUSED, Standing.HALTED, Standing.COMPLETED, Standing.ABORTED}),
            at_rest=True,
        ),
    }
)


def allowed(run: Run) -> tuple[Verb, ...]:
    """The verbs that the run's standing allows; which steps they may be about is another question."""
    return tuple(verb for verb, rule in TABLE.items() if run.standing in rule.standings)


def open_to(run: Run, verb: Verb) -> frozenset[StepId]:
    """The begun steps that ``verb`` may be about."""
    phases = TABLE[verb].phases or ()
    return frozenset(step for step, at in run.steps.items() if at.phase in phases)


def require(run: Run, verb: Verb, step: StepId | None = None) -> None:
    """See that ``verb`` may be said now, about ``step`` if one is named.

    Raises:
        RunRefuses: not as the run stands.
        StepRefuses: not as the step stands.
    """
    rule = TABLE[verb]
    if run.standing not in rule.standings:
        raise RunRefuses(run.id, verb.value, run.standing.value, tuple(v.value for v in allowed(run)))
    under_way = sorted(run.within(Phase.RUNNING)) if rule.at_rest and run.closed is None else []
    if under_way:
        raise StepRefuses(verb.value, under_way[0], f"it is {Phase.RUNNING.value}")
    if step is None or rule.phases is None:
        return
    at = run.steps.get(step)
    phase = at.phase if at else None
    if phase not in rule.phases:
        raise StepRefuses(verb.value, step, f"it is {phase.value if phase else NOT_BEGUN}")
