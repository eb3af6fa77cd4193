"""The loop around the ticks of a run over a fleet. Time, waiting and showing are passed in."""

from __future__ import annotations

from skylift.engine.drive import Surroundings
from skylift.engine.fleet_run import FleetExecution
from skylift.engine.fold import Run
from skylift.engine.journal import Why
from skylift.model.ids import Epoch, Seconds


def drive_fleet(execution: FleetExecution, around: Surroundings, *, every: Seconds) -> Run:
    """Tick every so many seconds until there is nothing to do: the run is closed, or waits for somebody.

    Bounded by the conductor's tries and the deadlines of the work on hosts: each host is done or given up.
    """
    due = around.clock()
    around.view(execution.ledger.catch_up(), execution.left)
    while not execution.rests():
        now = around.clock()
        if around.asked_to_stop():
            execution.pause(Why.SIGNAL, now)
        _guarded(execution, around, now)
        if now >= due:
            around.view(execution.tick(now), execution.left)
            due = Epoch(now + every)
        if not execution.rests():
            around.pause()
    return execution.run


def _guarded(execution: FleetExecution, around: Surroundings, now: Epoch) -> None:
    for why, guard in ((Why.LOSS_BUDGET, around.guard), (Why.GATE, around.gate)):
        problem = guard(execution.run, now)
        if problem is not None:
            execution.pause(why, now, problem)
