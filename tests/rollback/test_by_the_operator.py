"""A run is taken back as its operator asks: from which standings, what is taken over, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, desk_at
from tests.rollback.operated import BACK, GLANCE_OUT, apply_back, paused_at, run_of, say, way_back

from skylift.app.account import judge, standing
from skylift.app.approvals import Approval
from skylift.app.as_planned import CloudDrifted, OtherRecord
from skylift.app.conduct import apply, go_on
from skylift.app.propose import PlanUnsafe
from skylift.app.propose_rollback import propose_rollback
from skylift.app.runs import Runs, RunUnknown
from skylift.app.validate import Outcome
from skylift.app.wiring import hold, open_journal
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.cli.views import run as run_view
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.operate import abort, pause
from skylift.engine.problems import RunHeld, RunRefuses, StepRefuses
from skylift.model.goal import Rollback
from skylift.model.ids import HostName, RunId, StepId
from skylift.model.problem import Fix, Problem
from skylift.planning.refusals import NothingToTakeBack, NotRead, NotRolling, OthersFirst, WayBackClosed
from skylift.planning.text import read_plan, write_plan
from skylift.planning.window import windows
from skylift.ports.hosts import HostUnreachable
from skylift.testing.fake_services import FakeDatabase
from skylift.testing.samples import R2024_1, artifact_of


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path)


def releases(desk: Desk) -> set[str]:
    return {str(u.running)[-6:] for host in desk.cloud.hosts.values() for u in host.units.values()}


def test_a_paused_run_is_taken_back_closed_and_what_it_had_taken_is_given_back(desk: Desk) -> None:
    """Issue 5, 2: while running; shown, approved, run like any plan."""
    paused = paused_at(desk, GLANCE_OUT)
    text = way_back(desk)

    ended = apply_back(desk, text)

    first = run_of(desk)
    assert paused.standing is Standing.PAUSED
    assert ended.standing is Standing.COMPLETED
    assert first.standing is Standing.ABORTED
    assert first.abort is not None
    assert first.abort.reason == f"taken back by run {BACK}"
    assert releases(desk) == {"2023.1"}
    assert {view.state.value for view in desk.cloud.traffic.views()} == {"up"}
    assert desk.cloud.failed == []


def test_a_run_that_halted_with_a_service_down_is_taken_back(desk: Desk) -> None:
    """Row 39: rollback restores the previous state if the upgrade fails."""
    desk.cloud.broken.add(artifact_of(R2024_1).path)
    halted = desk.apply(desk.plan())

    ended = apply_back(desk, way_back(desk))

    assert halted.standing is Standing.HALTED
    assert ended.standing is Standing.COMPLETED
    assert releases(desk) == {"2023.1"}
    assert desk.cloud.failed == []


def test_a_run_that_was_given_up_is_taken_back_and_stays_closed_as_it_was(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    go_on(
        desk.site,
        desk.site.runs.find(RUN),
        desk.bench,
        lambda journal, asked: abort(journal, asked, reason="enough", leave=False),
    )

    ended = apply_back(desk, way_back(desk))

    first = run_of(desk)
    assert ended.standing is Standing.COMPLETED
    assert first.abort is not None
    assert first.abort.reason == "enough"
    assert releases(desk) == {"2023.1"}


def test_after_success_only_what_has_no_contract_behind_it_could_go_back(desk: Desk) -> None:
    """What cannot go back is refused in words, with the backups that can, and the command that restores."""
    desk.apply(desk.plan())

    with pytest.raises(WayBackClosed) as caught:
        way_back(desk)

    told = str(caught.value)
    (restore,) = [remedy.how for remedy in caught.value.remedies if remedy.fix is Fix.ROLL_BACK]
    assert "keystone, since keystone:contract has begun: before contract old code runs" in told
    assert restore.count("ctl1:/var/backups/skylift/") == 3
    assert (
        "give up what was written since, and restore ctl1:/var/backups/skylift/keystone-2023.1-to" in restore
    )
    assert restore.endswith("--component placement --restore -o back.plan")


@pytest.mark.parametrize("word", [None, "abort"])
def test_a_run_that_goes_on_or_is_being_given_up_is_not_taken_back(desk: Desk, word: str | None) -> None:
    """The one table: what works, or gives back, comes to its end first."""
    seen: list[Problem] = []

    def look(run: Run) -> None:
        if GLANCE_OUT in run.within(Phase.DONE) and not seen:
            if word:
                say(desk, abort, reason="enough", leave=False)
            with pytest.raises(RunHeld) as held:
                way_back(desk)
            seen.append(held.value)

    desk.at_each_look = look
    desk.apply(desk.plan())

    assert seen


def test_a_run_whose_process_died_comes_to_rest_before_it_is_taken_back(desk: Desk) -> None:
    """A step of it may still be under way on its host."""

    def dies(run: Run) -> None:
        if StepId("glance-api:start@ctl1") in run.within(Phase.RUNNING):
            raise KeyboardInterrupt

    desk.at_each_look = dies
    with pytest.raises(KeyboardInterrupt):
        desk.apply(desk.plan())
    desk.at_each_look = lambda _run: None

    with pytest.raises(RunRefuses, match=r"it is interrupted \(its process is gone\)") as interrupted:
        way_back(desk)
    say(desk, pause)
    with pytest.raises(StepRefuses, match="cannot rollback glance-api:start@ctl1: it is running") as paused:
        way_back(desk)

    for refused in (interrupted.value, paused.value):
        hows = [remedy.how for remedy in refused.remedies if remedy.fix is Fix.ROLL_BACK]
        then = "then: skylift rollback -o back.plan"
        assert hows == [
            f"let it see that end, and stop it by Ctrl-C: skylift resume; {then}",
            f"or give it up: skylift abort --reason WHY; {then}",
        ]


def test_a_paused_run_that_waits_for_a_step_is_waited_for_and_not_paused_again(desk: Desk) -> None:
    seen: list[RunHeld] = []

    def look(run: Run) -> None:
        if StepId("glance-api:start@ctl1") in run.within(Phase.RUNNING) and not seen:
            say(desk, pause)
            with pytest.raises(RunHeld) as held:
                way_back(desk)
            seen.append(held.value)

    desk.at_each_look = look
    desk.apply(desk.plan())

    hows = [remedy.how for remedy in seen[0].remedies]
    assert any("wait until glance-api:start@ctl1 has ended" in how for how in hows), hows
    assert not any("skylift pause" in how for how in hows)


def test_a_plan_back_from_a_run_that_went_on_since_is_refused(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    text = way_back(desk)
    folder = desk.site.runs.find(RUN)
    desk.at_each_look = lambda run: (
        say(desk, pause) if len(run.steps) > 73 and run.standing is Standing.RUNNING else None
    )
    go_on(desk.site, folder, desk.bench)

    with pytest.raises(CloudDrifted, match=f"run {RUN} was at") as caught:
        apply_back(desk, text)

    assert any(f"skylift rollback {RUN}" in remedy.how for remedy in caught.value.remedies)
    assert run_of(desk).standing is Standing.PAUSED, "what was not taken back is not closed"


def test_while_somebody_works_on_the_cloud_nothing_is_taken_back(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    text = way_back(desk)

    with hold(desk.site, RunId("another")), pytest.raises(RunHeld):
        apply_back(desk, text)

    assert run_of(desk).standing is Standing.PAUSED


def test_one_component_goes_back_and_the_others_stay(desk: Desk) -> None:
    paused_at(desk, StepId("placement-api:undrain@ctl3"))

    ended = apply_back(desk, way_back(desk, "placement"))

    record = desk.site.record
    unit = record.services["placement-api"].unit  # type: ignore[index] # a name
    assert ended.standing is Standing.COMPLETED
    assert {str(h.units[unit].running)[-6:] for h in desk.cloud.hosts.values() if h.units} == {"2023.1"}
    assert releases(desk) == {"2023.1", "2024.1"}


def test_what_others_count_on_goes_back_with_them_or_not_at_all(desk: Desk) -> None:
    paused_at(desk, StepId("placement-api:undrain@ctl3"))

    with pytest.raises(OthersFirst, match="keystone goes back after glance, which is still new") as caught:
        way_back(desk, "keystone")

    named = f"skylift rollback {RUN} --component keystone --component glance --component placement"
    assert any(named in remedy.how for remedy in caught.value.remedies)


def test_what_a_run_only_prepared_leaves_nothing_to_take_back(desk: Desk) -> None:
    paused_at(desk, StepId("keystone:expand"))

    with pytest.raises(NothingToTakeBack, match="no service had begun to be upgraded"):
        way_back(desk)
    with pytest.raises(NothingToTakeBack, match="no service of glance had begun"):
        way_back(desk, "glance")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("keyston", f"did you mean keystone? skylift rollback {RUN} --component keystone -o back.plan"),
        ("swift", "name one of: glance, keystone, placement"),
    ],
)
def test_a_component_that_is_misspelt_is_guessed(desk: Desk, typed: str, told: str) -> None:
    paused_at(desk, GLANCE_OUT)

    with pytest.raises(NothingToTakeBack, match=f"the record has no component {typed}") as caught:
        way_back(desk, typed)

    assert caught.value.remedies[0].how == told


def test_what_a_later_run_to_the_same_release_began_ends_the_way_back_of_an_earlier_one_too(
    desk: Desk,
) -> None:
    paused_at(desk, StepId("placement-api:undrain@ctl2"))
    go_on(
        desk.site,
        desk.site.runs.find(RUN),
        desk.bench,
        lambda journal, asked: abort(journal, asked, reason="another day", leave=False),
    )
    second = RunId("20260102-000000-run-0002")
    ended = apply(desk.site, second, desk.plan(), desk.bench, approval=Approval.ALL)

    with pytest.raises(WayBackClosed, match="placement"):
        way_back(desk, "placement")

    assert ended.standing is Standing.COMPLETED


def test_a_way_back_is_not_itself_taken_back(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    apply_back(desk, way_back(desk))

    with pytest.raises(NothingToTakeBack, match="to go forward again, plan an upgrade"):
        propose_rollback(desk.site, desk.site.runs.find(BACK), ())


def test_after_a_way_back_the_same_upgrade_can_be_planned_and_run(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    apply_back(desk, way_back(desk))

    again = apply(
        desk.site, RunId("20260103-000000-run-0003"), desk.plan(), desk.bench, approval=Approval.ALL
    )

    assert again.standing is Standing.COMPLETED
    assert desk.cloud.failed == []


def test_a_way_back_that_was_given_up_half_way_is_planned_again_from_there(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    text = way_back(desk)

    def gives_up(run: Run) -> None:
        if len(run.within(Phase.DONE)) > 20 and run.abort is None and run.closed is None:
            with open_journal(desk.site.runs.find(BACK)) as journal:
                abort(journal, desk.asked_now, reason="not now", leave=False)

    desk.at_each_look = gives_up
    first = apply_back(desk, text)
    desk.at_each_look = lambda _run: None

    ended = apply(
        desk.site, RunId("20260103-000000-run-0003"), way_back(desk), desk.bench, approval=Approval.ALL
    )

    assert first.standing is Standing.ABORTED
    assert ended.standing is Standing.COMPLETED
    assert releases(desk) == {"2023.1"}


def test_status_says_how_far_each_component_can_go_back(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    half_way = standing(desk.site.runs, desk.site.runs.find(RUN))
    begun = half_way.run.steps.keys()

    early = run_view.window_lines(windows(half_way.plan, desk.site.catalog, begun))
    every = frozenset(step.id for step in half_way.plan.steps)
    late = run_view.window_lines(windows(half_way.plan, desk.site.catalog, every))

    later = "glance:contract or placement:online-migrations"
    assert early == [
        f"  keystone can go back until keystone:contract or {later} begins",
        f"  glance can go back until {later} begins",
    ]
    assert late == [
        "  keystone cannot go back any more: keystone:contract has begun",
        "  glance cannot go back any more: glance:contract has begun",
        "  placement cannot go back any more: placement:online-migrations has begun",
    ]


def test_the_report_judges_only_what_went_back_and_bears_schemas_that_are_ahead(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    text = way_back(desk)
    apply_back(desk, text)
    goal = standing(desk.site.runs, desk.site.runs.find(BACK)).plan.goal

    judged = judge(desk.site, goal)

    assert isinstance(goal, Rollback)
    assert judged.outcome is Outcome.COMPLETED, judged.issues
    assert {verdict.service for verdict in judged.services} == {"keystone", "glance-api"}


def test_a_plan_back_that_may_not_run_is_made_again_by_its_own_command(desk: Desk) -> None:
    """Whatever refuses it: the verifier, the record that changed, or the cloud that did."""
    paused_at(desk, GLANCE_OUT)
    text = way_back(desk)
    again = f"skylift rollback {RUN} --component keystone --component glance -o back.plan"
    unsafe = write_plan(replace(read_plan(text), edges=()))
    other = replace(desk.site, record=replace(desk.site.record, name="another"))
    silent = replace(desk.site, ports=replace(desk.site.ports, database=Silent(desk.cloud)))

    with pytest.raises(PlanUnsafe) as unsafe_told:
        apply_back(desk, unsafe)
    with pytest.raises(OtherRecord) as other_told:
        apply(other, BACK, text, desk.bench, approval=Approval.ALL)
    with pytest.raises(NotRead) as unread_told:
        propose_rollback(silent, desk.site.runs.find(RUN), ())
    for seen in desk.cloud.traffic.servers.values():
        for server in seen.values():
            server.healthy = False
    with pytest.raises(NotRolling) as alone_told:
        propose_rollback(desk.site, desk.site.runs.find(RUN), ())

    for told in (unsafe_told, other_told, unread_told, alone_told):
        hows = [remedy.how for remedy in told.value.remedies]
        assert any(how.endswith(again) for how in hows), hows
        assert not any("skylift plan --to" in how for how in hows)


class Silent(FakeDatabase):
    """No table of versions can be read."""

    def rows(self, database: str, table: str = "alembic_version") -> frozenset[str]:
        raise HostUnreachable(HostName("ctl1"), f"nobody answers of {database}.{table}")


def test_a_run_that_is_not_known_is_told_from_those_that_are(desk: Desk, tmp_path: Path) -> None:
    """The remedy names what is there, and no folder that may not be."""
    with pytest.raises(RunUnknown) as none_yet:
        Runs(tmp_path / "elsewhere").find(None)
    paused_at(desk, GLANCE_OUT)
    with pytest.raises(RunUnknown) as misspelt:
        desk.site.runs.find("run-1")

    assert not any(" ls " in remedy.how for remedy in none_yet.value.remedies)
    assert any(remedy.how.endswith(RUN) for remedy in misspelt.value.remedies)


def test_a_run_that_is_not_here_is_named(tmp_path: Path) -> None:
    assert call(["--cloud", str(tmp_path / "cloud.yaml"), "rollback", "no-such-run"]) == Exit.BLOCKED
