"""An operator who follows the remedies: what she says when a process has come to rest, or is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from skylift.actions.backups import RestoreBesideLive, RestoreDatabase
from skylift.actions.service_run import AwaitHealthy, WrongArtifact
from skylift.engine.decide import Order, decide
from skylift.engine.fold import Phase, Run
from skylift.engine.journal import Journal
from skylift.engine.operate import abort, approve, resume, retry
from skylift.model.ids import HostName, StepId, UnitName
from skylift.testing.fake_work import stop_unit
from skylift.testing.simulation.words import Terminal
from skylift.testing.simulation.world import World, planned

Word = Callable[[Journal], object]
"""What the next process begins with."""

_PATIENCE = 3
"""After how many failures of one step she repairs whatever is wrong, or does it herself."""
_ENOUGH = 7
"""After how many she gives the run up."""


class Operator:
    """She comes back after a while, looks, repairs or does not, and says a word."""

    def __init__(self, world: World, terminal: Terminal, broken: Callable[[str, str], None]) -> None:
        self._world = world
        self._terminal = terminal
        self._broken = broken
        self._failures: Counter[StepId] = Counter()

    def next_word(self, run: Run) -> Word:
        """What she says to a run that is not closed and that nobody works on."""
        world, chance = self._world, self._world.chance
        world.pass_time(5 + chance.below(40))
        failed = sorted(run.within(Phase.FAILED))
        if failed:
            return self._after_failure(run, failed)
        if run.pause or chance.below(4) == 0:
            world.repair()
        order = self._order()
        if run.abort and not run.abort.leave and decide(order, run, at_once=1).over and order.kept(run):
            # Given up before a restore, what was stopped for it can be started by no step: it is left, and
            # planned again.
            return lambda j: abort(j, self._terminal.asked, reason="it is planned again", leave=True)
        waiting = decide(order, run, at_once=1).awaits
        for stage in dict.fromkeys(step.stage for step in waiting):
            named = order.unapproved(run)[stage]
            self._terminal.say(
                lambda j, s=stage, n=named: approve(j, order, self._terminal.asked, s, no_returns=n)  # type: ignore[misc]
            )
        postponed = sorted(run.within(Phase.POSTPONED))
        nothing_else = decide(order, run, at_once=1).over and not run.pause
        if postponed and nothing_else and (run.abort or not waiting):
            return lambda j: retry(j, self._terminal.asked, postponed[0])
        return lambda j: resume(j, self._terminal.asked)

    def _after_failure(self, run: Run, failed: list[StepId]) -> Word:
        world, asked = self._world, self._terminal.asked
        for step in failed:
            problem = run.steps[step].problem
            if problem is None or not problem.remedies:
                self._broken("remedy", f"{step} failed and nothing says what to do")
        self._failures.update(failed)
        most = max(self._failures[step] for step in failed)
        for step in failed:
            self._stop_what_is_wrong(step, run)
        if most >= _PATIENCE or world.chance.below(3) > 0:
            world.repair()
            world.pass_time(world.chance.below(60))
        if most >= _ENOUGH and not run.abort:
            return lambda j: abort(j, asked, reason="it does not get better", leave=False)
        if most >= _PATIENCE and world.chance.below(2) == 0 and not run.abort:
            order = self._order()
            by_hand = planned(self._world).step(failed[0])
            if not order.guards(by_hand.id) and self._terminal.skip_by_hand(by_hand, order):
                return lambda j: resume(j, asked)
        return lambda j: retry(j, asked)

    def _stop_what_is_wrong(self, step: StepId, run: Run) -> None:
        """The remedy of a service that came up with its host, and should not have: ``systemctl stop``."""
        problem, action = run.steps[step].problem, planned(self._world).step(step).action
        lives: list[tuple[HostName, UnitName]] = []
        if problem is not None and problem.code == WrongArtifact.code and isinstance(action, AwaitHealthy):
            lives = [(action.host, action.unit)]
        if (
            problem is not None
            and problem.code == RestoreBesideLive.code
            and isinstance(action, RestoreDatabase)
        ):
            lives = [(host, placed.unit) for placed in action.services for host in placed.hosts]
        for host, unit in lives:
            stop_unit(self._world.cloud, self._world.cloud.hosts[host], unit)
        if lives:
            self._world.pass_time(3)

    def _order(self) -> Order:
        return Order.of(planned(self._world))
