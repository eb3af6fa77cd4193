"""How a run over a fleet ends: hosts that are given up, too many that failed, and the end of it all."""

from __future__ import annotations

from collections.abc import Mapping

from skylift.engine.automation import PausedAutomation
from skylift.engine.fleet_problems import HostGivenUp
from skylift.engine.fold import Phase
from skylift.engine.guards import pairs_of
from skylift.engine.host_turn import HostTurn
from skylift.engine.in_the_way import InTheWay
from skylift.engine.journal import Outcome, Reported, RunClosed, StepFailed, StepStarted, milliseconds
from skylift.engine.ledger import Ledger
from skylift.engine.left_running import may_go_on
from skylift.engine.live_fleet import LiveFleet, Looked
from skylift.engine.network_hosts import NetworkHosts
from skylift.engine.volume_hosts import VolumeHosts
from skylift.engine.watched_moves import WatchedMoves
from skylift.fleet.conductor import Conductor
from skylift.fleet.sight import Action, Open, Stage
from skylift.model.ids import Epoch, HostName, StepId
from skylift.ports import Ports


class FleetEnds:
    """Writes down what has come to an end, host by host and as a whole."""

    def __init__(
        self,
        ledger: Ledger,
        turns: Mapping[HostName, HostTurn],
        conductor: Conductor,
        cloud: LiveFleet,
        *,
        network: NetworkHosts,
        volumes: VolumeHosts,
        automation: PausedAutomation,
        ports: Ports,
    ) -> None:
        self._ledger, self._turns, self._conductor, self._cloud = ledger, turns, conductor, cloud
        self._network, self._volumes, self._automation, self._ports = network, volumes, automation, ports

    def give_up(self, actions: tuple[Action, ...], looked: Looked, obstacles: InTheWay, now: Epoch) -> None:
        """Write down which hosts were given up, before they are given back; at the end, all that are left.

        Of one that its operator had closed, the journal alone can tell that it is given back.
        """
        at_ms, conductor, ledger = milliseconds(now), self._conductor, self._ledger
        left = conductor.left(looked.sight)
        back = [a.host for a in actions if isinstance(a, Open) and looked.sight.hosts[a.host].closed]
        given_up = {h: left.get(h, "no way is left to empty it") for h in back} | conductor.given_up
        if conductor.over and conductor.begins:
            given_up = {**left, **given_up}
        for host, why in given_up.items():
            turn = self._turns.get(host)
            if turn is None or turn.trouble(ledger.run) or turn.stage(ledger.run) is Stage.DONE:
                continue
            current = turn.current(ledger.run)
            step = current.id if current else turn.emptying
            if step not in ledger.run.within(Phase.RUNNING) and not start(ledger, step, at_ms):
                return
            said = self._cloud.complaint(host, looked)
            gone = HostGivenUp(host, f"{why}{said}", *obstacles.remedies(host), closed=current is not None)
            attempt = ledger.run.steps[step].attempt
            ledger.record(StepFailed(step, attempt, Reported.of(gone), ended=current is None, at_ms=at_ms))

    def close(self, looked: Looked, moves: WatchedMoves, now: Epoch, *, settled: bool) -> None:
        """Write down the end of the run, if this is it; ``settled`` is what comes after the hosts."""
        run, at_ms = self._ledger.run, milliseconds(now)
        if run.closed is not None:
            return
        owed = any(pair.is_owed(run) for pair in pairs_of(run)) or self._volumes.owes()
        if run.abort is not None:
            taken = owed or self._network.taken or any(seen.ours for seen in looked.sight.hosts.values())
            going = any(moves.asked_for(seen) for seen in looked.migrations)
            left = run.abort.leave or not (taken or going)
            if not run.within(Phase.RUNNING) and left and (run.abort.leave or not self._outlived()):
                self._ledger.write(RunClosed(Outcome.ABORTED, at_ms))
            return
        passed = all(
            turn.stage(run) is Stage.DONE or turn.emptying in run.passed for turn in self._turns.values()
        )
        over = self._conductor.over and self._network.over
        if passed and settled and not owed and over and run.steps.keys() == run.passed:
            self._ledger.write(RunClosed(Outcome.COMPLETED, at_ms))

    def _outlived(self) -> bool:
        """Whether a command on a host still goes on, or may, though its step has ended."""
        work = (step for turn in self._turns.values() for step in turn.work)
        on = {step.id: host for step in work if (host := step.action.runs_on) is not None}
        return may_go_on(self._ledger.run, {**on, **self._automation.commands()}, self._ports)


def start(ledger: Ledger, step: StepId, at_ms: int) -> bool:
    """Write down that a step starts; false if somebody said something meanwhile."""
    attempt = ledger.run.steps[step].attempt if step in ledger.run.steps else 1
    return ledger.write(StepStarted(step, attempt, at_ms))
