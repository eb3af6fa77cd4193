"""What an operator asks of a run: open it, let it go on, retry what failed. Each is one fact or more.

The caller holds the cloud's lease.
"""

from __future__ import annotations

from dataclasses import dataclass

from skylift.engine.fold import Phase, Run, after, fold, next_attempt
from skylift.engine.journal import FORMAT, Journal, RunOpened, RunResumed, StepRetried, milliseconds
from skylift.engine.problems import NothingToRetry, RunOver
from skylift.model.ids import Digest, Epoch, RunId, StepId


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, as ``user@host``, and when."""

    actor: str
    at: Epoch


def open_run(
    journal: Journal, run: RunId, *, cloud: str, plan: Digest, approved: tuple[StepId, ...], asked: Asked
) -> Run:
    """Begin a run of the plan with this digest, in an empty journal.

    Of the plan's points of no return, only those ``approved`` will be passed.
    """
    opened = RunOpened(FORMAT, run, cloud, plan, approved, asked.actor, milliseconds(asked.at))
    begun = after(fold(journal.events()) if journal.events() else None, opened)
    journal.append(opened)
    return begun


def resume(journal: Journal, asked: Asked) -> Run:
    """Let a paused or interrupted run go on; each running step gets its whole deadline again.

    Raises:
        RunOver: it is closed.
    """
    run = _open(journal)
    event = RunResumed(asked.actor, milliseconds(asked.at))
    resumed = after(run, event)
    journal.append(event)
    return resumed


def retry(journal: Journal, asked: Asked, step: StepId | None = None) -> Run:
    """Let failed steps (or this one) start again, and the run go on.

    A step whose job has ended gets a new attempt, so a new job; any other goes on watching the job it
    has, for that may still run.

    Raises:
        NothingToRetry: no step has failed, or not this one.
        RunOver: the run is closed.
    """
    run = _open(journal)
    failed = run.within(Phase.FAILED) & ({step} if step else run.steps.keys())
    if not failed:
        raise NothingToRetry(run.id, step)
    for which in sorted(failed):
        event = StepRetried(which, next_attempt(run.steps[which]), asked.actor, milliseconds(asked.at))
        run = after(run, event)
        journal.append(event)
    return resume(journal, asked)


def _open(journal: Journal) -> Run:
    run = fold(journal.events())
    if run.closed is not None:
        raise RunOver(run.id)
    return run
