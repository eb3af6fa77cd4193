"""Hosts with services beside nova-compute that a scheduler gives work to: closed and idle before a reboot.

What a host exports of its own disks is looked at when they are: all of it must be there after a boot, and
nobody have it who had not when that was approved.

They go one at a time, so that of those that stand in for each other one is always open. Whose closing it is
the cloud says, so nothing is kept here that matters; what is given up is opened for as long as it must.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from skylift.actions.action import Action, Done
from skylift.engine.fold import Phase
from skylift.engine.host_turn import HostTurn
from skylift.engine.host_waits import HostWaits
from skylift.engine.ledger import Ledger
from skylift.engine.volume_looks import VolumeLooks
from skylift.model.ids import Epoch, HostName, Seconds
from skylift.model.problem import Problem
from skylift.ports import Ports

GiveUp = Callable[[HostName, str], None]
_WAITS = (
    "services that get new work to have nothing in hand, and what it exports to be as it was planned, "
    "for timeouts.idle at most: skylift inspect"
)


class VolumeHosts:
    """The turns of hosts with such services, whatever else these hosts are."""

    def __init__(
        self, ledger: Ledger, ports: Ports, turns: Mapping[HostName, HostTurn], *, limit: Seconds
    ) -> None:
        """``limit`` is for how long a service may have something in hand."""
        self._ledger, self._ports, self.limit = ledger, ports, limit
        self._turns = tuple(turn for turn in turns.values() if turn.services)
        self._looks = VolumeLooks(ledger, ports, self._turns)
        self._since: dict[HostName, Epoch] = {}
        """Since when a host is waited for, others aside."""
        self._behind: set[HostName] = set()
        """Hosts that wait for others which come through: for as long as that takes."""
        self._opened: set[HostName] = set()
        """Hosts that were given up, of which nothing of ours is closed any more."""
        self.waits = HostWaits(_WAITS)

    def go_on(self) -> None:
        """Open what was closed on hosts that were given up before they were rebooted."""
        self.waits.keep(self._ledger.run.within(Phase.RUNNING))
        for turn in self._turns:
            if not self._looks.is_given_up(turn):
                self._opened.discard(turn.host)
            elif turn.host not in self._opened:
                self._open(turn)

    def owes(self) -> bool:
        """Whether anything is yet to be opened; at an abort, on hosts that are yet to come through, too."""
        run = self._ledger.run
        if run.abort is not None and any(self._looks.is_out(t) and not t.trouble(run) for t in self._turns):
            return True
        return any(self._looks.is_given_up(turn) and turn.host not in self._opened for turn in self._turns)

    def lets(self, turn: HostTurn, now: Epoch) -> str:
        """What keeps a host from being rebooted, after another push; empty if nothing does."""
        if not turn.services:
            return ""
        why = self._against(turn)
        self.waits.note(turn.emptying, why, now, counts=turn.host not in self._behind)
        return why

    def leaves(self, turn: HostTurn, now: Epoch, give_up: GiveUp) -> bool:
        """Whether a compute host may go on; if what it serves keeps it for too long, it is given up."""
        host, why = turn.host, self.lets(turn, now)
        if not why or host in self._behind:
            self._since.pop(host, None)
            return not why
        if now - self._since.setdefault(host, now) > self.limit:
            self._since.pop(host)
            give_up(host, f"what it serves did not let it stop within {self.limit} s: {why}")
        return False

    def _against(self, turn: HostTurn) -> str:
        self._behind.discard(turn.host)
        try:
            if others := self._looks.others(turn):
                if not any(other.trouble(self._ledger.run) for other in others):
                    self._behind.add(turn.host)
                names = ", ".join(other.host for other in others)
                return f"{names} goes first, for its services may stand in for these"
            return self._closed(turn) or self._served(turn)
        except Problem as silent:
            return f"no answer yet: {silent}"

    def _closed(self, turn: HostTurn) -> str:
        """What is left of all of its services; each is pushed, so that none waits for another."""
        left = [self._pushed(action) for of in turn.services for action in of.before_stop]
        return "; ".join(why for why in left if why)

    def _served(self, turn: HostTurn) -> str:
        """Why it must not stop for what it exports. One that was let go once is asked as it is rebooted."""
        let_go = turn.emptying in self._ledger.run.passed
        return "" if let_go or turn.exporting is None else turn.exporting.keeps_up(self._ports)

    def _pushed(self, action: Action) -> str:
        found = action.observe(self._ports)
        if isinstance(found, Done):
            return ""
        action.advance(self._ports)
        return found.left

    def _open(self, turn: HostTurn) -> None:
        try:
            left = [self._pushed(opening) for opening in turn.service_openings]
        except Problem:
            return  # nobody tells whether it is open: it is asked again for as long as it takes
        if not any(left):
            self._opened.add(turn.host)
