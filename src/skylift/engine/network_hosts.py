"""Network hosts in a run over a fleet: what their agents carry goes elsewhere, then these are closed.

As with instances: what is seen decides (``fleet.network``), what is asked for is written down before, and
nothing is kept that matters. A router that was released by a process which died is found by the journal.
Hosts that are no compute hosts have their turns here, with agents or without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from skylift.actions.network_agents import OpenAgents
from skylift.engine.fleet_problems import HostGivenUp
from skylift.engine.fold import Phase
from skylift.engine.host_turn import HostTurn
from skylift.engine.journal import (
    Event,
    Reported,
    StepDone,
    StepFailed,
    StepStarted,
    milliseconds,
)
from skylift.engine.ledger import Ledger
from skylift.engine.moved_networks import MovedNetworks
from skylift.engine.network_looks import NetworkLooks
from skylift.engine.storage_hosts import StorageHosts
from skylift.engine.volume_hosts import VolumeHosts
from skylift.fleet.network import Leaving, NetworkNow, agents_on, leaving, missed
from skylift.fleet.sight import Stage
from skylift.model.ids import Epoch, HostName, Seconds, StepId
from skylift.model.network_agent import Carried, agent_is_ours
from skylift.model.problem import Problem
from skylift.ports import Ports

GiveUp = Callable[[HostName, str], None]


class NetworkHosts:
    """The turns of hosts with agents that carry what is others', and of those that are no compute hosts.

    The latter go one after another, when no compute host is left to be begun. A compute
    host's own agents are emptied when no instance is left on it, beside others if nothing is missed by that.
    """

    def __init__(
        self,
        ledger: Ledger,
        ports: Ports,
        turns: Mapping[HostName, HostTurn],
        *,
        events: Iterable[Event],
        limit: Seconds,
        before: tuple[VolumeHosts, StorageHosts],
    ) -> None:
        """``limit`` is for how long agents may take to be empty; ``before`` say whether a host may stop."""
        self._ledger, self._ports, self._limit = ledger, ports, limit
        self._volumes, self._storage = before
        self._turns = {h: t for h, t in turns.items() if t.agents is not None or t.closing is None}
        self._own = tuple(turn for turn in self._turns.values() if turn.closing is None)
        self._moved = MovedNetworks(ledger, ports, events)
        self._beside: dict[HostName, str] = {}
        """Compute hosts whose agents are being emptied, and what is left there."""
        self._looks = NetworkLooks(
            ledger, ports, self._turns, beside=self._beside, refused=self._moved.refused
        )
        self._since: dict[HostName, Epoch] = {}
        self._given_back: set[HostName] = set()
        self._busy = False
        self.left: dict[StepId, str] = {}
        """What is left on each network host that is being emptied."""
        self.over = not self._own
        """Whether nothing is left that could be done."""
        self.taken = False
        """Whether agents are closed for a run that is given up."""

    def go_on(self, now: Epoch, *, begins: bool) -> None:
        """Give back what is given up, empty what is begun, and begin the next if none is under way."""
        if not self._turns:
            return
        try:
            self._give_back(now)
        except Problem as silent:
            self.left |= {t.emptying: f"no answer yet: {silent}" for t in self._own}
            self.over = False
            return
        for host in self._beside:
            self._beside[host] = self._pushed(self._turns[host], now)
        for turn in self._own:
            if (
                turn.begun(run := self._ledger.run)
                and turn.stage(run) is Stage.DUE
                and not self._looks.is_left(turn)
            ):
                self._empty(turn, now)
        run = self._ledger.run
        due = [t for t in self._own if t.stage(run) is Stage.DUE and not self._looks.is_left(t)]
        busy = any(t.begun(run) and not self._looks.is_left(t) for t in self._own)
        # One that has just failed is counted first: the run may pause for it.
        was_busy, self._busy = self._busy, busy
        if due and begins and not (busy or was_busy):
            self._begin(due[0], now)
        self.over = not busy and not (due and begins) and not self._to_give_back()

    def leaves(self, turn: HostTurn, now: Epoch, give_up: GiveUp) -> bool:
        """Whether a compute host carries nothing that would be missed; if it does, its agents are emptied."""
        host = turn.host
        if turn.agents is None or self._beside.get(host) == "":
            self._beside.pop(host, None)
            self._since.pop(host, None)
            return True
        active = self._looks.active() - {host}
        if host not in self._beside and active:
            self._since[host] = now
        try:
            if host not in self._beside and (not active or self._looks.may_leave(host)):
                self._beside[host] = "its agents are about to be emptied"
        except Problem as silent:
            self.left[turn.emptying] = f"no answer yet: {silent}"
        if now - self._since.setdefault(host, now) > self._limit:
            left = self._beside.pop(host, "others are worked on that it would be missed beside")
            self._since.pop(host)
            give_up(host, f"its agents were not empty within {self._limit} s: {left}")
        return False

    def leaving(self, host: HostName, things: Iterable[Carried], seen: NetworkNow) -> Leaving:
        """What is yet to be done until the agents of a host may be closed."""
        return leaving(host, things, seen, self._moved.targets(host))

    def missed(self, host: HostName, things: Iterable[Carried], seen: NetworkNow) -> tuple[str, ...]:
        """What is active nowhere else yet, on a host whose agents are closed."""
        return missed(host, things, seen)

    def _begin(self, turn: HostTurn, now: Epoch) -> None:
        at = self._ledger.run.steps.get(turn.emptying)
        self._moved.refused.clear()
        self._given_back.discard(turn.host)
        self._ledger.write(StepStarted(turn.emptying, at.attempt if at else 1, milliseconds(now)))

    def _empty(self, turn: HostTurn, now: Epoch) -> None:
        """Push a network host, and write down when it is empty, or late."""
        at, at_ms = self._ledger.run.steps[turn.emptying], milliseconds(now)
        left, limit, what = self._pushed(turn, now), self._limit, "it was not empty"
        if not left and turn.services:
            left, limit = self._volumes.lets(turn, now), Seconds(limit + self._volumes.limit)
            what = "what it serves did not let it stop"
        if not left and turn.storage is not None:
            left, limit = self._storage.lets(turn, now), Seconds(limit + self._storage.limit)
            what = "the storage cluster did not let it stop"
        self.left[turn.emptying] = left
        if not left:
            del self.left[turn.emptying]
            # Whoever died just after that has not begun the work.
            if at.phase is Phase.RUNNING:
                self._ledger.record(StepDone(turn.emptying, at.attempt, at_ms))
            if turn.work:
                self._ledger.write(StepStarted(turn.work[0].id, 1, at_ms))
        elif at.phase is Phase.RUNNING and at_ms - at.clock_ms > limit * 1000:
            self._fail(turn, f"{what} within {limit} s: {left}", now)

    def _pushed(self, turn: HostTurn, now: Epoch) -> str:
        """What is left on a host after another push; nothing if its agents are closed and none is missed."""
        if turn.agents is None:
            return ""
        try:
            agents = self._ports.network.agents()
            seen = self._looks.now(agents, turn.host)
            things = self._moved.with_those_asked(turn.host, self._looks.carried(agents, turn.host))
            found = self.leaving(turn.host, things, seen)
            self._moved.arrived(turn.host, found.arrived)
            if not found.over:
                self._moved.push(turn.host, found.shifts, now)
                return self._moved.told(found)
            if any(a.open for a in agents_on(agents, turn.host)):
                turn.agents.advance(self._ports)
                return "its agents are being closed"
            late = self.missed(turn.host, things, seen)
        except Problem as silent:
            return f"no answer yet: {silent}"
        return f"{len(late)} are not active elsewhere yet, such as {late[0]}" if late else ""

    def _give_back(self, now: Epoch) -> None:
        """Open what was given up, or set aside, before it was worked on; at an abort, all of it."""
        run = self._ledger.run
        for turn in self._own:
            if run.abort is not None and turn.emptying in run.within(Phase.RUNNING):
                self._fail(turn, f"the run was given up: {run.abort.reason}", now)
        for turn in self._to_give_back():
            if turn.agents is None:
                self._given_back.add(turn.host)
                continue
            self._beside.pop(turn.host, None)
            agents = self._ports.network.agents()
            for opening in turn.openings:
                if isinstance(opening, OpenAgents):
                    opening.advance(self._ports)
            self._moved.rescue(turn.host, self._looks.now(agents, turn.host), now)
            self._given_back.add(turn.host)
        if self._ledger.run.abort is not None:
            agents = self._ports.network.agents()
            labels = {t.host: t.agents.labels for t in self._turns.values() if t.agents and t.work}
            self.taken = any(agent_is_ours(a, labels.get(a.host, ())) for a in agents)

    def _to_give_back(self) -> tuple[HostTurn, ...]:
        """Those that nothing more is done with, and that were not worked on."""
        run = self._ledger.run
        left = (t for t in self._turns.values() if t.host not in self._given_back and self._looks.is_left(t))
        return tuple(turn for turn in left if turn.stage(run) is Stage.DUE)

    def _fail(self, turn: HostTurn, why: str, now: Epoch) -> None:
        self.left.pop(turn.emptying, None)
        if turn.agents is not None:
            see = f"openstack network agent list --host {turn.host}"
        else:
            see = "ceph status" if turn.storage is not None else "skylift inspect"
        gone = HostGivenUp(turn.host, why, closed=False, see=see)
        attempt = self._ledger.run.steps[turn.emptying].attempt
        failed = StepFailed(turn.emptying, attempt, Reported.of(gone), ended=True, at_ms=milliseconds(now))
        self._ledger.record(failed)
