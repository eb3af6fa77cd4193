"""How long a plan may really take: its turns and moves in their order, with migrations slower or faster.

Single migrations that are off even out over hundreds of them; a network that is slower than was thought
does not. So the interval is that of the throughput, and it narrows as migrations are seen.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass

from skylift.fleet.estimator import Z90, Estimator
from skylift.fleet.plan import FleetPlan, Move
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName, Seconds


@dataclass(frozen=True, slots=True)
class Interval:
    """A makespan: one in ten is below ``low``, one in ten above ``high``."""

    low: Seconds
    likely: Seconds
    high: Seconds


def interval(plan: FleetPlan, hosts: int, policy: FleetPolicy, known: Estimator) -> Interval:
    """The makespan of a plan for a fleet of so many hosts, by what is known of its network."""
    speeds = (known.throughput.quantile(Z90), known.throughput.likely, known.throughput.quantile(-Z90))
    low, likely, high = (_makespan(plan, hosts, policy, policy.network.mib_s / speed) for speed in speeds)
    return Interval(low, likely, high)


def _makespan(plan: FleetPlan, hosts: int, policy: FleetPolicy, slower: float) -> Seconds:
    """When the last host is back, if migrations take so many times as long as planned.

    A turn begins when its targets are back and fewer hosts are out than may be; a move, when its lanes are
    free. Windows are not looked at: what does not fit into one is a matter of planning again.
    """
    most = policy.share(policy.out_percent, hosts)
    moves: dict[HostName, list[Move]] = defaultdict(list)
    for move in plan.moves:
        moves[move.source].append(move)
    back: dict[HostName, float] = {}
    leaving: dict[HostName, list[float]] = defaultdict(lambda: [0.0] * policy.leaving)
    arriving: dict[HostName, list[float]] = defaultdict(lambda: [0.0] * policy.arriving)
    settled: dict[HostName, float] = defaultdict(float)
    out: list[float] = []
    for turn in plan.turns:
        own = moves[turn.host]
        begin = max((back.get(move.target, 0.0) for move in own), default=0.0)
        begin = max(begin, settled[turn.host])
        if len(out) >= most:
            begin = max(begin, heapq.heappop(out))
        empty = begin
        for move in own:
            lanes = (leaving[turn.host], arriving[move.target])
            end = max(begin, *(min(lane) for lane in lanes)) + (move.end - move.start) * slower
            for lane in lanes:
                lane[lane.index(min(lane))] = end
            settled[move.target] = max(settled[move.target], end)
            empty = max(empty, end)
        back[turn.host] = empty + turn.back - turn.empty
        heapq.heappush(out, back[turn.host])
    return Seconds(-(-int(max(back.values(), default=0.0)) // 1000))
