"""The loop around ticks. Time, waiting, showing and guarding are passed in; none of them is ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from skylift.engine.execute import Execution
from skylift.engine.fold import Run
from skylift.engine.journal import RunWarned, Why, milliseconds
from skylift.engine.problems import on_the_way_back
from skylift.model.ids import Epoch, StepId
from skylift.model.problem import Problem

Guard = Callable[[Run, Epoch], Problem | None]
"""Asked before each tick; a problem pauses the run (the loss budget is one), unless that goes back."""

View = Callable[[Run, Mapping[StepId, str]], None]
"""Shown after each tick: the run, and what is left of each running step."""


def _nothing_wrong(_run: Run, _now: Epoch) -> None:
    """No guard."""


def _unseen(_run: Run, _left: Mapping[StepId, str]) -> None:
    """No view."""


def _unasked() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the loop needs of the process it runs in."""

    clock: Callable[[], Epoch]
    pause: Callable[[], None]
    """Let time pass until it is worth looking again: half a second to one, cut short by a signal."""
    guard: Guard = _nothing_wrong
    """The loss budget."""
    gate: Guard = _nothing_wrong
    """What others know of the cloud."""
    view: View = _unseen
    asked_to_stop: Callable[[], bool] = _unasked
    """Whether a signal (Ctrl-C) asked for an end: running steps finish, nothing new starts."""


def drive(execution: Execution, around: Surroundings) -> Run:
    """Tick until there is nothing to do: the run is closed or waits for somebody, or for a window.

    Waits only after a tick that changed nothing, so that short steps follow one another at once.
    Bounded by the steps' deadlines and the policy's limit on silence: each step ends.
    """
    around.view(execution.ledger.catch_up(), execution.left)
    while not execution.rests(now := around.clock()):
        if around.asked_to_stop():
            execution.pause(Why.SIGNAL, now)
        for why, guard in ((Why.LOSS_BUDGET, around.guard), (Why.GATE, around.gate)):
            problem = guard(execution.run, now)
            if problem is not None:
                _heed(execution, why, now, problem)
        before = execution.run
        after = execution.tick(now)
        around.view(after, execution.left)
        if after is before:
            around.pause()
    return execution.run


def _heed(execution: Execution, why: Why, now: Epoch, problem: Problem) -> None:
    """What a guard has against it pauses a run; but one that goes back goes on, and is told of it once.

    What hurts users may be the very thing that is being taken back, and a pause would keep it.
    """
    if not execution.goes_back:
        execution.pause(why, now, problem)
        return
    while problem.code not in execution.run.warned and execution.run.closed is None:
        execution.ledger.write(RunWarned(why, on_the_way_back(problem), milliseconds(now)))
