"""Row 156: a state that was seen to be free of errors has a name, and is come back to by it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, desk_at
from tests.house.test_told_commands import understood
from tests.record.conftest import PINNED, WHOLE
from tests.rollback.operated import BACK, GLANCE_OUT, apply_back, paused_at, way_back

from skylift.app.approvals import Approval
from skylift.app.audit import AuditDamaged, deeds_of
from skylift.app.checkpoints import (
    Checkpoint,
    CheckpointTaken,
    CheckpointUnknown,
    NoSingleWay,
    NotErrorFree,
    checkpoint,
    checkpoints,
    name_state,
    present_goal,
    propose_way_to,
    run_since,
)
from skylift.app.conduct import apply
from skylift.app.open_runs import RunOpen
from skylift.app.propose import propose
from skylift.app.wiring import hold
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.engine.fold import Run, Standing
from skylift.engine.problems import RunHeld
from skylift.model.cloud import BackendState
from skylift.model.goal import Rollback, Upgrade
from skylift.model.ids import Epoch, HostName, PoolName, RunId
from skylift.model.problem import Fix
from skylift.planning.refusals import WayBackClosed
from skylift.testing.samples import R2023_1, R2024_1, R2025_1

OLD = Upgrade(R2023_1)
SECOND, THIRD, FOURTH = (RunId(f"2026010{n}-000000-run-000{n}") for n in (3, 4, 5))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path)


def named(desk: Desk, name: str = "before") -> Checkpoint:
    goal = present_goal(desk.site)
    return name_state(desk.site, name, goal or OLD)


def since(desk: Desk, of: Checkpoint) -> RunId:
    return run_since(desk.site.runs, desk.site.catalog, of).id


def releases(desk: Desk) -> set[str]:
    return {str(u.running)[-6:] for host in desk.cloud.hosts.values() for u in host.units.values()}


def on_to(desk: Desk, goal: Upgrade, run: RunId) -> Run:
    """One more upgrade of the same cloud."""
    desk.cloud.stage(goal.to)
    return apply(desk.site, run, propose(desk.site, goal).text, desk.bench, approval=Approval.ALL)


def back_to(desk: Desk, of: Checkpoint, run: RunId) -> None:
    folder = run_since(desk.site.runs, desk.site.catalog, of)
    text = propose_way_to(desk.site, of, folder, restore=True).text
    ended = apply(desk.site, run, text, desk.bench, approval=Approval.ALL)
    assert ended.standing is Standing.COMPLETED


def test_a_state_is_named_with_when_by_whom_and_after_which_run(desk: Desk) -> None:
    first = named(desk)
    desk.apply(desk.plan())
    second = named(desk, "after")

    assert checkpoints(desk.site.runs) == (first, second)
    assert (first.release, first.after, first.before) == (R2023_1, "", frozenset())
    assert (second.release, second.after, second.before) == (R2024_1, RUN, frozenset({RUN}))
    assert first.at_ms <= second.at_ms
    assert "@" in second.actor


def test_the_run_that_lies_between_is_taken_back_to_the_named_state(desk: Desk) -> None:
    """The scenario of mission 000: an error is noticed half-way, and the state before it is come back to."""
    before = named(desk)
    paused_at(desk, GLANCE_OUT)

    folder = run_since(desk.site.runs, desk.site.catalog, before)
    proposal = propose_way_to(desk.site, before, folder, restore=False)
    ended = apply_back(desk, proposal.text)

    assert folder.id == RUN
    assert isinstance(proposal.plan.goal, Rollback)
    assert ended.standing is Standing.COMPLETED
    assert releases(desk) == {"2023.1"}
    assert named(desk, "again").release == R2023_1, "free of errors, though schemas stay expanded"


def test_where_no_step_leads_there_any_more_the_backups_are_offered_and_lead_there(desk: Desk) -> None:
    before, rows = named(desk), dict(desk.cloud.rows)
    desk.apply(desk.plan())
    folder = run_since(desk.site.runs, desk.site.catalog, before)

    with pytest.raises(WayBackClosed) as caught:
        propose_way_to(desk.site, before, folder, restore=False)
    ended = apply_back(desk, propose_way_to(desk.site, before, folder, restore=True).text)

    (restore,) = [remedy.how for remedy in caught.value.remedies if remedy.fix is Fix.ROLL_BACK]
    assert restore.endswith("--restore -o back.plan")
    assert ended.standing is Standing.COMPLETED
    assert releases(desk) == {"2023.1"}
    assert desk.cloud.rows == rows


def test_a_state_with_any_issue_gets_no_name_and_is_told_what_to_do(desk: Desk) -> None:
    desk.site.ports.balancer.set_state(PoolName("glance"), HostName("ctl2"), "drain")
    assert BackendState.DRAIN in {b.state for b in desk.site.ports.balancer.backends()}

    with pytest.raises(NotErrorFree) as caught:
        named(desk)

    told = [remedy.how for remedy in caught.value.remedies]
    assert "ctl2 in pool glance is drain" in str(caught.value)
    assert any("set server glance/ctl2 state ready" in how for how in told)
    assert any(how.endswith("skylift checkpoint before") for how in told)
    assert checkpoints(desk.site.runs) == ()
    assert deeds_of(desk.site.runs)[-1].outcome == "checkpoint.not-error-free"


def test_a_mixed_cloud_gets_no_name_though_what_went_back_is_whole(desk: Desk) -> None:
    """A way back of a part is whole for that part; a state is of the whole cloud."""
    desk.at_each_look = lambda _run: None
    paused_at(desk, GLANCE_OUT)
    apply_back(desk, way_back(desk, "glance"))

    with pytest.raises(NotErrorFree, match=r"keystone on .* runs 2024\.1, not 2023\.1"):
        named(desk)


def test_beside_an_open_run_or_one_that_works_no_state_is_named(desk: Desk) -> None:
    with hold(desk.site, RUN), pytest.raises(RunHeld):
        named(desk)
    paused_at(desk, GLANCE_OUT)
    with pytest.raises(RunOpen, match=RUN):
        named(desk)

    assert checkpoints(desk.site.runs) == ()


def test_beside_a_run_that_begins_later_no_state_is_named(desk: Desk) -> None:
    """It would be among those that were there by then, and what it changes would never be taken back."""
    later = Epoch(desk.cloud.now + 9000)
    apply(desk.site, RUN, desk.plan(), desk.bench, approval=Approval.ALL, at=later, detached=True)

    with pytest.raises(RunOpen, match=f"{RUN} is scheduled"):
        name_state(desk.site, "before", OLD)


def test_a_name_is_given_once_and_one_that_was_never_given_is_refused_with_those_that_were(
    desk: Desk,
) -> None:
    of = named(desk)

    with pytest.raises(CheckpointTaken, match=r"another state is named before, .*: that of 2023\.1"):
        named(desk)
    with pytest.raises(CheckpointUnknown, match="the names there are: before"):
        checkpoint(desk.site.runs, "befor")

    assert checkpoint(desk.site.runs, "before") == of


def test_over_several_runs_it_is_told_which_goes_back_first_and_that_order_leads_there(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = named(desk)
    desk.apply(desk.plan())
    second = named(desk, "between")
    on_to(desk, Upgrade(R2025_1), SECOND)

    with pytest.raises(NoSingleWay) as caught:
        since(desk, first)

    told = [remedy.how for remedy in caught.value.remedies]
    lost = "where no step leads back by its backups, so that what was written since is lost"
    assert [how.partition(":")[0] for how in told] == [
        f"first run {SECOND}, 2024.1 to 2025.1, {lost}",
        f"then run {RUN}, 2023.1 to 2024.1, {lost}",
    ]
    commands = [part.partition("skylift ")[2] for how in told for part in how.split("; ")]
    assert [understood(command, tmp_path) for command in commands] == [""] * len(commands)
    assert since(desk, second) == SECOND

    back_to(desk, second, THIRD)
    assert since(desk, first) == RUN, "what is taken back lies between no more"
    back_to(desk, first, FOURTH)
    assert releases(desk) == {"2023.1"}
    assert named(desk, "home").release == R2023_1


def test_a_run_that_went_back_part_by_part_lies_between_no_more(desk: Desk) -> None:
    of = named(desk)
    paused_at(desk, GLANCE_OUT)
    for component, run in (("glance", BACK), ("keystone", SECOND)):
        assert since(desk, of) == RUN
        apply(desk.site, run, way_back(desk, component), desk.bench, approval=Approval.ALL)

    with pytest.raises(NoSingleWay, match="nothing to take back since before"):
        since(desk, of)


def test_a_state_that_lies_ahead_by_now_is_come_to_by_an_upgrade(desk: Desk) -> None:
    """The run before it was taken back: no way back leads forward."""
    desk.apply(desk.plan())
    after = named(desk)
    folder = desk.site.runs.find(RUN)
    apply_back(desk, propose_way_to(desk.site, replace(after, release=R2023_1), folder, restore=True).text)

    with pytest.raises(NoSingleWay, match=f"run {BACK} has gone back beyond it since") as caught:
        since(desk, after)

    assert [remedy.how for remedy in caught.value.remedies] == [
        "it lies ahead, so plan an upgrade: skylift plan --to 2024.1 -o FILE"
    ]


def test_where_nothing_ran_since_there_is_nothing_to_take_back(desk: Desk) -> None:
    of = named(desk)

    with pytest.raises(NoSingleWay, match="nothing to take back since before"):
        since(desk, of)


def test_a_way_that_leads_elsewhere_is_not_proposed(desk: Desk) -> None:
    """As where somebody changed the cloud by hand between the name and the run."""
    of = replace(named(desk), release=R2025_1)
    paused_at(desk, GLANCE_OUT)

    with pytest.raises(NoSingleWay, match=r"leads to 2023\.1; before is at 2025\.1"):
        propose_way_to(desk.site, of, desk.site.runs.find(RUN), restore=False)


def test_no_name_is_believed_of_a_trail_that_somebody_edited(desk: Desk) -> None:
    named(desk)
    with sqlite3.connect(desk.site.runs.audit) as trail:
        trail.execute("UPDATE entry SET body = replace(body, '2023.1', '2022.1') WHERE row = 2")

    with pytest.raises(AuditDamaged):
        checkpoints(desk.site.runs)


def test_the_names_are_listed_and_what_does_not_go_together_is_refused(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = str(tmp_path / "cloud.yaml")
    assert call(["--cloud", record, "checkpoint"]) == Exit.OK
    assert capsys.readouterr().out == "no state has a name yet\n"
    named(desk)

    assert call(["--cloud", record, "checkpoint"]) == Exit.OK

    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "release", "when", "by", "after"]
    assert row.startswith("before  2023.1   ")
    assert row.endswith("no run")
    assert call(["--cloud", record, "checkpoint", "no such name"]) == Exit.USAGE
    assert call(["--cloud", record, "checkpoint", "--to", "2024.1"]) == Exit.USAGE
    assert call(["--cloud", record, "rollback", "--to", "nobody"]) == Exit.BLOCKED
    assert call(["--cloud", record, "rollback", RUN, "--to", "before"]) == Exit.USAGE


def test_where_no_run_says_at_which_release_the_cloud_should_be_it_has_to_be_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"id_ed25519": "key", "known_hosts": PINNED, "clouds.yaml": "clouds: {lab: {auth: {}}}\n"}
    for name, text in {**files, "cloud.yaml": WHOLE}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)

    assert call(["--cloud", str(tmp_path / "cloud.yaml"), "checkpoint", "before"]) == Exit.USAGE

    assert "name it by --to RELEASE" in capsys.readouterr().err
