"""A run over a fleet, tick by tick: look, let the conductor decide, write it down, ask for it.

The conductor is driven by levels and keeps nothing that matters (ADR 30); what cannot be seen is in the
journal: which hosts were taken, what was asked for in the last minute, how far the work on a host is, and
what an operator said. So a run that was killed goes on by the same calls as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import ClassVar

from skylift.engine.automation import PausedAutomation
from skylift.engine.fleet_ends import FleetEnds, start
from skylift.engine.fleet_problems import FleetFailing
from skylift.engine.fold import Phase, Run
from skylift.engine.host_turn import HostTurn, failed
from skylift.engine.in_the_way import InTheWay
from skylift.engine.journal import (
    AskedOf,
    Journal,
    MovesAsked,
    Reported,
    RunPaused,
    StepDone,
    Why,
    milliseconds,
)
from skylift.engine.ledger import Ledger
from skylift.engine.left_over import LeftOver
from skylift.engine.live_fleet import LiveFleet, Looked
from skylift.engine.network_hosts import NetworkHosts
from skylift.engine.settled_places import SettledPlaces
from skylift.engine.storage_hosts import StorageHosts
from skylift.engine.volume_hosts import VolumeHosts
from skylift.engine.watched_moves import WatchedMoves
from skylift.engine.who_stays import WhoStays
from skylift.engine.work_on_hosts import WorkOnHosts
from skylift.fleet.conductor import Conductor
from skylift.fleet.sight import Action, Close, Migrate, Stage, Work
from skylift.model.ids import Epoch, HostName, Seconds, StepId
from skylift.model.maintenance import Maintenance
from skylift.model.problem import Problem, Refused
from skylift.ports import Ports


def _at_any_time(_seconds: int, _now: Epoch) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLimits:
    """How long, how many, and when: from the record."""

    maintenance: Maintenance
    command: Seconds
    """Until a command of the record has ended that pauses automation, or lets it go on."""
    whole: Seconds = Seconds(0)
    """How long the storage cluster may not let a host of it stop, where there is one."""
    idle: Seconds = Seconds(0)
    """Until a service has ended what it has in hand, where any is closed beside nova-compute."""
    may_take: Callable[[int, Epoch], bool] = _at_any_time
    """Whether what takes so many seconds may start now: not if the window closes before it can end."""


class FleetExecution:
    """One process's work on one run over a fleet. Its holder has the lease, and writes the journal."""

    network_hosts: ClassVar[type[NetworkHosts]] = NetworkHosts
    """Decides how hosts with Neutron's agents are emptied."""

    def __init__(
        self,
        journal: Journal,
        ports: Ports,
        turns: Mapping[HostName, HostTurn],
        *,
        conductor: Conductor,
        cloud: LiveFleet,
        limits: FleetLimits,
        earlier: tuple[str, ...] = (),
        pool: Executor | None = None,
    ) -> None:
        """``earlier`` are the runs that are known here, and not under way."""
        self.ledger = Ledger(journal)
        self._ports, self._turns, self._limits = ports, turns, limits
        self.conductor, self.cloud = conductor, cloud
        self._work = WorkOnHosts(self.ledger, ports, turns, pool=pool)
        self.looked: Looked | None = None
        events = journal.events()
        self._moves = WatchedMoves(ports, events, limits.maintenance.move)
        self._stays = WhoStays(self.ledger, ports, events)
        self._in_the_way = InTheWay(self.ledger, self._moves, limits.maintenance)
        self._places = SettledPlaces(self.ledger, turns, conductor)
        self._storage = StorageHosts(self.ledger, ports, turns, limit=limits.whole, command=limits.command)
        self._volumes = VolumeHosts(self.ledger, ports, turns, limit=limits.idle)
        self._network = self.network_hosts(
            self.ledger,
            ports,
            turns,
            events=events,
            limit=limits.maintenance.move,
            before=(self._volumes, self._storage),
        )
        self._automation = PausedAutomation(
            self.ledger, ports, tuple(limits.maintenance.automation.items()), limits.command
        )
        self._ends = FleetEnds(
            self.ledger,
            turns,
            conductor,
            cloud,
            network=self._network,
            volumes=self._volumes,
            automation=self._automation,
            ports=ports,
        )
        self._left_over = LeftOver(ports, turns, str(self.ledger.run.id), earlier)

    @property
    def run(self) -> Run:
        """The run, as its journal was last looked at."""
        return self.ledger.run

    @property
    def left(self) -> Mapping[StepId, str]:
        """What is left of each step under way, as last seen."""
        found = self._work.left | self._automation.left | self._places.left
        if self.looked is not None:
            for host, turn in self._turns.items():
                if turn.closing and turn.emptying in self.run.within(Phase.RUNNING):
                    found[turn.emptying] = _emptying(host, self.looked, self.cloud)
        return found | self._network.left | self._volumes.waits.left | self._storage.left

    @property
    def takes_s(self) -> tuple[Seconds, ...]:
        """How long each host takes that is yet to be begun, and what is done when all are through."""
        run, course, each = self.run, self.conductor.course, self.conductor.policy.host_s
        planned = {turn.host: turn.lasts_s for turn in course.plan.turns} if course else {}
        due = (t for t in self._turns.values() if t.stage(run) is Stage.DUE and not t.trouble(run))
        last = (self._limits.maintenance.move,) if self._places.is_due(run) else ()
        return (*(planned.get(turn.host, each) for turn in due), *last)

    def rests(self) -> bool:
        """Whether there is nothing to do until an operator acts, or at all."""
        owes = self._automation.owes() or self._storage.owes() or self._volumes.owes()
        still = self._automation.pending or owes
        over = self.conductor.over and self._network.over
        return self.run.closed is not None or (self.looked is not None and over and not still)

    def tick(self, now: Epoch) -> Run:
        """Obey, push the work on hosts, look, and ask for what the conductor wants next.

        Raises:
            Refused: the APIs may not be asked any more; nothing was done.
            BaseException: whatever a bug raises, on purpose unhandled.
        """
        run = self.ledger.catch_up()
        self._obey(run, now)
        self._storage.go_on(now)
        self._volumes.go_on()
        self._work.go_on(now)
        looked = self.cloud.look(self.run, now)
        if looked is None:
            return self.run
        self.looked = looked
        self._take_over(looked, now)
        self._left_over.remove(looked, self.cloud, self.run)
        self._stays.start_again(self._turns, self.conductor.given_up, looked)
        self._moves.watch(looked, self.cloud, now)
        after = self._limits.maintenance.settle
        more = self._volumes.waits.told(now, after) | self._storage.waits.told(now, after)
        self._in_the_way.look(self._turns, looked, self.conductor, now=now, more=more)
        self._places.obey(milliseconds(now))
        actions = self._approved(self.conductor.next(looked.sight))
        self._network.go_on(now, begins=self.conductor.begins and self.conductor.over)
        # Until all of it is paused nothing begins, which is no end; at an end it is given back.
        if self.conductor.over and self._network.over and not self._automation.pending:
            self._automation.give_back(now)
        self._ends.give_up(actions, looked, self._in_the_way, now)
        if self._write(actions, now):
            for action in actions:
                if isinstance(action, Work):
                    self._begin_work(action.host, looked, now)
                else:
                    self.cloud.ask(action)
        self._count_failures(now)
        self._places.end(milliseconds(now))
        self._ends.close(looked, self._moves, now, settled=self._places.is_over(self.run))
        return self.run

    def pause(self, why: Why, now: Epoch, problem: Problem | None = None) -> Run:
        """Begin no more hosts from here on; those under way go on to their end. No effect on a paused run."""
        reported = Reported.of(problem) if problem else None
        while self.run.pause is None and self.run.closed is None:
            self.ledger.write(RunPaused(why, reported, milliseconds(now)))
        return self.run

    def _obey(self, run: Run, now: Epoch) -> None:
        """What operators said since the last look, and what the journal knows of hosts that failed."""
        turns, due = self._turns.values(), self._places.is_due(run)
        lasts = self._limits.maintenance.move if due else self.conductor.policy.host_s
        begins = not (run.pause or run.abort or run.gated) and self._limits.may_take(lasts, now)
        self.conductor.fits = lambda seconds: self._limits.may_take(seconds, now)
        left = any(turn.stage(run) is not Stage.DONE and not turn.trouble(run) for turn in turns)
        try:
            self.conductor.begins = self._automation.hold(now, wanted=begins and (left or due)) and begins
        except Refused as silent:
            self.conductor.begins = False
            self.pause(Why.AUTOMATION, now, silent)
        for host, turn in self._turns.items():
            if turn.closing is None:
                continue
            trouble = turn.trouble(run)
            if run.abort and turn.stage(run) is Stage.DUE:
                trouble = trouble or f"the run was given up: {run.abort.reason}"
            if trouble:
                self.conductor.give_up(host, trouble)
            elif turn.emptying in run.within(Phase.WAITING) or turn.stage(run) is not Stage.DUE:
                self.conductor.take_back(host)

    def _take_over(self, looked: Looked, now: Epoch) -> None:
        """Begin with hosts that an earlier run has left closed: they are being emptied from here on."""
        for host, turn in self._turns.items():
            seen = looked.sight.hosts.get(host)
            if seen and seen.ours and seen.work is Stage.DUE and turn.emptying not in self.run.steps:
                start(self.ledger, turn.emptying, milliseconds(now))

    def _approved(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        """Without what is about hosts that the approved plan leaves out, though they could be done by now."""
        strangers = {a.host for a in actions if isinstance(a, Close) and a.host not in self._turns}
        for host in strangers:
            self.conductor.give_up(host, "the plan that was approved leaves it out")
        return tuple(a for a in actions if not (isinstance(a, Close) and a.host in strangers))

    def _write(self, actions: tuple[Action, ...], now: Epoch) -> bool:
        """Write down what is asked for, before it is; false if somebody said something meanwhile."""
        at_ms = milliseconds(now)
        moves = tuple(
            AskedOf(a.instance, a.source, a.target, a.way.value) for a in actions if isinstance(a, Migrate)
        )
        if not self._places.begin(at_ms) or (moves and not self.ledger.write(MovesAsked(moves, at_ms))):
            return False
        self._moves.add(moves)
        for action in actions:
            if isinstance(action, Close):
                step = self._turns[action.host].emptying
                if step not in self.run.within(Phase.RUNNING) and not start(self.ledger, step, at_ms):
                    return False
        return True

    def _begin_work(self, host: HostName, looked: Looked, now: Epoch) -> None:
        """Let the work on a host begin, if nobody is left on it who must not be: the proof of the drain."""
        turn, at_ms = self._turns[host], milliseconds(now)
        touched = any(host in {m.source, m.target} for m in looked.migrations)
        if touched or host in looked.passing.values():
            return  # what others do is told, and waited for so long; the run's own ends by itself
        if not self._network.leaves(turn, now, self.conductor.give_up):
            return
        if not self._volumes.leaves(turn, now, self.conductor.give_up):
            return
        if not self._storage.leaves(turn, now, self.conductor.give_up):
            return
        if self._stays.stop(host, self.conductor, looked, at_ms):
            return
        if turn.emptying in self.run.within(Phase.RUNNING):
            attempt = self.run.steps[turn.emptying].attempt
            self.ledger.record(StepDone(turn.emptying, attempt, at_ms))
        if turn.work:
            start(self.ledger, turn.work[0].id, at_ms)

    def _count_failures(self, now: Epoch) -> None:
        allowed = self._limits.maintenance.failures
        lost = failed(self._turns, self.run)
        if len(lost) > allowed and self.run.abort is None:
            self.pause(Why.FAILURES, now, FleetFailing(lost, allowed))


def _emptying(host: HostName, looked: Looked, cloud: LiveFleet) -> str:
    here = looked.sight.on[host]
    moving = [m for m in looked.migrations if m.source == host]
    return f"{len(here)} instances left, {len(moving)} on their way{cloud.complaint(host, looked)}"
