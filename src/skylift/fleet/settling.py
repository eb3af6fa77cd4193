"""The last part of a fleet's run: what is seen gives who is moved next, once every host is through; pure.

Driven by levels as the conductor is, which calls it: it closes nothing, and plans again from what is seen
whenever all is at rest, until such a plan comes to nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from skylift.fleet.afterwards import Wanted, plan_afterwards
from skylift.fleet.fleet import Fleet, InstanceId
from skylift.fleet.plan import Afterwards, Kind
from skylift.fleet.sight import Migrate, Sight
from skylift.fleet.standing import Standing
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import Seconds


class Settling:
    """Moves instances to where they shall be. Each is moved once at most."""

    def __init__(
        self,
        fleet: Fleet,
        policy: FleetPolicy,
        wanted: Wanted,
        *,
        tries: int,
        again_s: Seconds,
        asked: Iterable[Migrate] = (),
        tried: Iterable[Migrate] = (),
    ) -> None:
        """``asked`` is what a process that is gone has asked for in this part of the run.

        Of that, ``tried`` is what counts when tries are: not what came before an operator's retry.
        """
        self._fleet, self._policy, self.wanted = fleet, policy, wanted
        self._tries, self._again_ms = tries, again_s * 1000
        self._homes = dict(wanted.homes)
        self._off = {move.instance: move.source for move in asked}
        """Whom this part has asked to move, and off which host."""
        self._tried = Counter((move.instance, move.source) for move in tried)
        self._planned, self._deviates = 0, False
        self._fresh = False
        """Whether the plan was made at rest, and nothing was asked for since."""
        self._waits = False
        """Whether a window is waited for."""
        self.plan: Afterwards | None = None
        """What was last planned, from what was seen then."""
        self.failed: dict[InstanceId, str] = {}
        """Instances that could not be moved, and why."""
        self.yet = 0
        """How many of the plan's moves have not ended, as last seen."""
        self.over = False

    def was_moved(self, move: Migrate) -> None:
        """Before this part, an instance is moved off a host: the first one is its home."""
        self._homes.setdefault(move.instance, move.source)

    def try_again(self) -> None:
        """Forget what failed, as if nothing had been tried."""
        self._tried.clear()
        self.failed.clear()
        self.plan, self.over = None, False

    def next(self, sight: Sight, standing: Standing, *, rests: bool) -> list[Migrate]:
        """What to ask for now; ``rests`` says that nothing is under way, or may be."""
        again = sight.moment >= self._planned + self._again_ms
        if self.plan is None or (self._deviates and again):
            self._plan_again(sight, standing, rests=rests)
        calls = list(self._calls(sight, standing))
        if rests and not calls and not self._fresh:
            self._plan_again(sight, standing, rests=True)
            calls = list(self._calls(sight, standing))
        self._fresh &= not calls
        self.over = rests and self._fresh and not self._waits
        return calls

    def _calls(self, sight: Sight, standing: Standing) -> Iterator[Migrate]:
        self._waits, self.yet = False, 0
        for move in self.plan.moves if self.plan else ():
            if move.instance not in sight.on[move.source]:
                continue
            self.yet += 1
            if move.instance in standing.coming:
                continue
            target, tried = sight.hosts[move.target], self._tried[move.instance, move.source]
            if tried >= self._tries:
                self.failed[move.instance] = f"it did not come to {move.target} in {tried} tries"
            elif not target.up or target.ours or target.closed:
                self._deviates = True
            elif self.wanted.kind is Kind.BALANCE and not standing.evens(move):
                self._deviates = True  # it was filled meanwhile, by who appeared there
            elif not self._in_window(sight.moment, sight.moment + move.end - move.start):
                self._waits = any(w.opens * 1000 > sight.moment for w in self._policy.windows)
            elif standing.lanes_free(move) and standing.has_room(move):
                call = Migrate(move.instance, move.source, move.target, move.way)
                standing.count(call)
                self._tried[call.instance, call.source] += 1
                self._off[call.instance] = call.source
                yield call

    def _in_window(self, begin: int, end: int) -> bool:
        windows = self._policy.windows
        return not windows or any(w.opens * 1000 <= begin and end <= w.closes * 1000 for w in windows)

    def left(self) -> dict[InstanceId, str]:
        """Who is not where it should be, and why."""
        if self.plan is None:
            return {}
        waits = {
            move.instance: self.failed.get(move.instance, f"{move.target} has no room for it now")
            for move in self.plan.moves
        }
        return {stay.instance: stay.reason for stay in self.plan.stays} | waits

    def missed(self) -> dict[InstanceId, str]:
        """The same without whom the plan that was approved had announced."""
        return {name: why for name, why in self.left().items() if name not in self.wanted.announced}

    def _plan_again(self, sight: Sight, standing: Standing, *, rests: bool) -> None:
        going = {name: call.target for name, call in standing.coming.items()}
        moved = {name for name, source in self._off.items() if name not in sight.on[source]}
        hosts = {
            name: replace(of, up=seen.up, closed=seen.closed or seen.ours, done=True)
            for name, of in self._fleet.hosts.items()
            for seen in (sight.hosts[name],)
        }
        instances = tuple(
            replace(one, host=going.get(one.id, one.host)) for on in sight.on.values() for one in on.values()
        )
        now = replace(self._fleet, hosts=hosts, instances=instances)
        wanted = replace(self.wanted, homes=self._homes)
        moved |= going.keys()
        self.plan = plan_afterwards(now, self._policy, wanted, begin=sight.moment, moved=moved)
        self._planned, self._deviates, self._fresh = sight.moment, False, rests
