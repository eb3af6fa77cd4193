"""The planner: hosts in the order in which room grows fastest, each as soon as its instances have room.

It runs the plan in simulated time. The first hosts of a pool are emptied onto hosts that have yet to be
emptied, which moves their instances twice; every other host only onto hosts that are done. So room only
grows, no move waits for another's target to be freed, and one that fails delays its own host alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from skylift.fleet.first_wave import FirstWave, first_wave, in_order
from skylift.fleet.layout import Layout
from skylift.fleet.timeline import Timeline

_REACH = 64
"""How far down a pool's order a host is looked for that fits, when the first does not."""
_TRIES = 4
"""How many of these are packed in vain before more room is waited for."""
_OFFERS = 24
"""Waiting hosts that are tried when none fits on done hosts alone."""


class Roll:
    """One run of the planner over a layout.

    Per pool, ``shakes`` has the order of its hosts, and ``again`` how many instances must move twice.
    """

    def __init__(
        self, layout: Layout, refused: frozenset[int], shakes: Sequence[int], again: Sequence[int]
    ) -> None:
        self._layout, self._shakes, self._again = layout, shakes, again
        self.line = Timeline(layout)
        self._enough = [0] * len(layout.names)
        """Per host that did not fit, the open room of its pool from which on it is tried again."""
        for pool, hosts in enumerate(layout.pools):
            due = [h for h in hosts if layout.due[h]]
            self.line.waiting[pool] = in_order(layout, due, layout.units, shakes[pool])
            if pool in refused:
                self.line.waiting[pool] = []
                for host in due:
                    self.line.limits.strike(host)

    def run(self) -> None:
        """Plan every host that is due."""
        line = self.line
        for host, ready in enumerate(self._layout.ready):
            if ready:
                line.packing.open(host)
        self._resume()
        moment = self._canaries()
        self._seed(moment)
        self._start_all(moment)
        while self._unstick(moment) or line.events:
            moment = line.advance(moment)
            self._start_all(moment)

    def _resume(self) -> None:
        """Go on with hosts that a plan under way has out: those that are empty, then those half emptied."""
        hosts = [self._layout.fleet.hosts[name] for name in self._layout.names]
        for waiting in self.line.waiting:
            for host in [h for h in waiting if hosts[h].out_s]:
                self.line.go(host, [], 0)
            for host in [h for h in waiting if hosts[h].begun]:
                self.line.go_anyhow(host, 0)

    def _canaries(self) -> int:
        """The hosts to begin with, one after another; and when the last of them is back."""
        line, moment = self.line, 0
        number = {name: n for n, name in enumerate(self._layout.names)}
        for host in (number[name] for name in self._layout.policy.first):
            waiting = line.waiting[self._layout.pool[host]]
            while host in waiting and not line.go_anyhow(host, moment, [host]):
                opens = line.limits.next_window(moment)
                if opens is None:
                    line.strand([host])
                else:
                    moment = opens
            if host in line.turns and line.events:
                moment = line.advance(moment)
        return moment

    def _seed(self, moment: int) -> None:
        """Begin with the first hosts of each pool that has no host that is done, pool by pool in turn."""
        line = self.line
        pools = [p for p, waiting in enumerate(line.waiting) if waiting and not line.has_room(p)]
        waves = [
            first_wave(
                self._layout, line.waiting[p], line.offers, again=self._again[p], shake=self._shakes[p]
            )
            for p in pools
        ]
        left = sum(self._again[p] for p in pools)
        left += sum(sum(wave.size.values()) for wave in waves) * self._layout.policy.twice_percent // 100
        while going := [wave for wave in waves if wave.is_open(left)]:
            others = sum(wave.fewest for wave in going)
            for wave in sorted(going, key=lambda wave: -wave.lasts):
                others -= wave.fewest
                # Each pool leaves the others of its round what they need at least, if that can be.
                left -= self._begin_one(wave, (left - others, left), moment)
        for pool in pools:
            units, shake = line.packing.units, self._shakes[pool]
            line.waiting[pool] = in_order(self._layout, line.waiting[pool], units, shake)

    def _begin_one(self, wave: FirstWave, left: Sequence[int], moment: int) -> int:
        """Begin with one more host of a pool; how many instances move twice for it."""
        for may in left:
            while (host := wave.next(may)) is not None:
                if self._begin_with(host, wave, moment):
                    return wave.size[host]
        return 0

    def _begin_with(self, host: int, wave: FirstWave, moment: int) -> bool:
        line = self.line
        if not line.limits.may_go(host) or line.settled[host] > moment:
            return False
        if not line.go_anyhow(host, moment, wave.beginning_with(host)):
            return False
        wave.chosen.append(host)
        return True

    def _start_all(self, moment: int) -> None:
        """Start every host that may go and fits, always in the pool that has the most of its own left."""
        pools = [p for p, waiting in enumerate(self.line.waiting) if waiting]
        while pools:
            pool = max(pools, key=lambda p: len(self.line.waiting[p]) / len(self._layout.pools[p]))
            if not self._start_one(pool, moment):
                pools.remove(pool)

    def _start_one(self, pool: int, moment: int) -> bool:
        line = self.line
        open_ram, load = line.packing.open_ram[pool], line.packing.load
        tries = 0
        for host in line.waiting[pool][:_REACH]:
            if load[host] > open_ram or open_ram < self._enough[host] or line.settled[host] > moment:
                continue
            if not line.limits.may_go(host):
                continue
            placed = line.packing.pack(host, line.lanes.arriving, moment)
            if placed is not None and line.go(host, placed, moment):
                return True
            self._enough[host] = open_ram + load[host] // 16
            tries += 1
            if tries == _TRIES:
                break
        return False

    def _unstick(self, moment: int) -> bool:
        """Where nothing of a pool is out and some of it waits: go on at the least price, or give up.

        Returns:
            Whether something is under way that was not before.
        """
        line = self.line
        for pool, waiting in enumerate(line.waiting):
            if not waiting or not line.is_still(pool) or not any(map(line.limits.may_go, waiting)):
                continue
            price = self._prices(waiting, moment)
            for host in sorted(price, key=lambda h: (price[h], h)):
                if line.go_anyhow(host, moment):
                    line.forced[pool] += price[host]
                    return True
            opens = line.limits.next_window(moment)
            later = [at for h in waiting if (at := line.settled[h]) > moment]
            later += [] if opens is None else [opens]
            if later:
                line.wake(min(later))
            else:
                line.strand(waiting)
        if not line.events:
            for waiting in line.waiting:
                line.strand(waiting)
        return False

    def _prices(self, waiting: Sequence[int], moment: int) -> dict[int, int]:
        """Hosts that could be emptied now, with how many instances would have to move twice for that."""
        line = self.line
        price: dict[int, int] = {}
        for host in waiting[:_OFFERS]:
            may = line.limits.may_go(host) and line.settled[host] <= moment
            placed = line.packing.spill(host, line.receivers(host)) if may else None
            if placed is not None:
                opened = line.packing.opened
                price[host] = sum(len(unit.members) for unit, target in placed if target not in opened)
                line.packing.forget(host, placed)
        return price
