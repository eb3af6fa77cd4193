"""Hosts of the storage cluster in a run over hosts: one at a time, and when the cluster lets it stop.

Its OSDs are kept in for as long as it is worked on, by a flag on its node of the CRUSH tree alone: what fails
elsewhere meanwhile is mended as ever. The flag is a guard, so it is given back on every way out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from skylift.actions.action import Action
from skylift.actions.storage_host import KeepIn, LetOut, speaks_against
from skylift.engine.fold import Phase
from skylift.engine.guards import Guards
from skylift.engine.host_turn import HostTurn, reboot_of
from skylift.engine.host_waits import HostWaits
from skylift.engine.ledger import Ledger
from skylift.fleet.sight import Stage
from skylift.model.ids import Epoch, HostName, Seconds, StepId
from skylift.model.problem import Problem
from skylift.ports import Ports

GiveUp = Callable[[HostName, str], None]
_WAITS = "the storage cluster to let it stop, for storage.whole at most; see what it lacks: ceph status"


@dataclass(frozen=True, slots=True)
class NooutGuard:
    """The flag on one node of the tree. Ceph keeps no word of whose it is: the journal does."""

    bucket: str

    @property
    def name(self) -> str:
        """As no automation of the record can be called."""
        return f"noout:{self.bucket}"

    @property
    def take(self) -> Action:
        """Sets it."""
        return KeepIn(self.bucket)

    @property
    def back(self) -> Action:
        """Takes it off."""
        return LetOut(self.bucket)

    def is_taken(self, ports: Ports) -> bool:
        """Whether it is set there; one for the whole cluster is somebody else's, and another."""
        return self.bucket in ports.storage.look().kept_in

    def was_taken(self, _ports: Ports) -> bool:
        """It is no job: a look tells."""
        return False


class StorageHosts:
    """The turns of hosts with daemons of the storage cluster, compute hosts or not."""

    def __init__(
        self,
        ledger: Ledger,
        ports: Ports,
        turns: Mapping[HostName, HostTurn],
        *,
        limit: Seconds,
        command: Seconds,
    ) -> None:
        """``limit`` is for how long the cluster may not let a host stop, ``command`` for setting a flag."""
        self._ledger, self._ports = ledger, ports
        self.limit = limit
        self._turns = {host: turn for host, turn in turns.items() if turn.storage is not None}
        buckets = dict.fromkeys(b for t in self._turns.values() for b in _buckets(t))
        self._guards = Guards(ledger, ports, map(NooutGuard, buckets), command)
        self._next: HostName | None = None
        """Whose stop the cluster is asked for."""
        self._since: dict[HostName, Epoch] = {}
        self.waits = HostWaits(_WAITS)

    @property
    def left(self) -> dict[StepId, str]:
        """What is left of each step under way, as last seen."""
        return self.waits.left | self._guards.left

    def go_on(self, now: Epoch) -> None:
        """See that what is about to be rebooted is kept in, and give back what is not needed any more."""
        run = self._ledger.run
        self.waits.keep(run.within(Phase.RUNNING))
        try:
            for turn in self._at_work():
                if not _is_rebooted(turn, self._ledger):
                    self._hold(turn, now)
            self._guards.give_back(now, but=self._needed())
        except Problem:
            return  # nobody tells whether it is set: whoever waits for it says so

    def owes(self) -> bool:
        """Whether anything is yet to be given back that needs no operator for it."""
        return self._guards.owes(but=self._needed())

    def lets(self, turn: HostTurn, now: Epoch) -> str:
        """What keeps a host that is empty from being worked on; empty if it may begin now."""
        why = self._against(turn, now) if turn.storage is not None else ""
        self.waits.note(turn.emptying, why, now)
        return why

    def leaves(self, turn: HostTurn, now: Epoch, give_up: GiveUp) -> bool:
        """Whether a compute host may begin; if the cluster does not let it for too long, it is given up."""
        host, why = turn.host, self.lets(turn, now)
        if not why or self._next != host:
            self._since.pop(host, None)
            return not why
        if now - self._since.setdefault(host, now) > self.limit:
            self._since.pop(host)
            self._next = None
            give_up(host, f"the storage cluster did not let it stop within {self.limit} s: {why}")
        return False

    def _against(self, turn: HostTurn, now: Epoch) -> str:
        others = [t.host for t in self._turns.values() if t.host != turn.host and self._has_turn(t)]
        if others or turn.storage is None:
            return f"{', '.join(others)} of the storage cluster goes first"
        self._next = turn.host
        try:
            if why := speaks_against(self._ports, turn.storage):
                return why
            return "" if self._hold(turn, now) else "its OSDs are not kept in yet"
        except Problem as silent:
            return f"no answer yet: {silent}"

    def _hold(self, turn: HostTurn, now: Epoch) -> bool:
        held = [self._guards.hold(NooutGuard(b).name, now) for b in _buckets(turn)]
        return all(held)

    def _at_work(self) -> tuple[HostTurn, ...]:
        run = self._ledger.run
        return tuple(
            t for t in self._turns.values() if t.stage(run) is Stage.UNDER_WAY and not t.trouble(run)
        )

    def _has_turn(self, turn: HostTurn) -> bool:
        """Whether a host is worked on, or is the one that the cluster is asked for."""
        run = self._ledger.run
        due = turn.stage(run) is Stage.DUE and turn.begun(run) and run.abort is None
        return turn in self._at_work() or (turn.host == self._next and due and not turn.trouble(run))

    def _needed(self) -> frozenset[str]:
        needs = (turn for turn in self._turns.values() if self._has_turn(turn))
        return frozenset(NooutGuard(b).name for turn in needs for b in _buckets(turn))


def _buckets(turn: HostTurn) -> tuple[str, ...]:
    return turn.storage.buckets if turn.storage is not None else ()


def _is_rebooted(turn: HostTurn, ledger: Ledger) -> bool:
    return reboot_of(turn.host) in ledger.run.passed
