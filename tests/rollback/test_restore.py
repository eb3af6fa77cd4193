"""After the point of no return a run goes back by its backup: cold, by consent, and told what that loses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, desk_at
from tests.crash.worlds import Snapshots, deeds, shape, thawed

from skylift.app.account import account, judge, judge_run, standing
from skylift.app.approvals import Approval, NotApproved
from skylift.app.conduct import apply, go_on
from skylift.app.control import tell
from skylift.app.propose_rollback import propose_rollback
from skylift.app.validate import Outcome
from skylift.app.wiring import open_journal
from skylift.cli.views import run as run_view
from skylift.cli.views.plan import lines
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.operate import abort, approve, pause
from skylift.model.cloud import BackendState
from skylift.model.goal import Restore, Rollback
from skylift.model.ids import ComponentName, HostName, RunId, ServiceName, StepId
from skylift.model.problem import Fix
from skylift.planning.plan import Stage
from skylift.planning.refusals import NoBackup, WayBackClosed
from skylift.planning.text import read_plan
from skylift.ports import Command
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner

BACK = RunId("20260102-000000-run-0002")
AGAIN = RunId("20260103-000000-run-0003")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A cloud whose upgrade is complete: nothing of it leads back by steps."""
    desk = desk_at(tmp_path)
    before = dict(desk.cloud.rows)
    desk.apply(desk.plan())
    assert desk.cloud.rows != before
    return desk


def back(desk: Desk, *components: str) -> bytes:
    folder = desk.site.runs.find(RUN)
    named = tuple(map(ComponentName, components))
    return propose_rollback(desk.site, folder, named, restore=True).text


def apply_back(desk: Desk, text: bytes, approval: Approval = Approval.ALL) -> Run:
    return apply(desk.site, BACK, text, desk.bench, approval=approval)


def releases(desk: Desk) -> set[str]:
    return {str(u.running)[-6:] for host in desk.cloud.hosts.values() for u in host.units.values()}


def test_a_complete_run_is_restored_as_a_whole(desk: Desk, tmp_path: Path) -> None:
    """Issue 5, 2: after the point of no return, the restore of a verified backup."""
    old = desk_at(tmp_path / "old").cloud.rows
    desk.cloud.stores.make("keystone", "project")

    ended = apply_back(desk, back(desk))

    assert ended.standing is Standing.COMPLETED
    assert ended.warned == {}, "what the plan announces is no news"
    assert releases(desk) == {"2023.1"}
    assert desk.cloud.rows == old
    assert desk.cloud.stores.torn == []
    assert desk.cloud.stores.made == []


def test_the_plan_says_what_is_lost_and_how_long_nobody_is_answered(desk: Desk) -> None:
    for table in ("project", "user", "project"):
        desk.cloud.stores.make("keystone", table)

    plan = read_plan(back(desk))

    told = "\n".join(plan.notes)
    assert isinstance(plan.goal, Restore)
    assert "database keystone is restored from ctl1:/var/backups/skylift/keystone-2023.1-to-2024.1-" in told
    assert "So far that is, by table: project (2 new), user (1 new)" in told
    assert "So far that is nothing" in told
    assert "keystone is stopped as a whole and started on 2023.1, and does not answer meanwhile" in told


def test_the_plan_reads_like_any_other(desk: Desk, golden: Callable[[str, bytes], None]) -> None:
    """One component cold, what is there kept, and witnesses made when all has settled."""
    desk.cloud.stores.make("placement", "resource_providers")

    plan = read_plan(back(desk, "placement"))

    golden("placement_is_restored/plan.txt", "\n".join([*lines(plan), ""]).encode())


def test_nothing_is_restored_without_a_consent_that_names_it(desk: Desk) -> None:
    """Beside the flag: each restore is a point of no return."""
    text = back(desk)

    with pytest.raises(NotApproved, match="placement:restore, glance:restore, keystone:restore"):
        apply_back(desk, text, Approval.NONE)

    assert releases(desk) == {"2024.1"}


def test_while_it_waits_for_a_consent_every_component_answers(desk: Desk) -> None:
    """Nothing is stopped that is started again only once somebody has approved."""
    apply_back(desk, back(desk), Approval.HOLD)

    seen = standing(desk.site.runs, desk.site.runs.find(BACK))
    assert not [s for s in seen.run.within(Phase.DONE) if ":drain" in s or ":stop" in s]
    assert all(b.state is BackendState.UP for b in desk.site.ports.balancer.backends())
    told = "\n".join(run_view.lines(seen.plan, seen.run, None))
    assert "waits for the approval of control-plane" in told
    assert "placement:restore" in told

    consent = [StepId(f"{name}:restore") for name in ("placement", "glance")]
    tell(
        desk.site.runs.find(BACK),
        lambda journal, order: approve(
            journal, order, desk.asked_now, Stage.CONTROL_PLANE, no_returns=tuple(consent)
        ),
    )
    ended = go_on(desk.site, desk.site.runs.find(BACK), desk.bench)

    assert set(consent) <= ended.within(Phase.DONE)
    assert not [s for s in ended.within(Phase.DONE) if s.startswith("keystone:") and ":stop" in s]
    assert all(b.state is BackendState.UP for b in desk.site.ports.balancer.backends())


