"""When a run that has begun nothing begins: not before its time, and not while no window is open for it.

Until then nobody holds the cloud for it, so others may work on that; what has changed meanwhile is looked at
when it begins. Its journal has the time, so whoever is there waits: the process that opened it, one that
resumes it, or a worker, which looks in again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from skylift.engine.fold import Run
from skylift.engine.journal import milliseconds
from skylift.engine.operate import Gates
from skylift.model.ids import Digest, Epoch, RunId, Seconds, StepId

Opens = Callable[[Epoch], Epoch | None]
"""When its first step may start, from a moment on: that moment, or when a window opens; none if never."""


def has_begun(run: Run) -> bool:
    """Whether any step of it was ever started."""
    return any(at.begun for at in run.steps.values())


def measures_until(run: Run, baseline: Seconds) -> Epoch | None:
    """Until when at the earliest whoever drives a run measures what users get before its first step.

    None if it does not: a step was started, it rests, or the policy wants no such figures.
    """
    if run.steps or run.closed or run.pause or run.abort or not baseline:
        return None
    return Epoch(max(run.last_ms, run.not_before_ms) / 1000 + baseline)


def clock_of(moment: Epoch) -> str:
    """A moment that is near, as ``12:45:10 UTC``."""
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S} UTC"


def is_scheduled(run: Run, now: Epoch) -> bool:
    """Whether it is open, and to begin at a later time: until then it is in nobody's way."""
    return run.closed is None and not has_begun(run) and run.not_before_ms > milliseconds(now)


def to_be_opened(
    run: RunId, cloud: str, plan: Digest, *, gates: Gates, approved: tuple[StepId, ...], at: Epoch | None
) -> Run:
    """A run as it is once it is opened, to ask when it begins."""
    later = milliseconds(at) if at else 0
    gated = frozenset(gates.stages)
    return Run(run, cloud, plan, frozenset(approved), "", 0, gated=gated, not_before_ms=later)


def begins_at(run: Run, now: Epoch, opens: Opens) -> Epoch | None:
    """When a run begins that waits for that alone; none if it may begin now, has begun, or was stopped."""
    if has_begun(run) or run.pause or run.abort or run.closed:
        return None
    wanted = max(now, Epoch(run.not_before_ms / 1000))
    begins = opens(wanted) or wanted
    return begins if begins > now else None
