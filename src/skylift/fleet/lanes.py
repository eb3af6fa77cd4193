"""Lanes: how many migrations leave or arrive at a host at once, and in all; each is reserved in turn."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from skylift.fleet.layout import Unit
from skylift.model.fleet_policy import FleetPolicy


@dataclass(frozen=True, slots=True)
class Trip:
    """One unit on its way: its members go one after another."""

    unit: Unit
    target: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Saved:
    """Some lanes as they were."""

    source: int
    leaving: list[int]
    arriving: Mapping[int, list[int]]
    everywhere: list[int]


class Lanes:
    """When each lane is free again, in milliseconds from the start."""

    def __init__(self, hosts: int, policy: FleetPolicy) -> None:
        self._leaving = [[0] * policy.leaving for _ in range(hosts)]
        self.arriving = [[0] * policy.arriving for _ in range(hosts)]
        self._all = [0] * policy.migrations

    def reserve(self, source: int, parts: Mapping[int, Sequence[Unit]], moment: int) -> list[Trip]:
        """Trips for a source's units, by target, from a moment on: always to the target idle first."""
        leaving, arriving, everywhere = self._leaving[source], self.arriving, self._all
        trips: list[Trip] = []
        left = {target: list(units) for target, units in parts.items()}
        while left:
            target = min(left, key=lambda t: (min(arriving[t]), t)) if len(left) > 1 else next(iter(left))
            units = left[target]
            unit = units.pop()
            if not units:
                del left[target]
            lane_out, lane_in = min(leaving), min(arriving[target])
            start = max(moment, lane_out, lane_in)
            if everywhere:
                start = max(start, everywhere[0])
            end = start + unit.lasts
            leaving[leaving.index(lane_out)] = end
            arriving[target][arriving[target].index(lane_in)] = end
            if everywhere:
                heapq.heapreplace(everywhere, end)
            trips.append(Trip(unit, target, start, end))
        return trips

    def saved(self, source: int, targets: Iterable[int]) -> Saved:
        """What ``restore`` needs to forget the next reservation, of this source and these targets."""
        hosts = {t: self.arriving[t][:] for t in targets}
        return Saved(source, self._leaving[source][:], hosts, self._all[:])

    def restore(self, saved: Saved) -> None:
        """Forget what was reserved since."""
        self._leaving[saved.source] = saved.leaving
        for target, lanes in saved.arriving.items():
            self.arriving[target] = lanes
        self._all = saved.everywhere
