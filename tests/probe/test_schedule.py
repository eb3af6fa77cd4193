"""An open loop: when a stream fires is fixed, whatever became of earlier requests."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from skylift.probe.schedule import Firing, Schedule

rates = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]), st.floats(0, 20).filter(lambda rate: rate == 0 or rate > 0.1)
)
waits = st.lists(st.floats(0.001, 5.0), min_size=1, max_size=40)


@given(rates, waits)
def test_each_stream_fires_at_its_own_times_whenever_it_is_looked_at(
    chosen: dict[str, float], pauses: list[float]
) -> None:
    end = 100.0 + sum(pauses)
    schedule, at_once = Schedule(chosen, 100.0), Schedule(chosen, 100.0)

    often = [f for now in itertools.accumulate(pauses, initial=100.0) for f in schedule.due(now)]
    late = at_once.due(list(itertools.accumulate(pauses, initial=100.0))[-1])

    assert often == late
    assert all(100.0 <= firing.at <= end + 1e-6 for firing in late)


@given(rates, st.floats(1, 60))
def test_a_stream_fires_as_often_as_its_rate_says(chosen: dict[str, float], seconds: float) -> None:
    fired = Counter(firing.stream for firing in Schedule(chosen, 0.0).due(seconds))

    for stream, rate in chosen.items():
        assert abs(fired[stream] - rate * seconds) <= 1


def test_firings_come_in_the_order_they_are_due() -> None:
    given_out = Schedule({"a": 3, "b": 2}, 0.0).due(5)

    assert given_out == sorted(given_out)


def test_after_a_pause_all_that_was_missed_is_given_out_with_the_time_it_was_due() -> None:
    schedule = Schedule({"a": 2}, 0.0)
    schedule.due(0.0)

    missed = schedule.due(2.0)

    assert missed == [Firing(0.5, "a"), Firing(1.0, "a"), Firing(1.5, "a"), Firing(2.0, "a")]


def test_nothing_is_ever_due_of_no_streams() -> None:
    schedule = Schedule({"a": 0}, 0.0)

    assert schedule.due(1e9) == []
    assert schedule.next_at() == float("inf")
