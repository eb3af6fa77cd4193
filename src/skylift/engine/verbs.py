"""What an operator may ask of a run, and when: one table, from which the reference is generated.

A verb is allowed by what kind of run it is said to, by how that stands and, if it is about a step, by how
that step stands. Whether a process works on the run right now does not matter: its word is a fact in the
journal either way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.problems import RunRefuses, StepRefuses
from skylift.model.goal import Rollback
from skylift.model.ids import HostName, StepId
from skylift.model.problem import Fix, Remedy
from skylift.planning.plan import Plan

_NOTHING: Mapping[StepId, HostName] = MappingProxyType({})

NOT_BEGUN = "not begun"
"""How a step stands that has no phase."""


class Kind(Enum):
    """What a run is for, as its plan says."""

    UPGRADE = "an upgrade"
    STAGING = "a fetch of artifacts"
    BACK = "a way back"
    HOSTS = "work on hosts"

    @classmethod
    def of(cls, plan: Plan) -> Kind:
        """What a run of ``plan`` is for; one over hosts has no such plan."""
        if isinstance(plan.goal, Rollback):
            return cls.BACK
        return cls.STAGING if plan.stages_only else cls.UPGRADE


class Verb(Enum):
    """What may be asked of a run that was opened."""

    PAUSE = "pause"
    """Start nothing new; what runs goes on to its end."""
    RESUME = "resume"
    """Go on: after a pause, or when the process that ran it is gone."""
    APPROVE = "approve"
    """Let a stage begin, and pass those points of no return in it that are named."""
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
    kinds: frozenset[Kind] = frozenset(Kind)
    """What it may be said to."""


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
            kinds=frozenset({Kind.UPGRADE}),
        ),
    }
)


_COMMANDS: Mapping[Verb, Remedy] = MappingProxyType(
    {
        Verb.PAUSE: Remedy(Fix.RETRY, "let nothing new start: skylift pause"),
        Verb.RESUME: Remedy(Fix.RETRY, "let it go on: skylift resume"),
        Verb.APPROVE: Remedy(Fix.ACCEPT, "approve a stage that waits for it: skylift approve STAGE"),
        Verb.RETRY: Remedy(Fix.RETRY, "start what failed again: skylift retry"),
        Verb.SKIP: Remedy(Fix.ACCEPT, "answer for a step that is not done: skylift skip STEP --reason WHY"),
        Verb.POSTPONE: Remedy(Fix.ACCEPT, "put a step aside: skylift postpone STEP --reason WHY"),
        Verb.ABORT: Remedy(Fix.ROLL_BACK, "give it up: skylift abort --reason WHY"),
        Verb.ROLLBACK: Remedy(Fix.ROLL_BACK, "take it back: skylift rollback -o back.plan"),
    }
)
"""Each verb as it is typed."""


def commands(run: Run) -> tuple[Remedy, ...]:
    """What the standing of a run allows, if it is an upgrade, each as a command to paste."""
    return tuple(_COMMANDS[verb] for verb in allowed(run, Kind.UPGRADE))


def said_of(kind: Kind) -> tuple[Remedy, ...]:
    """All that may ever be said to a run of this kind, each as a command to paste."""
    return tuple(_COMMANDS[verb] for verb, rule in TABLE.items() if kind in rule.kinds)


@contextmanager
def said_to(kind: Kind) -> Iterator[None]:
    """Let a refusal, which is made by a journal alone, offer nothing that a run of this kind never takes."""
    try:
        yield
    except (RunRefuses, StepRefuses) as refused:
        taken = {verb for verb, rule in TABLE.items() if kind in rule.kinds}
        refused.remedies = tuple(remedy for remedy in refused.remedies if _told(remedy) <= taken)
        raise


def can_follow(run: Run, kind: Kind, remedy: Remedy) -> bool:
    """Whether the run takes, as it stands now, what a remedy tells to say to it."""
    return _told(remedy) <= set(allowed(run, kind))


def tells_no_word(remedy: Remedy) -> bool:
    """Whether it is something to do beside the run."""
    return not _told(remedy)


def _told(remedy: Remedy) -> set[Verb]:
    """The verbs that a remedy tells; none if it tells to plan, for then they are for another run."""
    words = set(re.findall(r"\bskylift ([a-z]+)\b", remedy.how))
    return set() if "plan" in words else {verb for verb in Verb if verb.value in words}


def what_runs(host: HostName) -> Remedy:
    """How to see the commands that run on ``host``: each is a unit of its own."""
    return Remedy(Fix.REPAIR, f"see what it does: skylift ssh {host} 'systemctl status \"skylift-*\"'")


def to_end(host: HostName) -> tuple[Remedy, ...]:
    """What to do about a command that has outlived its step on ``host``."""
    return (
        what_runs(host),
        Remedy(Fix.RETRY, "wait until it has ended, or let the run go on watching it: skylift retry"),
        Remedy(Fix.ACCEPT, "or close it as it is, and answer for that: skylift abort --leave --reason WHY"),
    )


def to_rest(run: Run) -> tuple[Remedy, ...]:
    """How a run whose process is gone comes to rest, so that it can be taken back.

    A step that was under way may still be so on its host, and only a process sees it end.
    """
    then = "then: skylift rollback -o back.plan"
    give_up = Remedy(Fix.ROLL_BACK, f"or give it up: skylift abort --reason WHY; {then}")
    if not run.within(Phase.RUNNING):
        return (Remedy(Fix.ROLL_BACK, f"let nothing of it start any more: skylift pause; {then}"), give_up)
    go_on = "let it see that end, and stop it by Ctrl-C: skylift resume"
    return (Remedy(Fix.ROLL_BACK, f"{go_on}; {then}"), give_up)


def allowed(run: Run, kind: Kind) -> tuple[Verb, ...]:
    """The verbs that a run of this kind takes as it stands; about which steps is another question."""
    return tuple(v for v, rule in TABLE.items() if run.standing in rule.standings and kind in rule.kinds)


def open_to(run: Run, verb: Verb) -> frozenset[StepId]:
    """The begun steps that ``verb`` may be about."""
    phases = TABLE[verb].phases or ()
    return frozenset(step for step, at in run.steps.items() if at.phase in phases)


def require(
    run: Run, verb: Verb, step: StepId | None = None, *, going_on: Mapping[StepId, HostName] = _NOTHING
) -> None:
    """See that ``verb`` may be said now, about ``step`` if one is named.

    ``going_on`` are the steps not under way whose command was seen to run: they are not at rest either.

    Raises:
        RunRefuses: not as the run stands.
        StepRefuses: not as the step stands.
    """
    rule = TABLE[verb]
    if run.standing not in rule.standings:
        raise RunRefuses(run.id, verb.value, run.standing.value, *commands(run))
    if rule.at_rest and run.closed is None:
        for under_way in sorted(run.within(Phase.RUNNING)):
            why = f"it is {Phase.RUNNING.value}"
            raise StepRefuses(verb.value, under_way, why, *to_rest(run), rests=True)
        for left, host in sorted(going_on.items()):
            why = f"its command still runs on {host}"
            raise StepRefuses(verb.value, left, why, *to_end(host), rests=True)
    if step is None or rule.phases is None:
        return
    at = run.steps.get(step)
    phase = at.phase if at else None
    if phase not in rule.phases:
        why = f"it is {phase.value if phase else NOT_BEGUN}"
        raise StepRefuses(verb.value, step, why, rests=rests(run))


def rests(run: Run) -> bool:
    """Whether only an operator's word lets the run go on; else it does, or its process is gone."""
    return run.standing is not Standing.RUNNING
