"""An upgrade that costs users too much is taken back by itself: once, and only as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import GOAL, RUN, Desk, automatic_desk_at

from skylift.app.account import standing
from skylift.app.automatic import is_due, take_back_by_itself
from skylift.app.conduct import go_on
from skylift.app.propose import Proposal
from skylift.app.wiring import open_journal
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.operate import abort, hand_over, pause
from skylift.model.goal import Rollback
from skylift.model.ids import ComponentName, HostName, PoolName, RunId, StepId, UnitName
from skylift.planning.plan import Plan
from skylift.testing.fake_ports import FakeServices
from skylift.testing.fake_services import FakeVantage
from skylift.testing.fake_state import FailedRequest
from skylift.testing.fuse import Killed

BACK, AGAIN = RunId("20260102-000000-run-0002"), RunId("20260103-000000-run-0003")
HALF = StepId("glance-api:undrain@ctl2")
"""When this is done, Keystone is new, and Glance is mixed."""
CONTRACTED = StepId("keystone:contract")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return automatic_desk_at(tmp_path)


def spend(desk: Desk) -> None:
    """Let users lose more than the policy allows."""
    lost = FailedRequest(desk.cloud.now, PoolName("glance"), "502")
    desk.cloud.traffic.failed += [lost] * (desk.site.record.policy.loss.failed_requests + 1)


def upgrade(desk: Desk, at: StepId, what: Callable[[Desk], None]) -> Run:
    """An upgrade, with something done to the cloud as soon as this step is done."""
    done: list[StepId] = []

    def look(run: Run) -> None:
        if at in run.within(Phase.DONE) and not done:
            done.append(at)
            what(desk)

    desk.at_each_look = look
    ended = desk.apply(desk.plan())
    desk.at_each_look = lambda _run: None
    return ended


def due(desk: Desk) -> bool:
    return is_due(desk.site, desk.site.runs.find(RUN))


def take_back(desk: Desk, shown: list[Plan] | None = None, run: RunId = BACK) -> Run | None:
    plans = [] if shown is None else shown

    def show(proposal: Proposal) -> None:
        plans.append(proposal.plan)

    return take_back_by_itself(desk.site, desk.site.runs.find(RUN), run, desk.bench, show=show)


def releases(desk: Desk) -> set[str]:
    return {str(u.running)[-6:] for host in desk.cloud.hosts.values() for u in host.units.values()}


def test_a_run_that_spends_the_loss_budget_is_taken_back(desk: Desk) -> None:
    """Issue 5, 2: by a plan that is shown, approved by the policy, and journaled like any other."""
    spoilt, shown = upgrade(desk, HALF, spend), list[Plan]()

    wanted = due(desk)
    ended = take_back(desk, shown)

    first = standing(desk.site.runs, desk.site.runs.find(RUN)).run
    assert spoilt.standing is Standing.PAUSED
    assert wanted
    assert ended is not None
    assert ended.standing is Standing.COMPLETED
    assert releases(desk) == {"2023.1"}
    assert isinstance(shown[0].goal, Rollback)
    assert first.abort is not None
    assert first.abort.reason == f"taken back by run {BACK}"
    assert any(f"run {RUN} is taken back by run {BACK}" in remark for remark in desk.remarks)


def test_a_run_whose_validation_fails_is_taken_back(desk: Desk) -> None:
    """Users' resources are looked at between components: what is new by then has hurt them."""

    def hurt(desk: Desk) -> None:
        desk.cloud.witnesses |= dict.fromkeys(desk.cloud.witnesses, False)

    halted = upgrade(desk, StepId("glance-api:healthy@ctl3"), hurt)
    wanted = due(desk)
    desk.cloud.witnesses |= dict.fromkeys(desk.cloud.witnesses, True)
    ended = take_back(desk)

    assert halted.standing is Standing.HALTED
    assert wanted
    assert ended is not None
    assert ended.standing is Standing.COMPLETED
    assert releases(desk) == {"2023.1"}


