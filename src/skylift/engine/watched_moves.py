"""The run's own migrations, watched: ended when they take too long, confirmed when they came over cold."""

from __future__ import annotations

from collections.abc import Iterable

from skylift.engine.host_turn import emptying_of
from skylift.engine.journal import AskedOf, Event, MovesAsked, StepRetried
from skylift.engine.live_fleet import LiveFleet, Looked
from skylift.fleet.fleet import InstanceId
from skylift.fleet.sight import Migrate
from skylift.fleet.verdict import Way
from skylift.model.ids import Epoch, Seconds
from skylift.model.problem import Problem, Refused
from skylift.ports import Ports, Tell

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
        self.asked = {of.instance for e in events if isinstance(e, MovesAsked) for of in e.moves}
        """The instances that the run has asked anything of."""
        self._comes_over: set[str] = set()
        """Migrations that can no longer be ended."""

    def add(self, moves: Iterable[AskedOf]) -> None:
        """These are asked for, too."""
        self.asked.update(of.instance for of in moves)

    def watch(self, looked: Looked, cloud: LiveFleet, now: Epoch) -> None:
        """Look at each once; what Nova says against it is kept in the cloud's complaints."""
        for seen in looked.migrations:
            if seen.instance not in self.asked:
                continue
            late = seen.live and now - seen.began_at > self._limit and seen.id not in self._comes_over
            try:
                if seen.awaits_confirmation and not seen.resize:
                    self._ports.compute.tell(seen.instance, Tell.CONFIRM)
                elif late:
                    self._ports.compute.abort(seen.instance, seen.id)
                    cloud.complaints[seen.instance] = f"it took longer than {self._limit} s, and was ended"
            except Refused as refused:
                self._comes_over.add(seen.id)
                cloud.complaints[seen.instance] = str(refused)
            except Problem as silent:
                cloud.complaints[seen.instance] = str(silent)
