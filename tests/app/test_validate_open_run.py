"""``skylift validate`` in the middle of a run: how far it is, and no verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, desk_at
from tests.rollback.operated import GLANCE_OUT, paused_at, say

from skylift.app.account import account, judge_run
from skylift.app.conduct import go_on
from skylift.app.validate import Outcome
from skylift.cli.exits import Exit
from skylift.cli.outcome import exit_of
from skylift.cli.views import report as report_view
from skylift.cli.views import validation as validation_view
from skylift.engine.fold import Standing
from skylift.engine.operate import abort


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path)


def test_a_run_that_rests_half_way_is_not_judged_yet_and_nothing_of_it_has_failed(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)

    judged, run = judge_run(desk.site, desk.site.runs.find(RUN))
    lines = validation_view.lines(judged)

    assert judged.outcome is Outcome.UNFINISHED
    assert judged.issues[0].sentence.startswith("the run is not through (paused)")
    assert [str(way) for way in judged.issues[0].remedies] == [
        "repair: see where it stands, and what to do next: skylift status"
    ]
    assert not [line for line in lines if "failed" in line or "skylift resume" in line]
    assert "the goal, 2024.1: not to be judged yet" in lines
    assert exit_of(judged.outcome, run.standing) is Exit.PAUSED


def test_its_report_says_so_and_no_more(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)

    told = account(desk.site, desk.site.runs.find(RUN), lambda _remark: None)

    assert told.verdict == "paused"
    assert told.issues[0].outcome is Outcome.UNFINISHED
    assert not [line for line in report_view.lines(told) if "skylift plan" in line]


def test_it_is_judged_as_ever_once_it_is_through(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    go_on(desk.site, desk.site.runs.find(RUN), desk.bench)

    judged, run = judge_run(desk.site, desk.site.runs.find(RUN))

    assert judged.outcome is Outcome.COMPLETED
    assert exit_of(judged.outcome, run.standing) is Exit.OK


def test_of_a_run_that_was_given_up_no_word_is_advised_that_it_refuses(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    say(desk, abort, reason="it is late", leave=True)
    go_on(desk.site, desk.site.runs.find(RUN), desk.bench)

    judged, run = judge_run(desk.site, desk.site.runs.find(RUN))
    told = account(desk.site, desk.site.runs.find(RUN), lambda _remark: None)

    assert run.standing is Standing.ABORTED
    assert judged.outcome is Outcome.FAILED
    for issues in (judged.issues, told.issues):
        ways = [way.how for issue in issues for way in issue.remedies]
        assert not [how for how in ways if "skylift resume" in how or "skylift retry" in how]
        assert f"plan what is left: skylift plan --to {judged.goal} -o FILE" in ways


@pytest.mark.parametrize(
    ("standing", "code"),
    [(Standing.RUNNING, Exit.PAUSED), (Standing.PAUSED, Exit.PAUSED), (Standing.HALTED, Exit.FAILED)],
)
def test_a_verdict_that_has_to_wait_ends_as_the_verbs_do_that_go_on(standing: Standing, code: Exit) -> None:
    assert exit_of(Outcome.UNFINISHED, standing) is code
