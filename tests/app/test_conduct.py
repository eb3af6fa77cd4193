"""Apply, resume and retry: what is refused before anything is touched, and how a run comes to rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.app.desk import GOAL, RUN, Desk, desk_at

from skylift.app.account import standing
from skylift.app.approvals import Approval, NotApproved
from skylift.app.as_planned import CloudDrifted, OtherRecord
from skylift.app.conduct import apply, go_on
from skylift.app.control import StepUnknown, tell
from skylift.app.measuring import silent_balancers
from skylift.app.propose import PlanUnsafe, propose
from skylift.app.runs import Runs
from skylift.app.wiring import hold
from skylift.cli.views import run as run_view
from skylift.drivers.ssh_problems import ChangeUncertain
from skylift.drivers.vantage_line import ApiRefused, ApiUnanswered
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.journal import Journal, Why
from skylift.engine.operate import Asked, abort, pause, retry, skip
from skylift.engine.problems import Holder, RunHeld, RunRefuses
from skylift.engine.store_problems import LeaseUnsure
from skylift.model.cloud import BackendState
from skylift.model.ids import HostName, RunId, StepId
from skylift.model.problem import Problem
from skylift.model.record import Policy
from skylift.planning.text import PlanChanged, write_plan
from skylift.ports.watched import watched
from skylift.testing.fake_services import FakeVantage


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path)


class Unsure:
    """A store that has not confirmed for too long that the cloud is held."""

    def __init__(self) -> None:
        self.lease = self.shelf = self

    def known(self) -> tuple[RunId, ...]:
        """It has no run."""
        return ()

    def make(self) -> None:
        """It is there."""

    @contextmanager
    def hold(self, _holder: Holder) -> Iterator[None]:
        yield

    def look(self) -> None:
        raise LeaseUnsure


def test_what_the_lease_did_not_let_it_ask_is_told_as_no_change_of_the_cloud(desk: Desk) -> None:
    store = Unsure()
    runs = Runs(desk.site.runs.home, store)  # type: ignore[arg-type]  # as much of one as is asked
    site = replace(desk.site, runs=runs, ports=watched(desk.site.ports, lambda _call: store.look()))

    with pytest.raises(LeaseUnsure):
        apply(site, RUN, desk.plan(), desk.bench, approval=Approval.ALL)


def test_a_balancer_that_cannot_be_asked_is_a_silent_one(desk: Desk) -> None:
    desk.cloud.hosts[HostName("ctl2")].reachable = False

    assert silent_balancers(desk.site) == (HostName("ctl2"),)


def test_an_upgrade_from_looking_to_completion_fails_no_request(desk: Desk) -> None:
    """Rows 3, 11, 98: the plan is made, approved and run; users notice nothing."""
    ended = desk.apply(desk.plan())

    assert ended.standing is Standing.COMPLETED
    assert desk.cloud.failed == []
    (told,) = desk.remarks[1:]
    assert re.fullmatch(
        r"measuring for 10 s, until \d\d:\d\d:\d\d UTC, what users get before anything changes", told
    )


def test_a_plan_with_one_byte_changed_is_refused(desk: Desk) -> None:
    """Issue 2, 3.5: every byte counts; a sample of places over the whole file."""
    text = desk.plan()

    for place in range(0, len(text), len(text) // 60):
        spoilt = bytearray(text)
        spoilt[place] ^= 1
        with pytest.raises(PlanChanged):
            desk.apply(bytes(spoilt))
    assert desk.cloud.deeds == []


def test_a_drift_that_the_plan_relies_on_is_named(desk: Desk) -> None:
    text = desk.plan()
    entry = next(iter(desk.site.record.services.values()))
    host = desk.cloud.hosts[desk.cloud.controllers[1].name]
    host.links[entry.link] = desk.site.record.artifacts[next(iter(desk.site.record.artifacts))].path.parent

    with pytest.raises(CloudDrifted, match=f"link {entry.name} {host.name} was"):
        desk.apply(text)


def test_a_drift_that_the_plan_does_not_rely_on_is_tolerated(desk: Desk) -> None:
    """A reboot of the vantage host between planning and running is nobody's business."""
    text = desk.plan()
    desk.cloud.reboot(desk.site.record.vantage.host)
    desk.cloud.pass_time(60)

    assert desk.apply(text).standing is Standing.COMPLETED


def test_points_of_no_return_need_an_approval(desk: Desk) -> None:
    text = desk.plan()

    with pytest.raises(NotApproved, match="keystone:contract"):
        apply(desk.site, RUN, text, desk.bench, approval=Approval.NONE)
    assert desk.site.runs.known() == ()


def test_a_plan_of_another_record_is_refused(desk: Desk) -> None:
    text = desk.plan()
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=Policy(at_once=1)))

    with pytest.raises(OtherRecord):
        desk.apply(text)


