"""What an operator says to a run, each word one fact or more in its journal.

No lease is needed: a word is judged by the one table against the journal as it is, and is appended only if
nothing else was meanwhile; else it is judged again. So a word that was accepted is true of what runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from skylift.engine.decide import Order
from skylift.engine.fold import Run, after, fold, next_attempt
from skylift.engine.journal import (
    FORMAT,
    Event,
    Journal,
    Outcome,
    RunAborting,
    RunClosed,
    RunOpened,
    RunPaused,
    RunResumed,
    RunTakenUp,
    StageApproved,
    StepPostponed,
    StepRetried,
    StepSkipped,
    Why,
    milliseconds,
)
from skylift.engine.ledger import Ledger
from skylift.engine.problems import (
    NoReturnUnnamed,
    NothingToApprove,
    RunRefuses,
    SecondPersonNeeded,
    StepRefuses,
)
from skylift.engine.skipping import costs
from skylift.engine.verbs import Verb, open_to, require, rests
from skylift.model.ids import Digest, Epoch, HostName, RunId, StepId
from skylift.model.problem import Fix, Remedy
from skylift.model.seal import PublicKey, Signers, name_of
from skylift.planning.plan import Stage


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, as ``user@host``, and when."""

    actor: str
    at: Epoch
    signer: str = ""
    """Whose key seals what is said, by the record's name; empty if the record names no signers."""
    key: PublicKey | None = None
    """That key; none if there is none here."""

    @property
    def at_ms(self) -> int:
        """When, as events write it."""
        return milliseconds(self.at)


@dataclass(frozen=True, slots=True)
class Gates:
    """What of a plan needs an approval, and of whom."""

    stages: tuple[Stage, ...] = ()
    """The stages that need one of their own."""
    author: str = ""
    """Who made the plan and may not approve it; empty if anybody may."""
    signers: Signers = field(default_factory=dict)
    """Who may approve it then, by name."""


def open_run(
    journal: Journal,
    run: RunId,
    *,
    cloud: str,
    plan: Digest,
    asked: Asked,
    approved: tuple[StepId, ...] = (),
    gates: Gates = Gates(),
    not_before: Epoch | None = None,
) -> Run:
    """Begin a run of the plan with this digest, in an empty journal.

    Of the plan's points of no return, only those ``approved`` will be passed, and of its stages only those
    that ``gates`` does not name, until they are approved later. Nothing starts ``not_before`` that time.
    """
    opened = RunOpened(
        FORMAT,
        run,
        cloud,
        plan,
        approved,
        asked.actor,
        asked.at_ms,
        gated=gates.stages,
        author=gates.author,
        signers=gates.signers,
        not_before_ms=milliseconds(not_before) if not_before else 0,
    )
    begun = after(fold(journal.events()) if journal.events() else None, opened)
    journal.append(opened, after=0)
    return begun


def pause(journal: Journal, asked: Asked) -> Run:
    """Start nothing new from here on; once this returns, no step starts.

    No effect on a paused run: why it was paused first, and what to do about that, stays told.

    Raises:
        RunRefuses: the run is closed.
    """
    ledger = Ledger(journal)
    while ledger.run.pause is None or ledger.run.closed is not None:
        require(ledger.run, Verb.PAUSE)
        ledger.write(RunPaused(Why.OPERATOR, None, asked.at_ms, asked.actor))
    return ledger.run


def resume(journal: Journal, asked: Asked) -> Run:
    """Let a paused or interrupted run go on; each running step gets its whole deadline again.

    Raises:
        RunRefuses: it is closed.
    """
    return _say(journal, Verb.RESUME, lambda _: RunResumed(asked.actor, asked.at_ms))