NEW = "2024.1"


class Mute(FakeServices):
    """Services of the new release on one host answer nothing."""

    def answers(self, host: HostName, port: int, path: str) -> int | None:
        of = {e.port: e.unit for e in self.cloud.record.services.values()}
        running = self.cloud.reach(host).units[of[port]].running
        return None if host == "ctl2" and str(running).endswith(NEW) else super().answers(host, port, path)


class Cold(FakeVantage):
    """Nor do they answer the first request well, though they run."""

    def ask_backend(self, component: ComponentName, host: HostName, port: int, path: str) -> str:
        of = {e.port: e.unit for e in self.cloud.record.services.values()}
        running = self.cloud.reach(host).units[of[port]].running
        cold = host == "ctl2" and str(running).endswith(NEW)
        return "it answers 503" if cold else super().ask_backend(component, host, port, path)


def dies(desk: Desk) -> None:
    new = desk.site.record.artifact_for(GOAL.to)
    assert new is not None
    desk.cloud.broken.add(new.path)


def runs_the_old(desk: Desk) -> None:
    old = next(a for a in desk.site.record.artifacts.values() if not a.name.endswith(NEW))
    desk.cloud.hosts[HostName("ctl2")].units[UnitName("glance-api.service")].running = old.path


def answers_nothing(desk: Desk) -> None:
    desk.site = replace(desk.site, ports=replace(desk.site.ports, services=Mute(desk.cloud)))


def stays_cold(desk: Desk) -> None:
    desk.site = replace(desk.site, ports=replace(desk.site.ports, vantage=Cold(desk.cloud)))


@pytest.mark.parametrize(
    ("before", "meanwhile", "failed", "code"),
    [
        (dies, None, "keystone:start@ctl1", "service.died"),
        (None, runs_the_old, "glance-api:healthy@ctl2", "service.wrong-artifact"),
        (answers_nothing, None, "keystone:healthy@ctl2", "step.deadline"),
        (stays_cold, None, "keystone:warm-up@ctl2", "step.deadline"),
    ],
)
def test_a_run_whose_new_code_fails_is_taken_back(
    desk: Desk,
    before: Callable[[Desk], None] | None,
    meanwhile: Callable[[Desk], None] | None,
    failed: str,
    code: str,
) -> None:
    """Row 31: an unexpected error is detected, and the cloud returns to the state without it."""
    if before:
        before(desk)

    halted = upgrade(desk, StepId("glance-api:start@ctl2"), meanwhile or (lambda _desk: None))
    wanted = due(desk)
    ended = take_back(desk)

    found = {step: at.problem.code for step, at in halted.steps.items() if at.problem}
    assert found == {failed: code}
    assert wanted
    assert ended is not None
    assert ended.standing is Standing.COMPLETED
    assert releases(desk) == {"2023.1"}


@pytest.mark.parametrize("code", ["host.unreachable", "job.failed", "step.deadline"])
def test_what_new_code_does_not_show_rests_for_its_operator(desk: Desk, code: str) -> None:
    """A host that is away, an artifact that was not staged, users whose requests do not end."""
    at = "keystone:stop@ctl2" if code == "host.unreachable" else "keystone:expand"

    def befalls(desk: Desk) -> None:
        if code == "host.unreachable":
            desk.cloud.hosts[HostName("ctl2")].reachable = False
        elif code == "step.deadline":
            desk.cloud.traffic.session_s = 10_000

    if code == "job.failed":
        desk.cloud.hosts[HostName("ctl2")].disk_free_bytes = 0
        desk.cloud.hosts[HostName("ctl2")].staged.clear()
    halted = upgrade(desk, StepId(at), befalls)

    assert {at.problem.code for at in halted.steps.values() if at.problem} == {code}
    assert not due(desk)


def test_with_the_policy_as_it_usually_is_the_operator_decides(desk: Desk) -> None:
    policy = replace(desk.site.record.policy, rollback="ask")
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))

    upgrade(desk, HALF, spend)

    assert not due(desk)


