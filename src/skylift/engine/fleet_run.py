"""A run over a fleet, tick by tick: look, let the conductor decide, write it down, ask for it.

The conductor is driven by levels and keeps nothing that matters (ADR 30); what cannot be seen is in the
journal: which hosts were taken, what was asked for in the last minute, how far the work on a host is, and
what an operator said. So a run that was killed goes on by the same calls as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field

from skylift.engine.fleet_problems import FleetFailing, HostGivenUp
from skylift.engine.fold import Phase, Run
from skylift.engine.host_turn import HostTurn, failed
from skylift.engine.journal import (
    AskedOf,
    Journal,
    MovesAsked,
    Outcome,
    Reported,
    RunClosed,
    RunPaused,
    StepDone,
    StepFailed,
    StepStarted,
    Why,
    milliseconds,
)
from skylift.engine.ledger import Ledger
from skylift.engine.live_fleet import LiveFleet, Looked
from skylift.engine.work_on_hosts import WorkOnHosts
from skylift.fleet.conductor import Conductor
from skylift.fleet.fleet import InstanceId
from skylift.fleet.sight import Action, Close, Migrate, Stage, Work
from skylift.fleet.verdict import Way
from skylift.model.ids import Epoch, HostName, Seconds, StepId
from skylift.model.maintenance import Maintenance
from skylift.model.problem import Problem, Refused
from skylift.ports import Ports, Tell

STOP = "stop"
"""The way of an instance that stays on its host, stopped."""


def _at_any_time(_seconds: int, _now: Epoch) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLimits:
    """How long, how many, and when: from the record."""

    maintenance: Maintenance
    unreachable: Seconds
    may_take: Callable[[int, Epoch], bool] = _at_any_time
    """Whether what takes so many seconds may start now: not if the window closes before it can end."""


@dataclass(slots=True)
class _Memory:
    """What one process keeps, and another does without."""

    excused: int = 0
    """Hosts that had failed when this process began: an operator knows of them."""
    aborted: set[str] = field(default_factory=set)
    """Migrations that can no longer be ended."""


class FleetExecution:
    """One process's work on one run over a fleet. Its holder has the lease; nobody else writes the journal."""

    def __init__(
        self,
        journal: Journal,
        ports: Ports,
        turns: Mapping[HostName, HostTurn],
        *,
        conductor: Conductor,
        cloud: LiveFleet,
        limits: FleetLimits,
        pool: Executor | None = None,
    ) -> None:
        self.ledger = Ledger(journal)
        self._ports, self._turns, self._limits = ports, turns, limits
        self.conductor, self.cloud = conductor, cloud
        self._work = WorkOnHosts(self.ledger, ports, turns, unreachable=limits.unreachable, pool=pool)
        self.looked: Looked | None = None
        self._memory = _Memory(excused=len(failed(turns, self.ledger.run)))
        self._stopped = {
            of.instance: of.source
            for event in journal.events()
            if isinstance(event, MovesAsked)
            for of in event.moves
            if of.way == STOP
        }
        """Instances that the run stopped on their hosts."""
        self._asked = {of.instance for e in journal.events() if isinstance(e, MovesAsked) for of in e.moves}
        for event in journal.events():
            for of in event.moves if isinstance(event, MovesAsked) else ():
                if of.way != STOP:
                    call = Migrate(InstanceId(of.instance), of.source, of.target, Way(of.way))
                    conductor.recall(call, event.at_ms - self.ledger.run.opened_ms)

    @property
    def run(self) -> Run:
        """The run, as its journal was last looked at."""
        return self.ledger.run

    @property
    def left(self) -> Mapping[StepId, str]:
        """What is left of each step under way, as last seen."""
        found = dict(self._work.left)
        if self.looked is not None:
            for host, turn in self._turns.items():
                if turn.emptying in self.run.within(Phase.RUNNING):
                    found[turn.emptying] = self._emptying(host, self.looked)
        return found

    def rests(self) -> bool:
        """Whether there is nothing to do until an operator acts, or at all."""
        return self.run.closed is not None or (self.looked is not None and self.conductor.over)

    def tick(self, now: Epoch) -> Run:
        """Obey, push the work on hosts, look, and ask for what the conductor wants next.

        Raises:
            Refused: the APIs may not be asked any more; nothing was done.
            BaseException: whatever a bug raises, on purpose unhandled.
        """
        run = self.ledger.catch_up()
        self._obey(run, now)
        self._work.go_on(now)
        self._bring_back_up()
        looked = self.cloud.look(self.run, now)
        if looked is None:
            return self.run
        self.looked = looked
        self._watch(looked, now)
        actions = self.conductor.next(looked.sight)
        self._give_up(now)
        if self._write(actions, now):
            for action in actions:
                self._begin(action, looked, now)
        self._name_what_is_left(looked, now)
        self._count_failures(now)
        self._close(looked, now)
        return self.run

    def pause(self, why: Why, now: Epoch, problem: Problem | None = None) -> Run:
        """Begin no more hosts from here on; those under way go on to their end. No effect on a paused run."""
        reported = Reported.of(problem) if problem else None
        while self.run.pause is None and self.run.closed is None:
            self.ledger.write(RunPaused(why, reported, milliseconds(now)))
        return self.run

    def _obey(self, run: Run, now: Epoch) -> None:
        """What operators said since the last look, and what the journal knows of hosts that failed."""
        host_s = self.conductor.policy.host_s
        self.conductor.begins = not (run.pause or run.abort) and self._limits.may_take(host_s, now)
        for host, turn in self._turns.items():
            trouble = turn.trouble(run)
            if run.abort and turn.stage(run) is Stage.DUE:
                trouble = trouble or f"the run was given up: {run.abort.reason}"
            if trouble:
                self.conductor.set_aside(host, trouble)
            elif turn.emptying in run.within(Phase.WAITING) or turn.stage(run) is not Stage.DUE:
                self.conductor.take_back(host)

    def _watch(self, looked: Looked, now: Epoch) -> None:
        """End what takes too long, and confirm what has come over cold; the run's own alone."""
        for seen in looked.migrations:
            if seen.instance not in self._asked:
                continue
            if seen.awaits_confirmation and not seen.resize:
                with suppress(Problem):
                    self._ports.compute.tell(seen.instance, Tell.CONFIRM)
            late = now - seen.began_at > self._limits.maintenance.move
            if seen.live and late and seen.id not in self._memory.aborted:
                try:
                    self._ports.compute.abort(seen.instance, seen.id)
                except Refused:
                    self._memory.aborted.add(seen.id)  # it can no longer be ended, and comes over
                except Problem as silent:
                    self.cloud.complaints[seen.instance] = str(silent)

    def _write(self, actions: tuple[Action, ...], now: Epoch) -> bool:
        """Write down what is asked for, before it is; false if somebody said something meanwhile."""
        at_ms = milliseconds(now)
        moves = tuple(
            AskedOf(a.instance, a.source, a.target, a.way.value) for a in actions if isinstance(a, Migrate)
        )
        if moves and not self.ledger.write(MovesAsked(moves, at_ms)):
            return False
        self._asked.update(of.instance for of in moves)
        for action in actions:
            if isinstance(action, Close):
                step = self._turns[action.host].emptying
                if step not in self.run.within(Phase.RUNNING) and not self._start(step, at_ms):
                    return False
        return True

    def _start(self, step: StepId, at_ms: int) -> bool:
        attempt = self.run.steps[step].attempt if step in self.run.steps else 1
        return self.ledger.write(StepStarted(step, attempt, at_ms))

    def _begin(self, action: Action, looked: Looked, now: Epoch) -> None:
        if isinstance(action, Work):
            self._begin_work(action.host, looked, now)
        else:
            self.cloud.ask(action)

    def _begin_work(self, host: HostName, looked: Looked, now: Epoch) -> None:
        """Let the work on a host begin, if nobody is left on it who must not be: the proof of the drain."""
        turn, at_ms = self._turns[host], milliseconds(now)
        touched = [m for m in looked.migrations if host in {m.source, m.target}]
        if looked.ours[host] or touched or self._stop_who_stays(host, looked, at_ms):
            return
        if turn.emptying in self.run.within(Phase.RUNNING):
            attempt = self.run.steps[turn.emptying].attempt
            self.ledger.record(StepDone(turn.emptying, attempt, at_ms))
        if turn.work:
            self._start(turn.work[0].id, at_ms)

    def _stop_who_stays(self, host: HostName, looked: Looked, at_ms: int) -> bool:
        """Stop those that are to stay on the host, stopped; whether any of them still runs."""
        course = self.conductor.course
        stays = {v.instance for v in course.plan.verdicts if v.way is Way.STOP} if course else set()
        up = [i for i in looked.sight.on[host].values() if i.id in stays and i.state.value == "active"]
        new = tuple(AskedOf(i.id, host, host, STOP) for i in up if i.id not in self._stopped)
        if new and not self.ledger.write(MovesAsked(new, at_ms)):
            return True
        self._stopped |= {of.instance: host for of in new}
        for instance in up:
            with suppress(Problem):
                self._ports.compute.tell(instance.id, Tell.STOP)
        return bool(up)

    def _bring_back_up(self) -> None:
        """Start again what was stopped on hosts that are done, or will not be worked on."""
        if self.looked is None:
            return
        for host, turn in self._turns.items():
            due = turn.stage(self.run) is Stage.DUE
            if turn.stage(self.run) is Stage.UNDER_WAY or (due and host not in self.conductor.given_up):
                continue
            for instance in self.looked.sight.on.get(host, {}).values():
                if self._stopped.get(instance.id) == host and instance.state.value == "stopped":
                    with suppress(Problem):
                        self._ports.compute.tell(instance.id, Tell.START)

    def _give_up(self, now: Epoch) -> None:
        """Write down which hosts the conductor gave up, before they are given back."""
        at_ms = milliseconds(now)
        for host, why in self.conductor.given_up.items():
            turn = self._turns.get(host)
            if turn is None or turn.trouble(self.run) or turn.stage(self.run) is Stage.DONE:
                continue
            current = turn.current(self.run)
            step = current.id if current else turn.emptying
            if step not in self.run.within(Phase.RUNNING) and not self._start(step, at_ms):
                return
            complaint = self._complaint(host)
            problem = Reported.of(HostGivenUp(host, f"{why}{complaint}", closed=current is not None))
            self.ledger.record(
                StepFailed(step, self.run.steps[step].attempt, problem, ended=True, at_ms=at_ms)
            )

    def _name_what_is_left(self, looked: Looked, now: Epoch) -> None:
        """When nothing more can be done: each host that was to be done and is not has its reason written."""
        if self.conductor.over and self.conductor.begins:
            for host, why in self.conductor.left(looked.sight).items():
                self.conductor.given_up.setdefault(host, why)
            self._give_up(now)

    def _complaint(self, host: HostName) -> str:
        """What was last said of it, or of who is on it."""
        there = self.looked.sight.on.get(host, {}) if self.looked else {}
        said = [self.cloud.complaints[about] for about in (host, *there) if about in self.cloud.complaints]
        return f"; last it was said: {said[0]}" if said else ""

    def _count_failures(self, now: Epoch) -> None:
        lost = failed(self._turns, self.run)
        allowed = self._memory.excused + self._limits.maintenance.failures
        if len(lost) > allowed and self.run.abort is None:
            self.pause(Why.FAILURES, now, FleetFailing(lost, self._limits.maintenance.failures))

    def _close(self, looked: Looked, now: Epoch) -> None:
        """Write down the end of the run, if this is it."""
        run, at_ms = self.run, milliseconds(now)
        if run.closed is not None:
            return
        if run.abort is not None:
            taken = any(seen.ours for seen in looked.sight.hosts.values())
            going = run.within(Phase.RUNNING) or looked.sight.moving.keys() & self._asked
            if (not going and (run.abort.leave or not taken)) or (
                run.abort.leave and not run.within(Phase.RUNNING)
            ):
                self.ledger.write(RunClosed(Outcome.ABORTED, at_ms))
            return
        passed = all(
            turn.stage(run) is Stage.DONE or turn.emptying in run.passed for turn in self._turns.values()
        )
        if passed and self.conductor.over and run.steps.keys() == run.passed:
            self.ledger.write(RunClosed(Outcome.COMPLETED, at_ms))

    def _emptying(self, host: HostName, looked: Looked) -> str:
        here = looked.sight.on[host]
        moving = [m for m in looked.migrations if m.source == host]
        left = f"{len(here)} instances left, {len(moving)} on their way"
        return left + self._complaint(host)