def test_a_plan_that_the_verifier_refuses_never_runs(desk: Desk) -> None:
    plan = propose(desk.site, GOAL).plan
    without = StepId("keystone:drain@ctl1")
    spoilt = replace(
        plan,
        steps=tuple(s for s in plan.steps if s.id != without),
        edges=tuple(e for e in plan.edges if without not in {e.before, e.after}),
    )

    with pytest.raises(PlanUnsafe, match="keystone on ctl1 is never drained"):
        desk.apply(write_plan(spoilt))


def test_a_second_run_is_refused_and_told_who_works(desk: Desk) -> None:
    text = desk.plan()

    with hold(desk.site, RunId("20260101-000000-run-0000")), pytest.raises(RunHeld, match="rey") as held:
        desk.apply(text)

    assert held.value.holder is not None
    assert held.value.holder.run == "20260101-000000-run-0000"


def test_ctrl_c_lets_running_steps_finish_and_resume_goes_on(desk: Desk) -> None:
    def press_once(run: Run) -> None:
        desk.asked = desk.asked or len(run.steps) > 20

    desk.at_each_look = press_once
    paused = desk.apply(desk.plan())
    desk.asked, desk.at_each_look = False, lambda _run: None
    told = standing(desk.site.runs, desk.site.runs.find(None))

    resumed = go_on(desk.site, desk.site.runs.find(None), desk.bench)

    assert paused.pause is not None
    assert paused.pause.why is Why.SIGNAL
    assert told.run.standing is Standing.PAUSED
    assert told.holder is None
    assert resumed.standing is Standing.COMPLETED
    assert desk.cloud.failed == []


def test_an_artifact_that_cannot_run_halts_the_run_and_a_retry_goes_on_after_the_repair(desk: Desk) -> None:
    """Issue 2, 3.4: halt, the API still whole, and a way out."""
    target = desk.site.record.artifact_for(GOAL.to)
    assert target is not None
    desk.cloud.broken.add(target.path)
    halted = desk.apply(desk.plan())
    desk.cloud.broken.clear()

    repaired = go_on(desk.site, desk.site.runs.find(None), desk.bench, retry)

    assert halted.standing is Standing.HALTED
    assert {at.problem.code for at in halted.steps.values() if at.problem} == {"service.died"}
    assert repaired.standing is Standing.COMPLETED
    assert desk.cloud.failed == []


def test_a_run_whose_plan_was_swapped_does_not_go_on(desk: Desk) -> None:
    desk.asked = True
    desk.apply(desk.plan())
    folder = desk.site.runs.find(None)
    plan = propose(desk.site, GOAL).plan
    folder.plan.write_bytes(write_plan(replace(plan, notes=("another",))))

    with pytest.raises(PlanChanged, match="was opened with another"):
        go_on(desk.site, folder, desk.bench)


def test_a_completed_run_cannot_go_on(desk: Desk) -> None:
    desk.apply(desk.plan())

    with pytest.raises(RunRefuses):
        go_on(desk.site, desk.site.runs.find(None), desk.bench)


def test_a_word_from_another_terminal_is_obeyed_by_the_process_that_runs(desk: Desk) -> None:
    """Pause: running steps end and no other starts; nobody needs to know where the process is."""

    def pause_once(run: Run) -> None:
        if len(run.steps) > 20 and run.standing is Standing.RUNNING:
            tell(desk.site.runs.find(None), lambda journal, _: pause(journal, desk.asked_now))

    desk.at_each_look = pause_once
    paused = desk.apply(desk.plan())

    assert paused.standing is Standing.PAUSED
    assert paused.within(Phase.RUNNING) == frozenset()
    assert desk.cloud.failed == []


def test_a_resume_while_a_process_works_is_left_to_that_process(desk: Desk) -> None:
    said: list[Run] = []

    def resume_meanwhile(run: Run) -> None:
        folder = desk.site.runs.find(None)
        if not said and len(run.steps) >= 20 and run.standing is Standing.RUNNING:
            said.append(run)
            tell(folder, lambda journal, _: pause(journal, desk.asked_now))
            carried = go_on(desk.site, folder, desk.bench)
            assert carried.standing is Standing.RUNNING

    desk.at_each_look = resume_meanwhile
    ended = desk.apply(desk.plan())

    assert said
    assert ended.standing is Standing.COMPLETED


def test_a_word_that_comes_when_the_process_has_looked_for_the_last_time_is_not_lost(desk: Desk) -> None:
    """It is said after the run came to rest, while the cloud is still held by a process about to end."""
    desk.asked = True
    late: list[Run] = []

    def resume_late(label: str) -> None:
        if not late:
            desk.asked = False
            late.append(go_on(desk.site, desk.site.runs.find(None), desk.bench))
        FakeVantage(desk.cloud).stop_probes(label)

    desk.site = replace(desk.site, ports=replace(desk.site.ports, vantage=EndsWith(desk.cloud, resume_late)))
    ended = desk.apply(desk.plan())

    assert late[0].standing is Standing.RUNNING
    assert ended.standing is Standing.COMPLETED


