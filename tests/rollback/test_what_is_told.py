"""What an operator is told of a run that is, or was, taken back; and what is cleared up after both."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, desk_at
from tests.rollback.operated import BACK, GLANCE_OUT, apply_back, paused_at, way_back

from skylift.app.account import standing
from skylift.app.approvals import Approval
from skylift.app.as_planned import CloudDrifted
from skylift.app.clean_up import clean_up, in_its_place
from skylift.app.conduct import apply
from skylift.app.propose_rollback import propose_rollback
from skylift.app.samples import witness_label
from skylift.app.wiring import open_journal
from skylift.cli.views import plan as plan_view
from skylift.cli.views import run as run_view
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.operate import abort
from skylift.model.ids import RunId, StepId
from skylift.planning.text import read_plan
from skylift.planning.window import windows
from skylift.testing.samples import R2023_1, artifact_of


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path)


def test_a_run_that_was_taken_back_says_by_which_and_offers_nothing_any_more(desk: Desk) -> None:
    """What it had taken is the other's to give back; the other says what is to be done."""
    paused_at(desk, GLANCE_OUT)
    text = way_back(desk)
    told: list[str] = []

    def look(run: Run) -> None:
        if not told and run.id == BACK and len(run.within(Phase.DONE)) > 3:
            told.extend(status(desk))

    desk.at_each_look = look
    apply_back(desk, text)
    after = status(desk)

    assert told[0].endswith(f"being taken back by run {BACK}, which is running")
    assert after[0].endswith(f": taken back by run {BACK}")
    assert after[-1] == f"  next: skylift report {BACK}"
    for line in (*told, *after):
        assert not any(word in line for word in ("STILL TAKEN", "skylift rollback", "can go back"))


def test_of_a_run_that_was_taken_back_in_part_the_rest_can_still_go_back(desk: Desk) -> None:
    paused_at(desk, StepId("placement-api:undrain@ctl3"))
    apply_back(desk, way_back(desk, "placement"))

    told = status(desk)

    assert f"  placement: taken back by run {BACK}" in told
    assert any(line.startswith("  keystone can go back until") for line in told)
    assert not any(line.startswith("  placement can") for line in told)
    assert any("skylift rollback" in line for line in told)


def status(desk: Desk) -> list[str]:
    """What ``skylift status`` says of the upgrade."""
    seen = standing(desk.site.runs, desk.site.runs.find(RUN))
    begun = [step for step, at in seen.run.steps.items() if at.begun]
    found = windows(seen.plan, desk.site.catalog, begun)
    return [
        *run_view.lines(seen.plan, seen.run, seen.holder, seen.back),
        *run_view.window_lines(found, seen.back),
    ]


def test_a_plan_back_names_its_run_and_what_it_gives_back_as_status_did(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    before = status(desk)

    proposal = propose_rollback(desk.site, desk.site.runs.find(RUN), ())
    shown = [*plan_view.lines(proposal.plan), *plan_view.given_back(proposal)]

    out = "undrain ctl2 in pool glance"
    assert f"  taken by {GLANCE_OUT}, and given back by glance-api:undrain@ctl2: {out}" in before
    assert shown[1] == f"takes back run {RUN}, which led to 2024.1, and closes it when this begins"
    assert shown[-2:] == [
        f"what run {RUN} has taken, and this gives back:",
        f"  {GLANCE_OUT}: {out}",
    ]


def test_a_plan_that_was_run_says_so_before_what_its_own_run_has_changed(desk: Desk) -> None:
    text = desk.plan()
    paused_at(desk, GLANCE_OUT)
    apply_back(desk, way_back(desk))

    with pytest.raises(CloudDrifted) as drifted:
        apply(desk.site, RunId("20260103-000000-run-3"), text, desk.bench, approval=Approval.ALL)

    first, *facts = str(drifted.value).splitlines()
    used = f"by run {RUN}, which is aborted and was taken back by run {BACK}, which is completed"
    assert first.startswith(f"this very plan was run before, {used}; the cloud has changed")
    assert facts
    assert all(fact.startswith("  ") and " was " in fact for fact in facts)


def given_up_after(desk: Desk, *titles: str) -> None:
    """A way back of all, given up as soon as the steps that do this are done; at once, if there are none."""
    text, said = way_back(desk), False
    steps = {step.id for step in read_plan(text).steps if step.action.title in titles}

    def look(run: Run) -> None:
        nonlocal said
        if run.id == BACK and not said and steps <= run.within(Phase.DONE):
            said = True
            with open_journal(desk.site.runs.find(BACK)) as journal:
                abort(journal, desk.asked_now, reason="enough", leave=True)

    desk.at_each_look = look
    ended = apply_back(desk, text)
    desk.at_each_look = lambda _run: None
    assert ended.standing is Standing.ABORTED


def test_what_a_way_back_gave_back_before_it_was_given_up_is_taken_no_more(desk: Desk) -> None:
    """Row 10: nobody is told to give back what is given back."""
    paused_at(desk, GLANCE_OUT)
    before = status(desk)

    given_up_after(desk, "undrain ctl2 in pool glance")

    seen = standing(desk.site.runs, desk.site.runs.find(RUN))
    again = propose_rollback(desk.site, desk.site.runs.find(RUN), ())
    assert [line for line in before if f"taken by {GLANCE_OUT}" in line]
    assert not [line for line in status(desk) if GLANCE_OUT in line]
    assert run_view.document(seen.plan, seen.run, None, seen.back)["taken"] == []
    assert plan_view.given_back(again) == []


def test_what_a_way_back_had_not_come_to_when_it_was_given_up_is_still_taken(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)

    given_up_after(desk)

    assert [line for line in status(desk) if f"STILL TAKEN by {GLANCE_OUT}" in line]


def test_a_way_back_that_halts_does_not_offer_to_take_itself_back(desk: Desk) -> None:
    paused_at(desk, GLANCE_OUT)
    text = way_back(desk)
    desk.cloud.broken.add(artifact_of(R2023_1).path)

    halted = apply_back(desk, text)

    seen = standing(desk.site.runs, desk.site.runs.find(BACK))
    told = "\n".join(run_view.lines(seen.plan, seen.run, None))
    assert halted.standing is Standing.HALTED
    assert "service.died" in told
    assert "next: follow a remedy, then: skylift retry" in told
    assert "skylift rollback" not in told


def test_a_way_back_cleans_up_after_the_run_that_it_took_back_too(desk: Desk) -> None:
    """Named by either, and each is told with what it had."""
    paused_at(desk, GLANCE_OUT)
    apply_back(desk, way_back(desk))
    folders = desk.site.runs.known()
    labels = [witness_label(read_plan(folder.plan.read_bytes())) for folder in folders]
    told: list[str] = []

    before = set(desk.cloud.witnesses)
    judged_by = in_its_place(desk.site.runs, desk.site.runs.find(RUN))
    clean_up(desk.site, judged_by, told.append)

    assert before == set(labels)
    assert judged_by.id == BACK
    assert desk.cloud.witnesses == {}
    for folder, label, line in zip(folders, labels, told, strict=True):
        assert line.startswith(f"run {folder.id}: its witnesses {label} were removed: user, project, image")
