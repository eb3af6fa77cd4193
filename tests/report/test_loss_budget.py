"""A run halts by itself when users lose more than the policy allows, and not for anything else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.reported import finished

from skylift.actions.parking import ParkPool
from skylift.app.loss_budget import LossBudgetSpent, LossGuard, ProbesSilent, over_budget, with_announced
from skylift.engine.fold import Run, fold
from skylift.model.ids import Epoch, PoolName, Seconds
from skylift.model.problem import Problem
from skylift.model.record import LossBudget
from skylift.model.sample import BOOT, GUEST_COUNTER, GUEST_PING, LOST, RESTARTED, TIMEOUT, Sample
from skylift.ports import ProbeTally
from skylift.ports.hosts import HostUnreachable
from skylift.probe.counting import Count
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_services import FakeVantage
from skylift.testing.plans import plan_of, step_of
from skylift.testing.samples import sample_record

LOSS = LossBudget(failed_requests=5, gap=Seconds(5))


def tally(failed: int = 0, gap: float = 0.3, *, alive: bool = True) -> ProbeTally:
    return ProbeTally(1000, failed, {"glance": gap, "keystone": 0.2}, Epoch(1.0), alive=alive)


@given(st.integers(0, 20), st.floats(0, 20), st.integers(0, 20), st.floats(0, 20))
def test_only_what_was_lost_since_counts(failed: int, gap: float, more: int, other: float) -> None:
    before, now = tally(failed, gap), tally(failed + more, max(gap, other))

    spent = over_budget(now, before, LOSS)

    assert (spent is not None) == (more > 5 or (other > gap and other > 5))


def test_the_problem_names_the_api_and_the_ways_out() -> None:
    """Row 10."""
    spent = over_budget(tally(gap=7.25), tally(), LOSS)

    assert isinstance(spent, LossBudgetSpent)
    assert str(spent) == (
        "the run was paused to protect users: glance gave no good answer for 7.2 s, and the policy allows 5 s"
    )
    assert spent.remedies


@pytest.mark.parametrize(
    "lost",
    [
        Sample(1.0, 9000.0, BOOT, "nova", LOST, 0),
        Sample(1.0, 2000.0, GUEST_PING, "guest 10.0.0.5", TIMEOUT, 0),
        Sample(1.0, 20.0, GUEST_COUNTER, "guest 10.0.0.5", RESTARTED, 0),
    ],
)
def test_lost_boots_lost_pings_and_restarted_guests_spend_the_budget(lost: Sample) -> None:
    count = Count()

    for _ in range(LOSS.failed_requests):
        count.add(lost)
    within = tally(count.document(2.0)["failed"])
    count.add(lost)
    beyond = tally(count.document(2.0)["failed"])

    assert over_budget(within, tally(), LOSS) is None
    assert "6 requests failed or were lost" in str(over_budget(beyond, tally(), LOSS))


def test_a_gap_that_the_plan_announces_spends_nothing() -> None:
    """Requests to a parked pool wait, and are answered."""
    parks = plan_of([step_of(ParkPool(PoolName(name), Seconds(s))) for name, s in (("a", 12), ("b", 20))])

    assert with_announced(LOSS, parks) == LossBudget(failed_requests=5, gap=Seconds(25))
    assert with_announced(LOSS, plan_of([])) == LOSS


@dataclass(frozen=True, slots=True)
class Counted(FakeVantage):
    """A vantage whose counts a test has written down; a string is a host out of reach."""

    counts: list[ProbeTally | str] = field(default_factory=list)

    def tally(self, label: str) -> ProbeTally:
        assert label == "run-1"
        count = self.counts.pop(0)
        if isinstance(count, str):
            raise HostUnreachable(self.cloud.record.vantage.host, count)
        return count


@pytest.fixture(scope="module")
def run() -> Run:
    return fold(finished()[1])


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 12))
def test_a_blackout_is_allowed_to_guests_and_never_to_apis(apis: int, guests: int, blackout: int) -> None:
    now = replace(tally(apis + guests), failed_guests=guests)

    spent = over_budget(now, tally(), LOSS, blackout=blackout)

    assert (spent is not None) == (apis + max(guests - blackout, 0) > LOSS.failed_requests)


def test_what_guests_lost_is_counted_apart() -> None:
    count = Count()

    for api in ("nova", "guest 10.0.0.5"):
        stream = GUEST_PING if api != "nova" else BOOT
        count.add(Sample(1.0, 2000.0, stream, api, TIMEOUT, 0))

    assert (count.failed, count.failed_guests, count.document(2.0)["failed_guests"]) == (2, 1, 1)


def guarded(run: Run, counts: Iterable[ProbeTally | str], *, every_s: float = 3) -> list[Problem | None]:
    """What the guard says of each count, one after another."""
    vantage = Counted(FakeCloud(sample_record()), list(counts))
    guard = LossGuard(vantage, "run-1", LOSS, host="client")
    return [guard(run, Epoch(1e9 + n * every_s)) for n in range(len(vantage.counts))]


def test_a_run_within_its_budget_goes_on(run: Run) -> None:
    assert guarded(run, [tally(0), tally(3), tally(5)]) == [None, None, None]


def test_a_run_that_spends_its_budget_is_stopped(run: Run) -> None:
    last = guarded(run, [tally(0), tally(6)])[-1]

    assert isinstance(last, LossBudgetSpent)


def test_a_resumed_run_has_its_budget_anew(run: Run) -> None:
    assert guarded(run, [tally(6, 9.0), tally(6, 9.0)]) == [None, None]


def test_a_vantage_host_out_of_reach_for_a_short_while_stops_nothing(run: Run) -> None:
    assert guarded(run, [tally(), *["it is restarting"] * 10, tally()]) == [None] * 12


def test_nobody_measuring_for_a_minute_stops_the_run(run: Run) -> None:
    last = guarded(run, [tally(), *[tally(alive=False)] * 25])[-1]

    assert isinstance(last, ProbesSilent)


def test_the_count_is_not_read_at_every_tick(run: Run) -> None:
    vantage = Counted(FakeCloud(sample_record()), [tally()] * 100)
    guard = LossGuard(vantage, "run-1", LOSS, host="client")

    for n in range(100):
        guard(run, Epoch(1e9 + n / 10))

    assert 100 - len(vantage.counts) == 5