@pytest.mark.parametrize("word", [pause, abort])
def test_what_an_operator_stopped_is_hers(desk: Desk, word: Callable[..., Run]) -> None:
    def say(desk: Desk) -> None:
        how = {"reason": "enough", "leave": False} if word is abort else {}
        with open_journal(desk.site.runs.find(RUN)) as journal:
            word(journal, desk.asked_now, **how)

    upgrade(desk, HALF, say)

    assert not due(desk)


def test_past_the_end_of_a_way_back_it_rests_for_its_operator(desk: Desk) -> None:
    """Never past a window that has closed, not even of one component: that is no whole way back."""
    spoilt = upgrade(desk, CONTRACTED, spend)

    ended = take_back(desk)

    assert spoilt.standing is Standing.PAUSED
    assert ended is None
    assert releases(desk) == {"2024.1"}
    assert any("is taken back: no, cannot take back keystone" in remark for remark in desk.remarks)
    assert standing(desk.site.runs, desk.site.runs.find(RUN)).run.standing is Standing.PAUSED


def test_it_is_taken_back_once_and_a_way_back_never(desk: Desk) -> None:
    upgrade(desk, HALF, spend)
    taken: list[StepId] = []

    def look(run: Run) -> None:
        if run.id == BACK and len(run.within(Phase.DONE)) > 20 and not taken:
            taken.append(HALF)
            spend(desk)

    desk.at_each_look = look
    ended = take_back(desk)

    assert ended is not None
    assert list(ended.warned) == ["loss-budget.spent"]
    assert ended.standing is Standing.COMPLETED
    assert not due(desk)
    assert not is_due(desk.site, desk.site.runs.find(BACK))


def test_a_process_that_dies_before_the_way_back_begins_leaves_it_due(desk: Desk) -> None:
    upgrade(desk, HALF, spend)
    shown: list[Plan] = []

    def dies(_proposal: Proposal) -> None:
        raise Killed

    with pytest.raises(Killed):
        take_back_by_itself(desk.site, desk.site.runs.find(RUN), BACK, desk.bench, show=dies)

    assert due(desk)
    assert take_back(desk, shown, AGAIN) is not None
    assert releases(desk) == {"2023.1"}


def test_a_process_that_dies_between_the_two_runs_leaves_it_due(desk: Desk) -> None:
    """The first is closed by then, for a run that was never opened."""
    upgrade(desk, HALF, spend)
    with open_journal(desk.site.runs.find(RUN)) as journal:
        hand_over(journal, desk.asked_now, BACK, going_on={})

    wanted = due(desk)
    ended = take_back(desk, run=AGAIN)

    assert wanted
    assert ended is not None
    assert ended.standing is Standing.COMPLETED
    assert releases(desk) == {"2023.1"}
    assert not due(desk)


def test_a_process_that_dies_within_the_way_back_is_resumed_as_any(desk: Desk) -> None:
    upgrade(desk, HALF, spend)

    def dies(run: Run) -> None:
        if run.id == BACK and len(run.within(Phase.DONE)) > 20:
            raise Killed

    desk.at_each_look = dies
    with pytest.raises(Killed):
        take_back(desk)
    desk.at_each_look = lambda _run: None

    still_due = due(desk)
    ended = go_on(desk.site, desk.site.runs.find(BACK), desk.bench)

    assert not still_due
    assert ended.standing is Standing.COMPLETED
    assert releases(desk) == {"2023.1"}


def test_a_stage_that_needs_an_approval_waits_for_it_there_too(desk: Desk) -> None:
    policy = replace(desk.site.record.policy, approvals=("control-plane",))
    upgrade(desk, HALF, spend)
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))

    ended = take_back(desk)

    assert ended is not None
    assert ended.standing is Standing.RUNNING
    assert releases(desk) == {"2023.1", "2024.1"}
