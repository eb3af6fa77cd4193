"""Exit codes are API: scripts and gates depend on them. See docs/reference/exit-codes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from skylift.engine.fold import Standing
from skylift.engine.store_problems import LeaseLost
from skylift.model.problem import Problem, Refused


class Exit(IntEnum):
    """What the process tells its caller."""

    OK = 0
    """Done, and it is as it should be."""
    FAILED = 1
    """Tried and failed: a step, a verdict, a cloud that could not be reached, or Skylift itself."""
    USAGE = 2
    """The command line itself was not understood; nothing was looked at."""
    BLOCKED = 3
    """Refused before anything was changed: a check, a changed plan, drift, another run."""
    PAUSED = 4
    """The run rests: paused, or before an approval, or with something postponed; ``skylift status`` says.
    Of a verdict: its run is not through, and goes on or rests."""
    TAKEN_OVER = 75
    """Another process has taken the run over, and goes on with it; a worker is to be started again."""


STANDS: Mapping[Standing, Exit] = MappingProxyType(
    {
        Standing.COMPLETED: Exit.OK,
        Standing.HALTED: Exit.FAILED,
        Standing.PAUSED: Exit.PAUSED,
        Standing.RUNNING: Exit.PAUSED,
        Standing.ABORTING: Exit.FAILED,
        Standing.ABORTED: Exit.FAILED,
    }
)
"""What it means for a caller where a run stands."""


def exit_for(problem: Problem) -> Exit:
    """What a problem that ended a command means for its caller."""
    if isinstance(problem, LeaseLost):
        return Exit.TAKEN_OVER
    return Exit.BLOCKED if isinstance(problem, Refused) else Exit.FAILED
