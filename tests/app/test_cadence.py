"""When the next update is due: by the policy, on a day that there is, and in a window."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.app.cadence import MONTHS, next_update
from skylift.app.subject import Upgrading
from skylift.engine.fold import Phase, Run, StepRun, steps_of
from skylift.engine.journal import Outcome
from skylift.model.goal import Rollback
from skylift.model.ids import Digest, Epoch, RunId
from skylift.model.record import Policy
from skylift.planning.plan import Stage
from skylift.testing.plans import plan_of, planned
from skylift.testing.samples import sample_record

PLAN = planned(sample_record())


def completed(ended: datetime) -> Run:
    ms = round(ended.timestamp() * 1000)
    steps = steps_of({step.id: StepRun(Phase.DONE, 1, ms, ms, ended_ms=ms) for step in PLAN.steps})
    run = RunId("run-1")
    digest = Digest("sha256:0")
    return Run(run, "c", digest, frozenset(), "rey", 0, steps=steps, closed=Outcome.COMPLETED, last_ms=ms)


def test_nothing_is_due_after_a_way_back() -> None:
    goal = Rollback(PLAN.source, PLAN.goal.to, RunId("run-0"), Digest("sha256:0"), (), ())

    back = replace(PLAN, goal=goal)

    assert (
        next_update(
            Policy(every="month"), Upgrading(back), completed(datetime(2026, 12, 5, tzinfo=UTC)), Epoch(0)
        )
        is None
    )


@pytest.mark.parametrize(
    ("every", "ended", "due"),
    [
        ("week", "2026-12-28T03:10", "2027-01-04T03:10"),
        ("month", "2026-11-26T03:10", "2026-12-26T03:10"),
        ("month", "2027-01-31T03:10", "2027-02-28T03:10"),
        ("month", "2026-12-05T03:10", "2027-01-05T03:10"),
        ("quarter", "2026-11-30T03:10", "2027-02-28T03:10"),
        ("half-year", "2026-06-30T03:10", "2026-12-30T03:10"),
    ],
)
def test_it_is_due_on_the_same_day_or_the_last_one_there_is(every: str, ended: str, due: str) -> None:
    run = completed(datetime.fromisoformat(f"{ended}+00:00"))

    found = next_update(Policy(every=every), Upgrading(PLAN), run, Epoch(0))

    assert found is not None
    assert found.due == found.opens == datetime.fromisoformat(f"{due}+00:00").timestamp()
    assert found.line.endswith(f": plan it, then: skylift apply FILE --at {due}")


def test_it_begins_in_a_window_by_the_clock_there() -> None:
    policy = Policy(every="month", windows=("sat 01:00-05:00",), time_zone="Europe/Berlin")
    frozen = Policy(every="month", windows=("sat 01:00-05:00",), freezes=("2026-12-01/2028-12-31",))
    run = completed(datetime(2026, 11, 28, 2, 30, tzinfo=UTC))

    found, never = (
        next_update(policy, Upgrading(PLAN), run, Epoch(0)),
        next_update(frozen, Upgrading(PLAN), run, Epoch(0)),
    )

    assert found is not None
    assert found.line == (
        "the next update is due on Mon 2026-12-28 03:30 CET; a window opens on Sat 2027-01-02 01:00 CET: "
        "plan it, then: skylift apply FILE --at 2027-01-02T01:00"
    )
    assert never is not None
    assert never.line.endswith("; no window opens after that")


def test_once_it_was_due_the_next_window_from_now_on_is_told() -> None:
    run = completed(datetime(2026, 11, 28, 2, 30, tzinfo=UTC))
    policy = Policy(every="month", windows=("sat 01:00-05:00",))
    now = Epoch(datetime(2027, 1, 5, tzinfo=UTC).timestamp())

    found = next_update(policy, Upgrading(PLAN), run, now)

    assert found is not None
    assert found.line == (
        "the next update was due on Mon 2026-12-28 02:30 UTC; a window opens on Sat 2027-01-09 01:00 UTC: "
        "plan it, then: skylift apply FILE --at 2027-01-09T01:00"
    )


def test_nothing_is_due_without_a_policy_after_a_run_that_is_open_or_only_prepared() -> None:
    run = completed(datetime(2026, 11, 28, tzinfo=UTC))
    opened = Run(RunId("run-1"), "c", Digest("sha256:0"), frozenset(), "rey", 0)
    prepared = plan_of([step for step in PLAN.steps if step.stage is Stage.PREPARE])

    assert next_update(Policy(), Upgrading(PLAN), run, Epoch(0)) is None
    assert next_update(Policy(every="month"), Upgrading(PLAN), opened, Epoch(0)) is None
    assert next_update(Policy(every="month"), Upgrading(prepared), run, Epoch(0)) is None


@given(
    ended=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - made aware below
    every=st.sampled_from(("week", *MONTHS)),
)
def test_it_is_never_sooner_than_four_weeks_a_month(ended: datetime, every: str) -> None:
    run = completed(ended.replace(tzinfo=UTC, microsecond=0))

    found = next_update(Policy(every=every), Upgrading(PLAN), run, Epoch(0))

    assert found is not None
    days = (found.due - run.last_ms / 1000) / 86_400
    assert 28 * MONTHS.get(every, 0.25) <= days <= 31 * MONTHS.get(every, 7 / 31)