def test_without_the_flag_it_is_refused_with_the_command_that_restores(desk: Desk) -> None:
    with pytest.raises(WayBackClosed) as caught:
        propose_rollback(desk.site, desk.site.runs.find(RUN), (ComponentName("placement"),))

    told = [remedy.how for remedy in caught.value.remedies if remedy.fix is Fix.ROLL_BACK]
    assert told[0].startswith(
        "or give up what was written since, and restore ctl1:/var/backups/skylift/placement-"
    )
    assert told[0].endswith(f"skylift rollback {RUN} --component placement --restore -o back.plan")


def test_one_component_is_restored_and_the_others_stay(desk: Desk) -> None:
    desk.cloud.stores.make("keystone", "project")

    ended = apply_back(desk, back(desk, "placement"))

    assert ended.standing is Standing.COMPLETED
    assert releases(desk) == {"2023.1", "2024.1"}
    assert len(desk.cloud.stores.made) == 1
    assert {request.pool for request in desk.cloud.failed} <= {"placement"}


def test_what_is_there_is_saved_before_it_is_replaced(desk: Desk) -> None:
    """A restore that was a mistake has a way back of its own, by hand."""
    before = dict(desk.cloud.rows)

    apply_back(desk, back(desk, "placement"))

    kept = [dump for (_, path), dump in desk.cloud.stores.dumps.items() if "back-to" in path.name]
    assert [dump.rows for dump in kept] == [before["placement"]]


def test_a_backup_that_is_gone_or_was_never_rehearsed_is_not_planned_with(desk: Desk) -> None:
    desk.cloud.stores.rehearsed.clear()

    with pytest.raises(NoBackup, match="cannot restore placement of placement"):
        back(desk, "placement")


def test_a_backup_that_was_damaged_meanwhile_halts_before_anything_is_replaced(desk: Desk) -> None:
    """Its checksum is looked at again when it is used."""
    before = dict(desk.cloud.rows)
    text = back(desk, "placement")
    desk.cloud.stores.damaged |= set(desk.cloud.stores.dumps)

    ended = apply_back(desk, text)

    assert ended.standing is Standing.HALTED
    assert desk.cloud.rows == before


def test_in_the_middle_of_a_restore_nobody_is_told_to_start_what_it_stopped(desk: Desk) -> None:
    """It would live on a database that is being replaced."""
    text = back(desk, "placement")

    def rest(run: Run) -> None:
        desk.asked = StepId("placement:save") in run.steps

    desk.at_each_look = rest
    rests = apply_back(desk, text)
    folder = desk.site.runs.find(BACK)
    judged, _ = judge_run(desk.site, folder)
    report = account(desk.site, folder, desk.remarks.append)

    assert rests.standing is Standing.PAUSED
    for issues in (judged.issues, report.issues):
        told = {remedy.how for issue in issues for remedy in issue.remedies}
        assert not any("systemctl start" in how or "state ready" in how for how in told)
        assert "leave that to the run, which does it by placement-api:start@ctl1: skylift status" in told
    by_hand = {remedy.how for i in judge(desk.site, read_plan(text).goal).issues for remedy in i.remedies}
    assert any("systemctl start" in how for how in by_hand), "whoever asks without the run is told as ever"


def test_a_service_that_somebody_started_again_is_not_restored_beside(desk: Desk) -> None:
    """Whatever the plan says: the step looks at every unit itself."""
    text = back(desk, "placement")

    def starts(run: Run) -> None:
        if StepId("placement:save") in run.steps and StepId("placement:restore") not in run.steps:
            unit = desk.site.record.services[ServiceName("placement-api")].unit
            by_hand = desk.site.ports.under("by hand").jobs
            by_hand.start(HostName("ctl2"), Command(("systemctl", "start", unit)))

    desk.at_each_look = starts
    ended = apply_back(desk, text)

    failed = ended.steps[StepId("placement:restore")].problem
    assert failed is not None
    assert failed.code == "restore.beside-live"
    assert desk.cloud.stores.torn == []


