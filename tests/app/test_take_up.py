"""A run is taken up where a dead process left it; what it had still to do at its end is done, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, desk_at

from skylift.app.approvals import Approval
from skylift.app.conduct import apply, go_on
from skylift.app.site import Site
from skylift.app.take_up import take_up
from skylift.app.wiring import open_journal
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.journal import RunTakenUp
from skylift.engine.operate import pause
from skylift.model.ids import PoolName
from skylift.ports.watched import watched
from skylift.testing.fake_state import FailedRequest


class Killed(BaseException):
    """The process is gone."""


def mortal(desk: Desk) -> Site:
    """The site of a process whose death ends no probes."""

    def dies(call: str) -> None:
        if call == "vantage.stop_probes":
            raise Killed

    return replace(desk.site, ports=watched(desk.site.ports, dies))


def test_the_probes_of_a_run_whose_process_died_after_its_last_event_are_ended(tmp_path: Path) -> None:
    desk = desk_at(tmp_path)
    with pytest.raises(Killed):
        apply(mortal(desk), RUN, desk.plan(), desk.bench, approval=Approval.ALL)
    left = desk.cloud.probes[RUN].ended

    seen = take_up(desk.site, RUN, desk.bench)

    assert (left, seen.standing) == (None, Standing.COMPLETED)
    assert desk.cloud.probes[RUN].ended is not None
    assert desk.site.runs.find(RUN).samples.exists()


def lose(desk: Desk, requests: int) -> None:
    """Let so many of users' requests fail."""
    lost = FailedRequest(desk.cloud.now, PoolName("glance"), "502")
    desk.cloud.traffic.failed += [lost] * requests


def dies_after(desk: Desk, steps: int) -> None:
    """Let whoever drives die once so many steps are done."""

    def look(run: Run) -> None:
        if len(run.within(Phase.DONE)) >= steps:
            raise Killed

    desk.at_each_look = look


def test_a_run_that_is_taken_over_again_and_again_may_lose_its_budget_once(tmp_path: Path) -> None:
    """Each time two requests fail between the death and the take-over; the policy allows five."""
    desk = desk_at(tmp_path)
    dies_after(desk, 10)
    with pytest.raises(Killed):
        apply(mortal(desk), RUN, desk.plan(), desk.bench, approval=Approval.ALL)
    for done in (20, 30):
        lose(desk, 2)
        dies_after(desk, done)
        with pytest.raises(Killed):
            take_up(mortal(desk), RUN, desk.bench)
    lose(desk, 2)
    desk.at_each_look = lambda _run: None

    paused = take_up(desk.site, RUN, desk.bench)
    left = paused.pause.problem.sentence if paused.pause and paused.pause.problem else ""
    ended = go_on(desk.site, desk.site.runs.find(RUN), desk.bench)

    assert paused.standing is Standing.PAUSED
    assert "6 requests failed or were lost, and the policy allows 5" in left
    assert ended.standing is Standing.COMPLETED, "an operator's word gives the budget anew"


def test_a_run_that_an_operator_paused_is_taken_up_by_nobodys_word(tmp_path: Path) -> None:
    desk = desk_at(tmp_path)
    dies_after(desk, 10)
    with pytest.raises(Killed):
        apply(desk.site, RUN, desk.plan(), desk.bench, approval=Approval.ALL)
    with open_journal(desk.site.runs.find(RUN)) as journal:
        pause(journal, desk.asked_now)
        desk.at_each_look = lambda _run: None

        seen = take_up(desk.site, RUN, desk.bench)

        assert seen.standing is Standing.PAUSED
        assert fold(journal.events()).pause is not None
        assert not any(isinstance(event, RunTakenUp) for event in journal.events())
