"""A run is taken up where a dead process left it; what it had still to do at its end is done, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, desk_at

from skylift.app.approvals import Approval
from skylift.app.as_planned import CloudDrifted
from skylift.app.conduct import apply, go_on
from skylift.app.propose import Proposal
from skylift.app.site import Site
from skylift.app.take_up import take_up
from skylift.app.wiring import open_journal
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.journal import RunTakenUp
from skylift.engine.operate import pause, resume
from skylift.model.ids import PoolName, RunId
from skylift.ports.watched import watched
from skylift.testing.fake_state import FailedRequest
from skylift.testing.fuse import Killed


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

    seen = taken_up(desk)

    assert (left, seen.standing) == (None, Standing.COMPLETED)
    assert desk.cloud.probes[RUN].ended is not None
    assert desk.site.runs.find(RUN).samples.exists()


def taken_up(desk: Desk, site: Site | None = None, run: RunId = RUN) -> Run:
    """As a worker does it."""
    return take_up(
        site or desk.site,
        run,
        desk.bench,
        show=lambda proposal: desk.remarks.append(type(proposal.plan.goal).__name__),
    )


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
            taken_up(desk, mortal(desk))
    lose(desk, 2)
    desk.at_each_look = lambda _run: None

    paused = taken_up(desk)
    left = paused.pause.problem.sentence if paused.pause and paused.pause.problem else ""
    ended = go_on(desk.site, desk.site.runs.find(RUN), desk.bench)

    assert paused.standing is Standing.PAUSED
    assert "6 requests failed or were lost, and the policy allows 5" in left
    assert ended.standing is Standing.COMPLETED, "an operator's word gives the budget anew"


class TestTakingBack:
    """Where the policy is automatic, a worker takes back what it drove, or found to be due."""

    @pytest.fixture
    def desk(self, tmp_path: Path) -> Desk:
        """At which an upgrade has lost too much while nobody drove it."""
        desk = desk_at(tmp_path)
        policy = replace(desk.site.record.policy, rollback="automatic")
        desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))
        dies_after(desk, 60)
        with pytest.raises(Killed):
            apply(mortal(desk), RUN, desk.plan(), desk.bench, approval=Approval.ALL)
        desk.at_each_look = lambda _run: None
        lose(desk, 6)
        return desk

    def runs(self, desk: Desk) -> set[RunId]:
        return {folder.id for folder in desk.site.runs.known()}

    def releases(self, desk: Desk) -> set[str]:
        return {str(u.running)[-6:] for host in desk.cloud.hosts.values() for u in host.units.values()}

    def test_it_opens_a_way_back_once_which_is_taken_up_like_any_run(self, desk: Desk) -> None:
        mixed = self.releases(desk)

        back = taken_up(desk)
        again = taken_up(desk)
        ended = taken_up(desk, run=back.id)

        assert mixed == {"2023.1", "2024.1"}
        assert (back.standing, dict(back.steps)) == (Standing.RUNNING, {})
        assert again.standing is Standing.ABORTED
        assert self.runs(desk) == {RUN, back.id}
        assert ended.standing is Standing.COMPLETED
        assert self.releases(desk) == {"2023.1"}
        assert "Rollback" in desk.remarks, "its plan was shown"

    def test_a_process_that_died_before_it_leaves_it_to_the_next(self, desk: Desk) -> None:
        def dies(_proposal: Proposal) -> None:
            raise Killed

        with pytest.raises(Killed):
            take_up(desk.site, RUN, desk.bench, show=dies)
        before = self.runs(desk)

        assert before == {RUN}
        assert taken_up(desk).id != RUN

    def test_what_an_operator_lets_go_on_meanwhile_is_not_taken_back(self, desk: Desk) -> None:
        def forward(_proposal: Proposal) -> None:
            with open_journal(desk.site.runs.find(RUN)) as journal:
                resume(journal, desk.asked_now)

        with pytest.raises(CloudDrifted, match="was to be taken back"):
            take_up(desk.site, RUN, desk.bench, show=forward)
        ended = taken_up(desk)

        assert self.runs(desk) == {RUN}
        assert ended.standing is Standing.COMPLETED

    def test_with_the_usual_policy_it_rests(self, desk: Desk) -> None:
        policy = replace(desk.site.record.policy, rollback="ask")
        desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))

        assert taken_up(desk).standing is Standing.PAUSED
        assert self.runs(desk) == {RUN}


def test_a_run_that_an_operator_paused_is_taken_up_by_nobodys_word(tmp_path: Path) -> None:
    desk = desk_at(tmp_path)
    dies_after(desk, 10)
    with pytest.raises(Killed):
        apply(desk.site, RUN, desk.plan(), desk.bench, approval=Approval.ALL)
    with open_journal(desk.site.runs.find(RUN)) as journal:
        pause(journal, desk.asked_now)
        desk.at_each_look = lambda _run: None

        seen = taken_up(desk)

        assert seen.standing is Standing.PAUSED
        assert fold(journal.events()).pause is not None
        assert not any(isinstance(event, RunTakenUp) for event in journal.events())
