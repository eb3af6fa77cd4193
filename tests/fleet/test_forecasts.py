"""How long a migration takes, when it never ends, and what is learnt from those that were seen."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.fleet.estimator import Sight, prior
from skylift.fleet.fleet import FlavorName, InstanceId
from skylift.fleet.forecast import Answer, Guest, Link, answered, deadline_s, endless, precopy
from skylift.model.ids import HostName

LINK = Link(1100)
GIB = 1024
A, B = HostName("a"), HostName("b")


@pytest.mark.parametrize(
    ("memory_gib", "dirty", "seconds", "times"),
    [(8, 20, 8.6, 1.02), (64, 100, 65, 1.1), (64, 500, 109, 1.83)],
)
def test_pre_copy_takes_what_the_model_says(
    memory_gib: int, dirty: int, seconds: float, times: float
) -> None:
    found = precopy(Guest(memory_gib * GIB, dirty), LINK)

    assert found.ends
    assert found.seconds == pytest.approx(seconds, rel=0.05)
    assert found.sent_mib / (memory_gib * GIB) == pytest.approx(times, rel=0.02)


def test_a_guest_that_writes_as_fast_as_it_is_sent_never_ends() -> None:
    assert not precopy(Guest(64 * GIB, 1100), LINK).ends


def test_the_256_gib_guest_of_qemus_own_figures_never_ends() -> None:
    """QEMU's commit 7ca1dfad952d: 257 MB/s got through, 277 MB/s were written."""
    assert not precopy(Guest(256 * GIB, 277), Link(257)).ends


@given(st.floats(1, 10**6), st.floats(0, 3000), st.floats(1, 3000))
def test_a_stop_is_no_longer_than_allowed(memory: float, dirty: float, speed: float) -> None:
    found = precopy(Guest(memory, dirty), Link(speed))

    if found.ends:
        assert found.stop_s <= 0.5 + 1e-9
        assert found.sent_mib >= memory * (1 - 1e-9)


@given(st.floats(100, 10**5), st.floats(1, 3000), st.booleans())
def test_an_answer_ends_or_asks(memory: float, dirty: float, post_copy: bool) -> None:  # noqa: FBT001 - drawn
    found = answered(Guest(memory, dirty), LINK, post_copy=post_copy)

    assert found.forecast.ends == (found.answer is not Answer.ASK)
    assert not (post_copy and found.answer is Answer.ASK)


@pytest.mark.parametrize(
    ("dirty", "answer"),
    [(100, Answer.NONE), (960, Answer.LONGER_STOP), (1500, Answer.THROTTLE), (3000, Answer.ASK)],
)
def test_the_gentlest_answer_is_given(dirty: int, answer: Answer) -> None:
    assert answered(Guest(64 * GIB, dirty), LINK, post_copy=False).answer is answer


def test_a_guest_that_is_calmer_at_another_hour_is_left_for_it() -> None:
    assert answered(Guest(64 * GIB, 3000), LINK, post_copy=False, may_wait=True).answer is Answer.DEFER


@given(st.floats(0.05, 2.0).filter(lambda rho: abs(rho - 1) > 0.3))
def test_two_rounds_tell_a_migration_that_never_ends(rho: float) -> None:
    memory = 256 * GIB
    first, second = memory * rho, memory * rho * rho

    assert endless([first, second], LINK) == (rho > 1)
    assert not endless([first], LINK)


def test_a_migration_is_ended_after_three_times_its_p90() -> None:
    assert deadline_s(100) == 300


def sight(speed: float, dirty: float, instance: str = "i") -> Sight:
    return Sight(A, B, InstanceId(instance), FlavorName("m"), speed * 100, 100, dirty)


@given(st.floats(50, 5000), st.floats(1, 500))
def test_what_is_seen_again_and_again_is_learnt(speed: float, dirty: float) -> None:
    known = prior(1000, 50)
    for _ in range(30):
        known = known.after(sight(speed, dirty))

    assert known.pairs[A, B].likely == pytest.approx(speed, rel=0.02)
    assert known.instances[InstanceId("i")].likely == pytest.approx(dirty, rel=0.02)


def test_the_spread_narrows_as_migrations_are_seen() -> None:
    before = prior(1000, 50)
    after = before
    for _ in range(10):
        after = after.after(sight(1000, 50))

    wide, narrow = (
        known.forecast((A, B), InstanceId("i"), FlavorName("m"), 8 * GIB) for known in (before, after)
    )
    assert wide.p90.seconds / wide.p50.seconds > narrow.p90.seconds / narrow.p50.seconds
    assert narrow.p90.seconds / narrow.p50.seconds < 1.4


def test_an_instance_never_seen_is_taken_for_its_flavors() -> None:
    known = prior(1000, 50)
    for _ in range(30):
        known = known.after(sight(1000, 400))

    told = known.forecast((B, A), InstanceId("other"), FlavorName("m"), 8 * GIB)
    assert told.p50.seconds == pytest.approx(precopy(Guest(8 * GIB, 400), Link(1000)).seconds, rel=0.05)


@given(st.lists(st.tuples(st.floats(1, 5000), st.floats(0, 3000)), max_size=20))
def test_p90_is_never_below_the_median(seen: list[tuple[float, float]]) -> None:
    known = prior(1000, 50)
    for speed, dirty in seen:
        known = known.after(sight(speed, dirty))

    told = known.forecast((A, B), InstanceId("i"), FlavorName("m"), 8 * GIB)
    assert told.p90.seconds >= told.p50.seconds or math.isinf(told.p50.seconds)