def test_a_run_that_is_given_up_gives_back_what_it_took_and_says_what_is_left(desk: Desk) -> None:
    def give_up(run: Run) -> None:
        if StepId("keystone:drain@ctl2") in run.within(Phase.DONE) and run.abort is None:
            tell(desk.site.runs.find(None), lambda journal, _: abort_now(journal, desk.asked_now))

    desk.at_each_look = give_up
    ended = desk.apply(desk.plan())
    plan = standing(desk.site.runs, desk.site.runs.find(None)).plan
    said = "\n".join(run_view.lines(plan, ended, None))

    assert ended.standing is Standing.ABORTED
    assert {view.state for view in desk.cloud.traffic.views()} == {BackendState.UP}
    assert desk.cloud.failed == []
    assert "given up by rey@console: the window closes" in said
    assert "not done: 66 steps, keystone:drain@ctl3 first" in said
    assert "STILL TAKEN" not in said


def test_what_cannot_be_given_back_is_named_and_only_who_says_so_closes_the_run(
    desk: Desk,
) -> None:
    target = desk.site.record.artifact_for(GOAL.to)
    assert target is not None
    desk.cloud.broken.add(target.path)
    desk.apply(desk.plan())
    folder = desk.site.runs.find(None)

    kept = go_on(desk.site, folder, desk.bench, abort_now)
    closed = go_on(desk.site, folder, desk.bench, lambda j, a: abort(j, a, reason="by hand", leave=True))

    assert (kept.standing, closed.standing) == (Standing.ABORTING, Standing.ABORTED)
    said = "\n".join(run_view.lines(standing(desk.site.runs, folder).plan, closed, None))
    assert "STILL TAKEN by keystone:stop@ctl1; to give it back: start keystone-api.service on ctl1" in said
    assert "STILL TAKEN by keystone:drain@ctl1" in said
    with pytest.raises(RunRefuses, match=r"cannot resume run .*: it is aborted"):
        go_on(desk.site, folder, desk.bench)


def test_a_step_that_the_plan_does_not_have_cannot_be_spoken_of(desk: Desk) -> None:
    desk.asked = True
    desk.apply(desk.plan())
    folder, wrong = desk.site.runs.find(None), StepId("keystone:dain@ctl1")

    with pytest.raises(StepUnknown, match="no step keystone:dain@ctl1"):
        tell(folder, lambda j, o: skip(j, o, desk.asked_now, wrong, reason="no"), steps=(wrong,))


def abort_now(journal: Journal, asked: Asked) -> Run:
    return abort(journal, asked, reason="the window closes", leave=False)


@dataclass(frozen=True, slots=True)
class EndsWith(FakeVantage):
    """A vantage that something happens beside just when the probes of a run are ended."""

    ending: Callable[[str], None] = lambda _label: None

    def stop_probes(self, label: str) -> None:
        self.ending(label)


@dataclass(frozen=True, slots=True)
class EndsSlowly(FakeVantage):
    """A vantage whose probes still wait for answers, or of which no answer comes back, a few times."""

    problems: list[Problem] = field(default_factory=list)

    def stop_probes(self, label: str) -> None:
        if self.problems:
            raise self.problems.pop()
        FakeVantage.stop_probes(self, label)


def slowly(desk: Desk, problems: list[Problem]) -> FakeVantage:
    vantage = EndsSlowly(desk.cloud, problems)
    desk.site = replace(desk.site, ports=replace(desk.site.ports, vantage=vantage))
    return vantage


def test_a_run_waits_for_probes_that_wait_for_answers(desk: Desk) -> None:
    host = desk.site.record.vantage.host
    vantage = slowly(desk, [ChangeUncertain(host, "too long"), ApiUnanswered(host, "they are ending")] * 3)

    ended = desk.apply(desk.plan())

    assert ended.standing is Standing.COMPLETED
    assert not vantage.tally(str(RUN)).alive
    (told,) = desk.remarks[1:]
    assert re.fullmatch(
        r"measuring for 10 s, until \d\d:\d\d:\d\d UTC, what users get before anything changes", told
    )


def test_a_run_ends_though_what_its_probes_made_is_refused_to_be_removed(desk: Desk) -> None:
    host = desk.site.record.vantage.host
    slowly(desk, [ApiRefused(host, "an image cannot be deleted")])

    ended = desk.apply(desk.plan())

    assert ended.standing is Standing.COMPLETED
    assert "an image cannot be deleted" in desk.remarks[-1]


def test_a_run_ends_though_its_probes_do_not(desk: Desk) -> None:
    host = desk.site.record.vantage.host
    slowly(desk, [ChangeUncertain(host, "it took longer than 29 s") for _ in range(999)])

    ended = desk.apply(desk.plan())

    assert ended.standing is Standing.COMPLETED
    assert "the probes were not ended and swept up" in desk.remarks[-1]
    assert "skylift validate --clean-up" in desk.remarks[-1]
