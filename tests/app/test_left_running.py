"""A command that outlives its step: no run is closed over it unseen, and none begins beside it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.app.desk import GOAL, RUN, Desk, desk_at

from skylift.app.approvals import Approval
from skylift.app.conduct import apply, go_on
from skylift.app.old_jobs import JobGoesOn
from skylift.app.propose import propose
from skylift.app.propose_rollback import propose_rollback
from skylift.app.wiring import open_journal
from skylift.engine.decide import Order, may_run
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.journal import Journal
from skylift.engine.operate import Asked, abort, pause, resume, retry, skip
from skylift.engine.problems import StepRefuses
from skylift.model.ids import HostName, RunId, StepId
from skylift.ports import Ended, Running
from skylift.testing.fake_state import FakeJob

NEXT = RunId("20260301-000000-run-0002")
EXPAND = StepId("keystone:expand")
START = StepId("keystone:start@ctl2")
CTL1 = HostName("ctl1")
HOSTS = {EXPAND: CTL1, START: HostName("ctl2")}
LONG_S = 100_000


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path)


def job(desk: Desk, step: StepId = EXPAND) -> FakeJob:
    """The command of a step, which expands keystone's schema if it is not said otherwise."""
    return desk.cloud.hosts[HOSTS[step]].jobs[f"{RUN}.{step}.1"]


def expansions(desk: Desk) -> int:
    return Counter(d.what for d in desk.cloud.deeds if d.what.endswith("db_sync --expand")).total()


def overdue(desk: Desk, step: StepId = EXPAND) -> Run:
    """A run that has halted, for the command of a step takes longer than its deadline."""

    def lasts(run: Run) -> None:
        if step in run.within(Phase.RUNNING) and f"{RUN}.{step}.1" in desk.cloud.hosts[HOSTS[step]].jobs:
            job(desk, step).ends_at = desk.cloud.now + LONG_S

    desk.at_each_look = lasts
    run = desk.apply(desk.plan())
    desk.at_each_look = lambda _run: None
    problem = run.steps[step].problem
    assert problem is not None
    assert problem.code == "step.deadline"
    assert isinstance(job(desk, step).state, Running)
    return run


def says(desk: Desk, word: str) -> Run:
    """Said at the desk, and driven to rest."""

    def say(journal: Journal, asked: Asked) -> Run:
        match word:
            case "abort" | "abort --leave":
                return abort(journal, asked, reason="enough", leave=word.endswith("--leave"))
            case "retry":
                return retry(journal, asked, EXPAND)
            case _:
                return resume(journal, asked)

    return go_on(desk.site, desk.site.runs.find(RUN), desk.bench, say)


def ends_in(desk: Desk, seconds: int) -> None:
    job(desk).ends_at = desk.cloud.now + seconds


def begin(desk: Desk, run: RunId) -> Run:
    return apply(desk.site, run, propose(desk.site, GOAL).text, desk.bench, approval=Approval.ALL)


def test_a_run_that_is_given_up_waits_for_a_command_that_has_outlived_its_step(desk: Desk) -> None:
    overdue(desk)
    ends_in(desk, 500)

    run = says(desk, "abort")

    assert run.standing is Standing.ABORTED
    assert not isinstance(job(desk).state, Running)
    assert expansions(desk) == 1


def test_the_operator_is_told_what_the_end_waits_for(desk: Desk) -> None:
    plan = propose(desk.site, GOAL).plan
    run = overdue(desk)

    assert may_run(Order.of(plan), run) == {EXPAND: CTL1}


def test_a_command_that_does_not_end_lets_the_process_come_to_rest_and_the_run_stay_open(desk: Desk) -> None:
    overdue(desk)

    given_up = says(desk, "abort")
    again = says(desk, "resume")
    ends_in(desk, 0)
    seen = says(desk, "resume")

    assert given_up.standing is again.standing is Standing.ABORTING
    assert seen.standing is Standing.ABORTED
    assert expansions(desk) == 1


