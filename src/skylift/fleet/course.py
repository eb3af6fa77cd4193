"""A plan as an order to be kept, whatever the time: who waits for whom, and what goes where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from skylift.fleet.fleet import InstanceId
from skylift.fleet.plan import FleetPlan, Move, Turn
from skylift.fleet.verdict import STAYS
from skylift.model.ids import HostName


@dataclass(frozen=True, slots=True)
class Course:
    """The times of a plan are forecasts; what must be kept of them is in which order things happen.

    Each host has up to three lives as a target: before its turn, when it is out, and once it is back. A move
    is for one of them, so it waits for the host to be back, or the host's turn waits for it.
    """

    plan: FleetPlan
    turns: Mapping[HostName, Turn]
    off: Mapping[HostName, Mapping[InstanceId, Move]]
    """Per host, the moves off it."""
    onto: Mapping[HostName, tuple[Move, ...]]
    """The same moves, by the host that each goes to."""
    needs: Mapping[HostName, frozenset[HostName]]
    """Per host, which others must be back before its turn, for it is emptied onto them."""
    awaits: Mapping[HostName, tuple[Move, ...]]
    """Per host, the moves to it that must have ended before its turn."""
    stays: frozenset[InstanceId]


def course(plan: FleetPlan, begun: Iterable[Move]) -> Course:
    """The order of a plan, with moves of an earlier one that go on as they were begun."""
    turns = {turn.host: turn for turn in plan.turns}
    off: defaultdict[HostName, dict[InstanceId, Move]] = defaultdict(dict)
    needs: defaultdict[HostName, set[HostName]] = defaultdict(set)
    awaits: defaultdict[HostName, list[Move]] = defaultdict(list)
    for move in begun:
        off[move.source][move.instance] = move
        if move.target in turns:
            awaits[move.target].append(move)
    for move in plan.moves:
        off[move.source][move.instance] = move
        turn = turns.get(move.target)
        if turn and turn.back <= move.start:
            needs[move.source].add(move.target)
        elif turn:
            awaits[move.target].append(move)
    onto: defaultdict[HostName, list[Move]] = defaultdict(list)
    for moves in off.values():
        for move in moves.values():
            onto[move.target].append(move)
    return Course(
        plan,
        turns,
        off,
        {host: tuple(moves) for host, moves in onto.items()},
        {host: frozenset(others) for host, others in needs.items()},
        {host: tuple(moves) for host, moves in awaits.items()},
        frozenset(verdict.instance for verdict in plan.verdicts if verdict.way in STAYS),
    )
