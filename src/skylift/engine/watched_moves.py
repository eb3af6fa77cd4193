"""The run's own migrations, watched: ended when they take too long, confirmed when they came over cold."""

from __future__ import annotations

from collections.abc import Iterable

from skylift.engine.host_turn import emptying_of
from skylift.engine.journal import AskedOf, Event, MovesAsked, StepRetried
from skylift.engine.live_fleet import LiveFleet, Looked
from skylift.fleet.fleet import InstanceId
from skylift.fleet.sight import Migrate
from skylift.fleet.verdict import Way
from skylift.model.ids import Epoch, HostName, Seconds
from skylift.model.problem import Problem, Refused
from skylift.ports import MigrationSeen, Ports, Tell

_WAYS = {way.value: way for way in (Way.LIVE, Way.COLD)}


def asked_before(events: Iterable[Event], opened_ms: int) -> tuple[tuple[Migrate, int], ...]:
    """Every migration that the run has asked for, with its moment, in milliseconds from its opening.

    What was tried before an operator had a host's emptying tried again counts no more.
    """
    found: list[tuple[Migrate, int]] = []
    for event in events:
        if isinstance(event, MovesAsked):
            at_ms = event.at_ms - opened_ms
            found += [
                (Migrate(InstanceId(of.instance), of.source, of.target, _WAYS[of.way]), at_ms)
                for of in event.moves
                if of.way in _WAYS
            ]
        if isinstance(event, StepRetried):
            found = [(move, at) for move, at in found if event.step != emptying_of(move.source)]
    return tuple(found)


class WatchedMoves:
    """What the run asked for; of anybody else's migrations nothing is ended or confirmed."""

    def __init__(self, ports: Ports, events: Iterable[Event], limit: Seconds) -> None:
        self._ports, self._limit = ports, limit
        self._asked: set[tuple[str, HostName, HostName]] = set()
        self.lasting: set[str] = set()
        """Migrations of the run that can no longer be ended."""
        for event in events:
            if isinstance(event, MovesAsked):
                self.add(event.moves)

    def add(self, moves: Iterable[AskedOf]) -> None:
        """These are asked for, too."""
        self._asked.update((of.instance, of.source, of.target) for of in moves)

    def asked_for(self, seen: MigrationSeen) -> bool:
        """Whether the run has asked for this, and not an operator for another move of the same instance."""
        if seen.target is not None:
            return (seen.instance, seen.source, seen.target) in self._asked
        return any(instance == seen.instance and source == seen.source for instance, source, _ in self._asked)

    def watch(self, looked: Looked, cloud: LiveFleet, now: Epoch) -> None:
        """Look at each once; what Nova says against it is kept in the cloud's complaints."""
        for seen in looked.migrations:
            if not self.asked_for(seen):
                continue
            late = seen.live and now - seen.began_at > self._limit and seen.id not in self.lasting
            try:
                if seen.awaits_confirmation and not seen.resize:
                    self._ports.compute.tell(seen.instance, Tell.CONFIRM)
                elif late:
                    self._ports.compute.abort(seen.instance, seen.id)
                    cloud.complaints[seen.instance] = f"it took longer than {self._limit} s, and was ended"
            except Refused as refused:
                self.lasting.add(seen.id)
                cloud.complaints[seen.instance] = str(refused)
            except Problem as silent:
                cloud.complaints[seen.instance] = str(silent)
