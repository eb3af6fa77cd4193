"""While a run is at rest nobody measures: the report says so, and claims nothing of that time."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from tests.app.desk import RUN, desk_at
from tests.report.reported import finished, told, touched_at, traffic

from skylift.app.account import account
from skylift.app.approvals import Approval
from skylift.app.conduct import apply
from skylift.app.propose_rollback import propose_rollback
from skylift.app.report import Impact
from skylift.app.wiring import open_journal
from skylift.cli.views import report as view
from skylift.engine.fold import Run
from skylift.engine.journal import Event, RunPaused, RunResumed, StepDone, Why
from skylift.model.ids import ComponentName, RunId
from skylift.model.sample import OK, STATUS, Sample
from skylift.planning.plan import Plan
from skylift.planning.text import read_plan

REST_S = 44


@pytest.fixture
def restore(tmp_path: Path) -> tuple[Plan, tuple[Event, ...]]:
    """A restore of placement, and the journal of its run."""
    desk = desk_at(tmp_path)
    desk.apply(desk.plan())
    text = propose_rollback(
        desk.site, desk.site.runs.find(RUN), (ComponentName("placement"),), restore=True
    ).text
    back = RunId("20260102-000000-run-0002")
    apply(desk.site, back, text, desk.bench, approval=Approval.ALL)
    with open_journal(desk.site.runs.find(back)) as journal:
        return read_plan(text), journal.events()


@cache
def upgrade() -> tuple[Plan, tuple[Event, ...]]:
    return finished()


def rested(events: tuple[Event, ...], step: str) -> tuple[tuple[Event, ...], float]:
    """The same run, paused when ``step`` was done, and resumed much later; and when it was paused."""
    cut = next(n for n, e in enumerate(events) if isinstance(e, StepDone) and e.step == step) + 1
    at_ms = events[cut - 1].at_ms
    later = [replace(event, at_ms=event.at_ms + REST_S * 1000) for event in events[cut:]]
    rest = RunPaused(Why.OPERATOR, None, at_ms), RunResumed("rey@console", at_ms + REST_S * 1000)
    return (*events[:cut], *rest, *later), at_ms / 1000


def measured(events: tuple[Event, ...], rest: float) -> list[Sample]:
    """Traffic, but for the rest: that ends the probes."""
    return [s for s in traffic(events) if not rest - 1 < s.ended < rest + REST_S]


def of(impacts: tuple[Impact, ...], api: str) -> Impact:
    return next(impact for impact in impacts if impact.api == api)


def test_a_rest_with_a_service_stopped_is_told_and_no_gap_is_claimed_for_it(
    restore: tuple[Plan, tuple[Event, ...]],
) -> None:
    plan, whole = restore
    events, rest = rested(whole, "placement-api:stop@ctl3")

    report = told(plan, events, measured(events, rest))
    text, document, page = "\n".join(view.lines(report)), view.document(report), view.html(report)

    placement = of(report.impacts, "placement")
    assert placement.kept is None
    assert "longest measured gap" in placement.measured
    assert placement.measured.endswith("not measured for 45 s, stopped meanwhile")
    assert "placement: NOT KNOWN: not measured for 45 s, stopped meanwhile" in text
    assert "  taken meanwhile: " in text
    assert "placement-api:drain@ctl1" in text
    assert "longest measured gap " in report.summary
    assert "not measured for 45 s (placement stopped)" in report.summary
    assert of(report.impacts, "glance").kept, "of others nothing was taken"
    assert not document["seamless"]
    assert [document["apis"][api]["seamless"] for api in ("placement", "glance")] == [False, True]
    assert document["unmeasured"][0]["apis"]["placement"]["how"] == "stopped"
    assert "placement: stopped for 4" in page
    assert ">not known</td>" in page


def test_a_loss_that_was_measured_beside_it_is_told_as_before(
    restore: tuple[Plan, tuple[Event, ...]],
) -> None:
    plan, whole = restore
    events, rest = rested(whole, "placement-api:stop@ctl3")
    lost = [
        s._replace(outcome=STATUS) if s.ended > rest and s.api == "placement" else s for s in traffic(events)
    ]
    lost = [s for s in lost if not rest - 1 < s.ended < rest + REST_S]

    placement = of(told(plan, events, lost).impacts, "placement")

    assert placement.kept is False
    assert "requests to placement failed" in placement.broken


def test_a_backend_that_was_out_while_nobody_measured_leaves_the_promise_unknown() -> None:
    plan, whole = upgrade()
    events, rest = rested(whole, "keystone:drain@ctl1")

    report = told(plan, events, measured(events, rest))

    assert of(report.impacts, "keystone").unmeasured == "not measured for 44 s, one backend fewer meanwhile"
    assert report.unmeasured[0].taken[0] == "keystone:drain@ctl1"
    assert report.verdict == "completed", "nothing worse was seen"


def test_a_rest_with_nothing_taken_is_told_and_leaves_all_promises_kept() -> None:
    plan, whole = upgrade()
    events, rest = rested(whole, "placement:sync")

    report = told(plan, events, measured(events, rest))

    assert "nothing was taken meanwhile" in "\n".join(view.lines(report))
    assert "not measured for 45 s" in report.summary
    assert all(impact.kept for impact in report.impacts)


def test_a_run_that_still_rests_was_not_measured_since() -> None:
    plan, whole = upgrade()
    events, rest = rested(whole, "keystone:drain@ctl1")
    until_then = [s for s in measured(events, rest) if s.ended < rest]
    resting = events[: next(n for n, e in enumerate(events) if isinstance(e, RunPaused)) + 1]

    known, unknown = (told(plan, resting, until_then, until=until) for until in (rest + 100, None))

    assert known.unmeasured[0].ended_ms == round((rest + 100) * 1000)
    assert "keystone one backend fewer" in known.summary
    assert unknown.unmeasured == ()


def test_a_planned_outage_is_not_told_as_no_gap(restore: tuple[Plan, tuple[Event, ...]]) -> None:
    plan, events = restore
    gone = touched_at(plan, events)
    asked = [s for s in traffic(events) if s.api != "placement" or not gone <= s.scheduled < gone + 5]

    placement = of(told(plan, events, asked).impacts, "placement")

    assert "does not answer in " in placement.planned
    assert "no gap" not in placement.planned
    assert (placement.broken, placement.kept) == ("", True)


def test_a_time_in_which_all_was_measured_is_not_told() -> None:
    plan, events = upgrade()

    report = told(plan, events, traffic(events), until=events[-1].at_ms / 1000)

    assert report.unmeasured == ()
    assert "not measured" not in "\n".join(view.lines(report))


def test_the_report_of_a_run_that_rests_looks_whether_its_probes_still_ask(tmp_path: Path) -> None:
    """They are ended as it comes to rest, and go on when its process is killed."""
    desk = desk_at(tmp_path)

    def rest(_run: Run) -> None:
        desk.asked = True

    desk.at_each_look = rest
    desk.apply(desk.plan())
    folder = desk.site.runs.find(RUN)
    asked_until = desk.cloud.now
    folder.samples.write_text(Sample(asked_until, 9, "list", "nova", OK, 200).line(), encoding="utf-8")
    desk.cloud.pass_time(60)

    rests = account(desk.site, folder, desk.remarks.append)
    desk.site.ports.vantage.start_probes(RUN)
    goes_on = account(desk.site, folder, desk.remarks.append)

    assert rests.run.closed is None
    assert [round(each.length_ms, -3) for each in rests.unmeasured] == [60_000]
    assert goes_on.unmeasured == ()
