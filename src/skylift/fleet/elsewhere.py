"""Another host for an instance whose migration failed: the first that is done, admits it, and has room."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from skylift.fleet.admission import Admission
from skylift.fleet.course import Course
from skylift.fleet.fleet import Fleet, Instance, Rule
from skylift.fleet.plan import Move
from skylift.fleet.sight import Sight, Stage
from skylift.fleet.standing import Standing
from skylift.fleet.verdict import Way
from skylift.model.ids import HostName


class Elsewhere:
    """Looks for it among the hosts of one fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._admission = Admission(fleet)

    def instead(
        self, move: Move, tried: Container[HostName], *, sight: Sight, plan: Course, standing: Standing
    ) -> Move:
        """The same move to a host that was not tried; as it is if there is none, or if others must come, too.

        Where a group is to come together, nobody else takes the room that its last member needs.
        """
        instance = sight.on[move.source][move.instance]
        if self._is_bound(instance):
            return move
        live = move.way is Way.LIVE
        admits = self._admission.live(instance) if live else self._admission.cold(instance)
        for number, name in enumerate(self._fleet.hosts):
            seen = sight.hosts[name]
            fit = seen.work is Stage.DONE and seen.up and not (seen.ours or seen.closed)
            if fit and name not in tried and admits >> self._admission.kind[number] & 1:
                elsewhere, kept = replace(move, target=name), self._is_kept(name, sight, plan)
                if not kept and standing.lanes_free(elsewhere) and standing.has_room(elsewhere):
                    return elsewhere
        return move

    def _is_kept(self, host: HostName, sight: Sight, plan: Course) -> bool:
        """Whether who must come together is still to come to a host."""
        coming = (sight.on[move.source].get(move.instance) for move in plan.onto.get(host, ()))
        return any(self._is_bound(instance) for instance in coming if instance)

    def _is_bound(self, instance: Instance) -> bool:
        return bool(instance.group) and self._fleet.groups[instance.group].rule is Rule.TOGETHER