def take_up(journal: Journal, asked: Asked) -> Run:
    """Go on with an interrupted run, with no operator's word; no effect on one that is paused.

    As after a resume, each running step gets its whole deadline again. But what failed is nobody's to
    excuse, and what users lost before still counts.

    Raises:
        RunRefuses: it is closed.
    """
    ledger = Ledger(journal)
    while ledger.run.pause is None:
        require(ledger.run, Verb.RESUME)
        if ledger.write(RunTakenUp(asked.actor, asked.at_ms)):
            break
    return ledger.run


def approve(
    journal: Journal, order: Order, asked: Asked, stage: Stage, *, no_returns: Collection[StepId] = ()
) -> Run:
    """Let ``stage`` begin, and pass those of its points of no return that are named in ``no_returns``.

    The others go on waiting, each until it is named.

    Raises:
        NothingToApprove: the stage waits for no approval.
        NoReturnUnnamed: it has points of no return, and none of them is named; or another step is.
        SecondPersonNeeded: whoever asks made the plan, or is none of those who may approve it.
        RunRefuses: the run is closed or given up.
    """

    def approval(run: Run) -> Event:
        waiting = order.unapproved(run)
        if stage not in waiting:
            raise NothingToApprove(run.id, stage.value, tuple(s.value for s in waiting))
        named = tuple(step for step in waiting[stage] if step in no_returns)
        if len(named) < len(no_returns) or (waiting[stage] and not named):
            others = ", ".join(step for step in no_returns if step not in named)
            what = f"{others} waits for no approval" if others else "none of them is named"
            command = f"skylift approve {stage.value}"
            raise NoReturnUnnamed(f"{what} in stage {stage.value}", waiting[stage], command=command)
        return StageApproved(stage, named, _approver(run, asked), asked.actor, asked.at_ms)

    return _say(journal, Verb.APPROVE, approval)


def _approver(run: Run, asked: Asked) -> str:
    """Whoever approves, by name: another person than the author, where that matters.

    Who that is was settled when the run was opened; a run of an older Skylift kept no keys, only names.

    Raises:
        SecondPersonNeeded: it is not.
    """
    if not run.author:
        return asked.signer
    known = name_of(asked.key, run.signers) if run.signers and asked.key else None
    name = known or ("" if run.signers else asked.signer)
    if name in {"", run.author}:
        raise SecondPersonNeeded(run.author, asked.signer)
    return name


def retry(journal: Journal, asked: Asked, step: StepId | None = None) -> Run:
    """Let failed steps (or this one, which may be a postponed one) start again, and the run go on.

    A step whose job has ended gets a new attempt, so a new job; any other goes on watching the job it
    has, for that may still run.

    Raises:
        StepRefuses: no step has failed, or this one neither failed nor was postponed.
        RunRefuses: the run is closed.
    """

    def again(which: StepId) -> Callable[[Run], Event]:
        return lambda run: StepRetried(which, next_attempt(run.steps[which]), asked.actor, asked.at_ms)

    run = fold(journal.events())
    require(run, Verb.RETRY, step)
    chosen = {step} if step else {s for s in open_to(run, Verb.RETRY) if run.steps[s].aside is None}
    if not chosen:
        raise StepRefuses(Verb.RETRY.value, None, "no step has failed", rests=rests(run))
    for which in sorted(chosen):
        _say(journal, Verb.RETRY, again(which), which)
    return resume(journal, asked)


def skip(journal: Journal, order: Order, asked: Asked, step: StepId, *, reason: str) -> Run:
    """Leave ``step`` undone, and let what depends on it go on: ``asked.actor`` answers for it.

    What it costs beside the step, such as the last way back, is written down with it, and told from there.

    Raises:
        StepRefuses: it runs, is done, or takes or gives back something: users would pay for that.
        RunRefuses: the run is closed or given up.
    """
    if order.guards(step):
        why, run = "it takes something from users or gives it back", fold(journal.events())
        raise StepRefuses(Verb.SKIP.value, step, why, *_instead(order, run, step), rests=rests(run))
    skipped = StepSkipped(step, reason, asked.actor, asked.at_ms, costs(order, step))
    return _say(journal, Verb.SKIP, lambda _: skipped, step)


