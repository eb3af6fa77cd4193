"""How hosts with services that get work from a scheduler stand in a run, by the journal and by their rows."""

from __future__ import annotations

from skylift.actions.action import Pending
from skylift.engine.fold import ASIDE
from skylift.engine.host_turn import HostTurn
from skylift.engine.ledger import Ledger
from skylift.fleet.sight import Stage
from skylift.ports import Ports


class VolumeLooks:
    """Looks at turns with such services; ``turns`` are all of these, in their order."""

    def __init__(self, ledger: Ledger, ports: Ports, turns: tuple[HostTurn, ...]) -> None:
        self._ledger, self._ports, self._turns = ledger, ports, turns

    def others(self, turn: HostTurn) -> tuple[HostTurn, ...]:
        """Hosts that are closed, or being worked on; of two that an earlier run closed, the first goes."""
        order = [t.host for t in self._turns]
        own = order.index(turn.host) if self._is_closed(turn) else len(order)
        return tuple(
            other
            for place, other in enumerate(self._turns)
            if other.host != turn.host
            and (self.is_out(other) or (place < own and self._is_due(other) and self._is_closed(other)))
        )

    def is_out(self, turn: HostTurn) -> bool:
        """Whether a host is worked on, or did not come through it: nobody knows if it serves anything."""
        run = self._ledger.run
        steps = (run.steps.get(step) for step in turn.steps)
        aside = any(at is not None and at.phase in ASIDE for at in steps)
        return turn.stage(run) is Stage.UNDER_WAY and not aside

    def _is_due(self, turn: HostTurn) -> bool:
        run = self._ledger.run
        return turn.begun(run) and turn.stage(run) is Stage.DUE and not turn.trouble(run)

    def _is_closed(self, turn: HostTurn) -> bool:
        return any(isinstance(opening.observe(self._ports), Pending) for opening in turn.service_openings)

    def is_given_up(self, turn: HostTurn) -> bool:
        """Whether nothing more is done with a host that was begun, and not rebooted."""
        run = self._ledger.run
        given_up = bool(turn.trouble(run)) or run.abort is not None
        return turn.emptying in run.steps and turn.stage(run) is Stage.DUE and given_up
