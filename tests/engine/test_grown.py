"""What grows and is a value is what a dict would be, at a cost that hardly goes by what it has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.engine.costs import cost_of

from skylift.engine.grown import Grown, Sorted, Sorting

Additions = list[tuple[int, int]]
ADDITIONS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), max_size=150)


def parity(value: int) -> str:
    return "zero" if value == 0 else "odd" if value % 2 else "even"


@given(ADDITIONS)
def test_it_has_what_a_dict_has_in_the_order_of_a_dict(additions: Additions) -> None:
    grown: Grown[int, int] = Grown()
    for key, value in additions:
        grown = grown.with_(key, value)

    kept = dict(additions)
    assert list(grown.items()) == list(kept.items())
    assert len(grown) == len(kept)
    assert all((key in grown) == (key in kept) for key in range(62))


@given(ADDITIONS)
def test_what_it_was_before_stays_as_it_was(additions: Additions) -> None:
    versions: list[Grown[int, int]] = [Grown()]
    for key, value in additions:
        versions.append(versions[-1].with_(key, value))

    before = [dict(additions[:number]) for number in range(len(additions) + 1)]
    assert [dict(version) for version in versions] == before


@given(ADDITIONS)
def test_what_is_in_some_groups_is_what_a_look_at_everything_finds(additions: Additions) -> None:
    grown: Sorted[int, int, str] = Sorted(parity, "even", {7: 1})
    growing: Sorting[int, int, str] = Sorting(parity, "even")
    growing.with_(7, 1)
    for key, value in additions:
        grown, _ = grown.with_(key, value), growing.with_(key, value)

    kept = dict([(7, 1), *additions])
    for groups in (["zero"], ["odd", "zero"], ["even"], ["even", "odd"], ["even", "odd", "zero"]):
        found = {key for key, value in kept.items() if parity(value) in groups}
        for asked in (grown.within(groups), growing.within(groups)):
            assert asked == found
            assert set(asked) == found
            assert len(asked) == len(found)
            assert asked - {7} == found - {7}


@given(ADDITIONS, ADDITIONS, ADDITIONS)
def test_what_differs_between_two_is_found_whichever_came_first(
    both: Additions, one: Additions, other: Additions
) -> None:
    common: Sorted[int, int, str] = Sorted(parity, "even")
    for key, value in both:
        common = common.with_(key, value)
    left, right = common, common
    for key, value in one:
        left = left.with_(key, value)
    for key, value in other:
        right = right.with_(key, value)

    differ = {key for key in left.keys() | right.keys() if left.get(key) != right.get(key)}
    assert differ == set(left.differing(right))
    assert set(left.differing(right)) == set(right.differing(left))
    assert left.differing(left) == ()


def test_an_addition_to_many_costs_as_much_as_one_to_few() -> None:
    def added(to: int) -> float:
        grown = Grown({number: number for number in range(to)})
        for number in range(64):
            grown = grown.with_(-number, 0)

        def add() -> None:
            nonlocal grown
            grown = grown.with_(to + len(grown), 0)

        return cost_of(add, times=1500).bytes

    assert added(50_000) < 1.5 * added(2000)
