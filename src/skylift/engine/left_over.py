"""Servers of ours that no step will remove any more, since the run that made them was killed or given up."""

from __future__ import annotations

from collections.abc import Mapping

from skylift.engine.fold import Run
from skylift.engine.host_turn import HostTurn
from skylift.engine.live_fleet import LiveFleet, Looked
from skylift.fleet.sight import Stage
from skylift.model.ids import HostName
from skylift.model.marks import CANARY, canary_name, label_in
from skylift.model.problem import Problem
from skylift.ports import Ports


class LeftOver:
    """Removes them, whenever they are seen: of runs that are known here, and of nobody else.

    Whoever works holds the cloud, so none of these runs is under way.
    """

    def __init__(
        self, ports: Ports, turns: Mapping[HostName, HostTurn], own: str, earlier: tuple[str, ...]
    ) -> None:
        self._ports, self._turns, self._own = ports, turns, own
        self._labels = (own, *earlier)

    def remove(self, looked: Looked, cloud: LiveFleet, run: Run) -> None:
        """Push the removal of each once; what is said against it is kept in the cloud's complaints."""
        for name, host in looked.passing.items():
            label = label_in(name, self._labels)
            if not label or (label == self._own and self._is_wanted(name, run)):
                continue
            try:
                if name.startswith(CANARY):
                    self._ports.canaries.remove(label, HostName(name.removeprefix(canary_name(label, ""))))
                else:
                    self._ports.vantage.stop_probes(label)
            except Problem as problem:
                cloud.complaints[host] = str(problem)

    def _is_wanted(self, name: str, run: Run) -> bool:
        """Whether a step of this run still waits for it, or for its removal; its probes remove their own."""
        if not name.startswith(CANARY):
            return True
        turn = self._turns.get(HostName(name.removeprefix(canary_name(self._own, ""))))
        return turn is not None and turn.stage(run) is Stage.UNDER_WAY