def test_an_upgrade_after_a_restore_can_go_back_by_steps_again(desk: Desk) -> None:
    """What the first run had begun is undone, and bars no other's way back."""
    apply_back(desk, back(desk))
    third, done = RunId("20260103-000000-run-0003"), StepId("placement-api:undrain@ctl3")

    def look(run: Run) -> None:
        if run.id == third and done in run.within(Phase.DONE) and run.standing is Standing.RUNNING:
            with open_journal(desk.site.runs.find(third)) as journal:
                pause(journal, desk.asked_now)

    desk.at_each_look = look
    paused = apply(desk.site, third, desk.plan(), desk.bench, approval=Approval.ALL)

    plan = propose_rollback(desk.site, desk.site.runs.find(third), ()).plan

    assert paused.standing is Standing.PAUSED
    assert isinstance(plan.goal, Rollback)
    assert not isinstance(plan.goal, Restore)
    assert plan.goal.components == ("keystone", "glance", "placement")


def test_what_an_earlier_run_had_expanded_is_restored_expanded_and_judged_whole(desk: Desk) -> None:
    """That one went back by steps, and left its schemas ahead: so they are in the backups of the next."""
    apply_back(desk, back(desk))
    expanded = StepId("placement-api:undrain@ctl3")
    runs = [RunId(f"20260103-000000-run-{number:04}") for number in range(3, 7)]
    half_way, by_steps, whole, restored = runs

    def look(run: Run) -> None:
        if run.id == half_way and expanded in run.within(Phase.DONE) and run.standing is Standing.RUNNING:
            with open_journal(desk.site.runs.find(half_way)) as journal:
                pause(journal, desk.asked_now)

    def run_of(run: RunId, text: bytes) -> None:
        apply(desk.site, run, text, desk.bench, approval=Approval.ALL)

    def taken_back(run: RunId, *, restore: bool) -> bytes:
        return propose_rollback(desk.site, desk.site.runs.find(run), (), restore=restore).text

    desk.at_each_look = look
    run_of(half_way, desk.plan())
    run_of(by_steps, taken_back(half_way, restore=False))
    ahead = dict(desk.cloud.rows)
    run_of(whole, desk.plan())
    text = taken_back(whole, restore=True)

    run_of(restored, text)

    assert desk.cloud.rows == ahead
    judged = judge(desk.site, read_plan(text).goal)
    assert judged.outcome is Outcome.COMPLETED, judged.issues


@pytest.mark.parametrize("after", ["placement-api:stop@ctl1", "placement-api:stop@ctl3", "placement:save"])
def test_a_restore_that_is_given_up_before_it_began_replaces_nothing(desk: Desk, after: str) -> None:
    """Whoever gives it up has taken back her consent; what is down is named, and closed over by --leave.

    Then another way back begins there, though nothing of the component serves.
    """
    text = back(desk, "placement")
    rows = dict(desk.cloud.rows)

    def give_up(run: Run) -> None:
        if StepId(after) in run.within(Phase.DONE) and run.abort is None:
            folder = desk.site.runs.find(BACK)
            tell(folder, lambda journal, _: abort(journal, desk.asked_now, reason="no", leave=False))

    desk.at_each_look = give_up
    rested = apply_back(desk, text)

    assert rested.standing is Standing.ABORTING
    assert dict(desk.cloud.rows) == rows
    assert StepId("placement:restore") not in rested.steps
    assert desk.cloud.stores.torn == []

    folder = desk.site.runs.find(BACK)
    ended = go_on(
        desk.site, folder, desk.bench, lambda journal, asked: abort(journal, asked, reason="no", leave=True)
    )
    assert ended.standing is Standing.ABORTED
    assert dict(desk.cloud.rows) == rows

    desk.at_each_look = lambda _run: None
    with pytest.raises(WayBackClosed):
        propose_rollback(desk.site, desk.site.runs.find(RUN), (ComponentName("placement"),))
    again = apply(desk.site, AGAIN, back(desk, "placement"), desk.bench, approval=Approval.ALL)
    assert again.standing is Standing.COMPLETED


@pytest.mark.timeout(1800)
def test_a_restore_that_is_killed_anywhere_ends_like_one_that_was_not(desk: Desk) -> None:
    """What if we die here: before each third touch of journal and cloud, resumed by the same calls."""
    plan, cloud, journal = read_plan(back(desk, "placement")), desk.cloud, MemoryJournal()
    snapshots = Snapshots((cloud, journal))
    ports = fused(ports_of(cloud), snapshots)

    Runner(cloud=cloud, journal=FusedJournal(journal, snapshots), ports=ports, id=BACK).run(plan)

    assert len(snapshots.worlds) > 30
    for frozen, where in list(snapshots.worlds.items())[::3]:
        survivor, written = thawed(frozen)
        survivor.pass_time(7)
        again = Runner(cloud=survivor, journal=written, id=BACK).run(plan)
        assert again.standing is Standing.COMPLETED, where
        assert shape(survivor) == shape(cloud), where
        assert deeds(survivor) == deeds(cloud), where
        assert survivor.stores.torn == [], where
