"""How many of several spans may be open at once, by what a plan's order proves."""

from __future__ import annotations

from collections.abc import Sequence

from skylift.verifier.document import PlanSeen, StepSeen

Span = tuple[StepSeen, StepSeen]
"""A step that takes, and the one that gives back."""


def most_at_once(plan: PlanSeen, turns: Sequence[Span]) -> int:
    """The largest set of turns of which none surely ends before another starts.

    By Dilworth that is the number of turns less the largest matching of turns with ones that follow.
    """
    follows = [
        [n for n, (drain, _) in enumerate(turns) if plan.surely_before(undrain, drain)]
        for _, undrain in turns
    ]
    taken_by: dict[int, int] = {}

    def match(turn: int, tried: set[int]) -> bool:
        for then in follows[turn]:
            if then not in tried:
                tried.add(then)
                if then not in taken_by or match(taken_by[then], tried):
                    taken_by[then] = turn
                    return True
        return False

    return len(turns) - sum(match(turn, set()) for turn in range(len(turns)))