def test_a_host_that_never_comes_back_keeps_no_run_open_for_ever(desk: Desk) -> None:
    overdue(desk)
    desk.cloud.hosts[CTL1].reachable = False

    given_up = says(desk, "abort")
    left = says(desk, "abort --leave")

    assert given_up.standing is Standing.ABORTING
    assert left.standing is Standing.ABORTED


def test_a_process_that_ended_while_it_waited_is_followed_by_one_that_looks_again(desk: Desk) -> None:
    overdue(desk)
    looks = 0

    def presses(run: Run) -> None:
        nonlocal looks
        looks += run.abort is not None
        desk.asked = looks > 3

    desk.at_each_look = presses
    paused = says(desk, "abort")
    desk.asked, desk.at_each_look = False, lambda _run: None
    ends_in(desk, 10)
    ended = says(desk, "resume")

    assert paused.standing is Standing.ABORTING
    assert paused.pause is not None
    assert ended.standing is Standing.ABORTED


def test_nothing_begins_beside_a_command_that_a_closed_run_has_left(desk: Desk) -> None:
    overdue(desk)
    says(desk, "abort --leave")

    with pytest.raises(JobGoesOn, match=f"{CTL1}: the command of {RUN}.{EXPAND}.1"):
        begin(desk, NEXT)
    refused = expansions(desk), [folder.id for folder in desk.site.runs.known()]
    ends_in(desk, 0)
    desk.cloud.pass_time(1)
    ended = begin(desk, NEXT)

    assert refused == (1, [RUN])
    assert ended.standing is Standing.COMPLETED


def test_nothing_begins_beside_a_command_of_a_run_that_is_not_known_here(desk: Desk) -> None:
    overdue(desk)
    of_old = desk.cloud.hosts[CTL1].jobs.pop(f"{RUN}.{EXPAND}.1")
    desk.cloud.hosts[CTL1].jobs["by-another-record.keystone:expand.1"] = of_old
    says(desk, "abort")

    with pytest.raises(JobGoesOn):
        begin(desk, NEXT)


def test_a_run_is_not_taken_back_while_its_command_runs(desk: Desk) -> None:
    overdue(desk)
    folder = desk.site.runs.find(RUN)

    with pytest.raises(StepRefuses, match=f"cannot rollback {EXPAND}: its command still runs on {CTL1}"):
        propose_rollback(desk.site, folder, ())
    ends_in(desk, 0)
    desk.cloud.pass_time(1)
    retried = says(desk, "retry")

    assert retried.standing is Standing.COMPLETED


def test_a_way_back_that_was_planned_before_is_not_begun_either(desk: Desk) -> None:
    """Planned while the run rested; then it was let go on, and was late once more."""
    overdue(desk, START)
    running = job(desk, START).state
    job(desk, START).state = Ended(0, "")
    back = propose_rollback(desk.site, desk.site.runs.find(RUN), ()).text
    job(desk, START).state = running

    with pytest.raises(StepRefuses, match="its command still runs"):
        apply(desk.site, NEXT, back, desk.bench, approval=Approval.ALL)

    with open_journal(desk.site.runs.find(RUN)) as journal:
        assert fold(journal.events()).standing is Standing.HALTED


def test_a_skipped_step_whose_command_runs_keeps_an_abort_open_too(desk: Desk) -> None:
    plan = propose(desk.site, GOAL).plan
    overdue(desk)
    with open_journal(desk.site.runs.find(RUN)) as journal:
        skip(journal, Order.of(plan), desk.asked_now, EXPAND, reason="by hand")
        pause(journal, desk.asked_now)

    given_up = says(desk, "abort")
    with open_journal(desk.site.runs.find(RUN)) as journal:
        now = fold(journal.events())

    assert given_up.standing is now.standing is Standing.ABORTING