def postpone(journal: Journal, order: Order, asked: Asked, step: StepId, *, reason: str) -> Run:
    """Put ``step`` aside with all that depends on it, until a retry takes it back.

    Nothing is taken meanwhile that would wait for it to be given back.

    Raises:
        StepRefuses: it runs, is done, or is to give back what the run has taken.
        RunRefuses: the run is closed or given up.
    """

    def put_aside(run: Run) -> Event:
        if takers := _to_be_given_back(order, run, step):
            why = f"it is yet to give back what {', '.join(takers)} took, and has not failed"
            raise StepRefuses(Verb.POSTPONE.value, step, why, rests=rests(run))
        return StepPostponed(step, reason, asked.actor, asked.at_ms)

    return _say(journal, Verb.POSTPONE, put_aside, step)


def abort(journal: Journal, asked: Asked, *, reason: str, leave: bool) -> Run:
    """Give the run up: running steps end, what was taken is given back, and then it is closed.

    So does a command that has outlived its step. With ``leave`` it is closed once no step runs, whatever is
    still taken, and whatever still runs on hosts.

    Raises:
        RunRefuses: it is closed.
    """
    _say(journal, Verb.ABORT, lambda _: RunAborting(reason, leave, asked.actor, asked.at_ms))
    return resume(journal, asked)


def hand_over(journal: Journal, asked: Asked, to: RunId, *, going_on: Mapping[StepId, HostName]) -> Run:
    """Close a run that another one takes back, which takes over what this one has taken.

    ``going_on`` are the steps that have ended and whose command was seen to run all the same.
    No effect on one that is closed. Whoever calls this holds the cloud, so that nobody works on the run.

    Raises:
        RunRefuses: it is not at rest, or is being given up.
        StepRefuses: a step of it is under way, or its command is, and may still do something.
    """
    ledger = Ledger(journal)
    require(ledger.run, Verb.ROLLBACK, going_on=going_on)
    if ledger.run.closed is None:
        reason = f"{_TAKEN_BACK}{to}"
        _say(journal, Verb.ROLLBACK, lambda _: RunAborting(reason, True, asked.actor, asked.at_ms))
    while ledger.catch_up().closed is None:
        ledger.write(RunClosed(Outcome.ABORTED, asked.at_ms))
    return ledger.run


def taken_back_by(run: Run) -> RunId | None:
    """The run that one was closed for, so that it be taken back; none if it was not."""
    reason = run.abort.reason if run.abort and run.closed else ""
    return RunId(reason.removeprefix(_TAKEN_BACK)) if reason.startswith(_TAKEN_BACK) else None


_TAKEN_BACK = "taken back by run "


def _to_be_given_back(order: Order, run: Run, step: StepId) -> tuple[StepId, ...]:
    """The steps whose taking this one would give back if it were left alone.

    One that has failed gives back nothing any more, whatever is said of it: put aside, it holds up no others.
    """
    if step in run.steps:
        return ()
    return tuple(loan.taken_by for loan in order.taken(run) if loan.given_back_by == step)


def _instead(order: Order, run: Run, step: StepId) -> tuple[Remedy, ...]:
    """To put it aside rather than to answer for it, if that is taken as it stands."""
    try:
        require(run, Verb.POSTPONE, step)
    except (RunRefuses, StepRefuses):
        return ()
    aside = f"or put it aside with all that depends on it: skylift postpone {step} --reason WHY"
    return () if _to_be_given_back(order, run, step) else (Remedy(Fix.ACCEPT, aside),)


def _say(journal: Journal, verb: Verb, event_of: Callable[[Run], Event], step: StepId | None = None) -> Run:
    """Append what ``event_of`` makes of the run, as soon as nothing else is appended in between."""
    ledger = Ledger(journal)
    while True:
        require(ledger.run, verb, step)
        if ledger.write(event_of(ledger.run)):
            return ledger.run
