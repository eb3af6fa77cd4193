"""Another host for an instance whose migration failed: the first that is done, admits it, and has room."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from skylift.fleet.admission import Admission
from skylift.fleet.course import Course
from skylift.fleet.fleet import Fleet, Instance, Rule
from skylift.fleet.sight import Migrate, Sight, Stage
from skylift.fleet.standing import Standing
from skylift.fleet.verdict import Way
from skylift.model.ids import HostName


class Elsewhere:
    """Looks for it among the hosts of one fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._admission = Admission(fleet)

    def instead(
        self, call: Migrate, tried: Container[HostName], *, sight: Sight, plan: Course, standing: Standing
    ) -> Migrate:
        """The same move to a host that was not tried; as it is if there is none, or if others must come, too.

        Where a group is to come together, nobody else takes the room that its last member needs.
        """
        instance = sight.on[call.source][call.instance]
        if self._is_bound(instance):
            return call
        kept = {
            move.target
            for moves in plan.off.values()
            for move in moves.values()
            if (bound := sight.on[move.source].get(move.instance)) and self._is_bound(bound)
        }
        live = call.way is Way.LIVE
        admits = self._admission.live(instance) if live else self._admission.cold(instance)
        for number, name in enumerate(self._fleet.hosts):
            seen = sight.hosts[name]
            fit = seen.work is Stage.DONE and seen.up and not (seen.ours or seen.closed)
            if fit and name not in tried and name not in kept and admits >> self._admission.kind[number] & 1:
                other = replace(call, target=name)
                if standing.lanes_free(other) and standing.has_room(other):
                    return other
        return call

    def _is_bound(self, instance: Instance) -> bool:
        return bool(instance.group) and self._fleet.groups[instance.group].rule is Rule.TOGETHER
