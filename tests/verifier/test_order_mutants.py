"""Orders that were spoilt by chance: each that breaks a rule is refused, and each that breaks none is not."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from random import Random

from tests.verifier.test_constraints import CATALOGS, HOP, RULEBOOKS
from tests.verifier.whole_orders import Order, as_written

from skylift.verifier.audit import audit

SEED = int(os.environ.get("SKYLIFT_SEED", "0"))
"""Printed with each failure, so that it can be seen again: SKYLIFT_SEED=... pytest ..."""
MUTANTS = 1_500


def move_one(order: Order, chance: Random) -> None:
    order.insert(chance.randrange(len(order)), order.pop(chance.randrange(len(order))))


def swap_two(order: Order, chance: Random) -> None:
    a, b = chance.sample(range(len(order)), 2)
    order[a], order[b] = order[b], order[a]


def run_two_side_by_side(order: Order, chance: Random) -> None:
    at = chance.randrange(len(order) - 1)
    order[at : at + 2] = [[item for item in order[at : at + 2] if isinstance(item, str)]]


def run_two_far_ones_side_by_side(order: Order, chance: Random) -> None:
    item = order.pop(chance.randrange(len(order)))
    at = chance.randrange(len(order))
    order[at] = [str(order[at]), str(item)]


def leave_one_out(order: Order, chance: Random) -> None:
    order.pop(chance.randrange(len(order)))


def turn_round_a_stretch(order: Order, chance: Random) -> None:
    start = chance.randrange(len(order) - 2)
    stop = start + chance.randrange(2, 6)
    order[start:stop] = order[start:stop][::-1]


SPOILS: tuple[Callable[[Order, Random], None], ...] = (
    move_one,
    swap_two,
    run_two_side_by_side,
    run_two_far_ones_side_by_side,
    leave_one_out,
    turn_round_a_stretch,
)


def test_every_order_that_breaks_a_rule_is_refused_and_no_other() -> None:
    seen: Counter[tuple[str, bool]] = Counter()
    for number in range(MUTANTS):
        chance = Random(f"{SEED}.{number}")
        name = chance.choice(sorted(CATALOGS))
        order = RULEBOOKS[name].some(chance, components=5)
        spoil = chance.choice(SPOILS)
        spoil(order, chance)
        reasons = RULEBOOKS[name].broken(order)

        found = audit({"hop": HOP, "order": as_written(order)}, CATALOGS[name])

        wrong = f"SKYLIFT_SEED={SEED}, mutant {number} ({name}, {spoil.__name__}): {order}"
        assert not found.misread, wrong
        assert bool(found.violations) == bool(reasons), f"{wrong}\n{reasons}\n{found.violations}"
        seen[spoil.__name__, bool(reasons)] += 1

    breaking = sum(count for (_, breaks), count in seen.items() if breaks)
    assert breaking >= MUTANTS // 3, seen
    assert all(seen[spoil.__name__, True] for spoil in SPOILS), seen
