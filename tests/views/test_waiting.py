"""A log tells what a step waits for, once that has lasted, and not at each look."""

from __future__ import annotations

from skylift.cli.views.waiting import FIRST_MS, Waiting
from skylift.model.ids import StepId

DRAIN, EXPAND = StepId("keystone:drain@ctl2"), StepId("glance:expand")


def test_a_host_that_does_not_answer_is_in_the_log_and_ever_more_rarely() -> None:
    """She who reads a log at 3 a.m. must not take a dead host for a slow one."""
    waiting = Waiting()
    told: list[str] = []

    for second in range(0, 600, 2):
        told += waiting.lines({DRAIN: "no answer yet: ctl2 could not be reached"}, second * 1000)

    assert told == [
        f"still keystone:drain@ctl2, for {s} s: no answer yet: ctl2 could not be reached"
        for s in (30, 120, 480)
    ]


def test_what_changes_or_ends_is_progress_and_not_told() -> None:
    waiting = Waiting()
    told: list[str] = []

    for second in range(0, 600, 2):
        left = {EXPAND: f"{second // 20} of 30 done"} | (
            {DRAIN: "3 sessions left"} if second % 40 < 20 else {}
        )
        told += waiting.lines(left, second * 1000)

    assert told == []


def test_each_step_is_told_by_its_own_time() -> None:
    waiting = Waiting()
    list(waiting.lines({DRAIN: "3 sessions left"}, 0))
    list(waiting.lines({DRAIN: "3 sessions left", EXPAND: "it runs"}, FIRST_MS // 2))

    assert list(waiting.lines({DRAIN: "3 sessions left", EXPAND: "it runs"}, FIRST_MS)) == [
        "still keystone:drain@ctl2, for 30 s: 3 sessions left"
    ]
