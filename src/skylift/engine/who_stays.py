"""Instances that stay on a host while it is worked on, stopped: as owners or the policy would have it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from skylift.engine.host_turn import HostTurn
from skylift.engine.journal import AskedOf, Event, MovesAsked
from skylift.engine.ledger import Ledger
from skylift.engine.live_fleet import Looked
from skylift.fleet.conductor import Conductor
from skylift.fleet.fleet import State
from skylift.fleet.sight import Stage
from skylift.fleet.verdict import Way
from skylift.model.ids import HostName
from skylift.model.problem import Problem
from skylift.ports import Ports, Tell

STOP = "stop"
"""The way of an instance that stays on its host, stopped."""


class WhoStays:
    """Stops them when nobody else is left, and starts those again that it stopped, and no others."""

    def __init__(self, ledger: Ledger, ports: Ports, events: tuple[Event, ...]) -> None:
        self._ledger, self._ports = ledger, ports
        self._stopped = {
            of.instance: of.source
            for event in events
            if isinstance(event, MovesAsked)
            for of in event.moves
            if of.way == STOP
        }

    def stop(self, host: HostName, conductor: Conductor, looked: Looked, at_ms: int) -> bool:
        """Stop those on a host that the plan says are to be; whether any of them still runs."""
        course = conductor.course
        stays = {v.instance for v in course.plan.verdicts if v.way is Way.STOP} if course else set()
        up = [i for i in looked.sight.on[host].values() if i.id in stays and i.state is State.ACTIVE]
        new = tuple(AskedOf(i.id, host, host, STOP) for i in up if i.id not in self._stopped)
        if new and not self._ledger.write(MovesAsked(new, at_ms)):
            return True
        self._stopped |= {of.instance: host for of in new}
        for instance in up:
            with suppress(Problem):
                self._ports.compute.tell(instance.id, Tell.STOP)
        return bool(up)

    def start_again(
        self, turns: Mapping[HostName, HostTurn], given_up: Mapping[HostName, str], looked: Looked
    ) -> None:
        """Start those on hosts that are done, or that will not be worked on."""
        for host, turn in turns.items():
            stage = turn.stage(self._ledger.run)
            if stage is Stage.UNDER_WAY or (stage is Stage.DUE and host not in given_up):
                continue
            for instance in looked.sight.on.get(host, {}).values():
                if self._stopped.get(instance.id) == host and instance.state is State.STOPPED:
                    with suppress(Problem):
                        self._ports.compute.tell(instance.id, Tell.START)
