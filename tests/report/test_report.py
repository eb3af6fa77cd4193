"""The report says what happened, what users got, whether that was planned, and what to do."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest
from tests.report.reported import INTACT, broken, finished, told, touched_at, traffic

from skylift.actions.parking import ParkPool
from skylift.app.validate import Issue, Outcome, Validation, unfinished, validate
from skylift.catalog.catalog import load
from skylift.cli.views import report as view
from skylift.engine.journal import Event, Reported, RunClosed, RunPaused, StepDone, StepFailed, Why
from skylift.model.goal import Upgrade
from skylift.model.ids import PoolName, Seconds
from skylift.model.problem import Fix, Remedy
from skylift.model.sample import (
    BOOT,
    BOOT_ASKED,
    DONE,
    GUEST_COUNTER,
    GUEST_PING,
    LOST,
    OK,
    RESTARTED,
    STATUS,
    TIMEOUT,
    Sample,
)
from skylift.planning.plan import Impact, Notice, Plan
from skylift.ports import WitnessSeen
from skylift.testing.plans import step_of
from skylift.testing.samples import R2024_1, sample_cloud, sample_record

NASTY = "<script>alert('x')</script>&"
STUCK = Reported(
    "service.start-failed",
    f"keystone on ctl1 did not start: {NASTY}",
    (Remedy(Fix.REPAIR, "read its journal"), Remedy(Fix.RETRY, "then: skylift retry")),
)


@cache
def run() -> tuple[Plan, tuple[Event, ...]]:
    return finished()


def halted() -> tuple[Plan, tuple[Event, ...]]:
    """The same run, cut off where its first keystone was started, which failed."""
    plan, events = run()
    cut = next(n for n, e in enumerate(events) if isinstance(e, StepDone) and e.step == "keystone:start@ctl1")
    done = events[cut]
    assert isinstance(done, StepDone)
    failed = StepFailed(done.step, done.attempt, STUCK, ended=True, at_ms=done.at_ms)
    return plan, (*events[:cut], failed)


def test_a_run_without_loss_is_completed_and_kept_what_was_planned() -> None:
    """Rows 3 and 9."""
    plan, events = run()

    report = told(plan, events, traffic(events))

    assert report.verdict == "completed"
    assert report.issues == ()
    assert {impact.api: impact.kept for impact in report.impacts} == {
        "glance": True,
        "keystone": True,
        "placement": True,
    }
    assert re.fullmatch(
        r"completed, 0 failed of \d+ requests, longest gap 0\.\d s, witnesses 4 of 4", report.summary
    )


def test_lost_requests_are_an_issue_with_the_steps_they_fell_into_and_what_to_do() -> None:
    """Rows 3 and 10."""
    plan, events = run()
    touched = touched_at(plan, events)

    report = told(plan, events, broken(traffic(events), "glance", touched + 4, touched + 7, outcome=STATUS))

    assert report.verdict == "completed with issues"
    assert [impact.api for impact in report.impacts if not impact.kept] == ["glance"]
    assert "12 of" in report.issues[0].sentence
    assert "keystone:start@ctl1" in report.issues[0].sentence
    assert report.issues[0].remedies


def core_traffic(plan: Plan, events: tuple[Event, ...], *, lost: bool) -> list[Sample]:
    """Requests to nova, three boots, and a guest; of two of these something was lost, or nothing."""
    at = touched_at(plan, events)
    asked = [s._replace(api="nova") for s in traffic(events) if s.api == "glance"]
    boots = [Sample(at + n, 20.0, BOOT_ASKED, "nova", OK, 202) for n in range(3)]
    ends = [Sample(at + n, 9000.0, BOOT, "nova", DONE, 0) for n in range(2)]
    ends.append(Sample(at, 9000.0, BOOT, "nova", LOST if lost else DONE, 0, "server 7: gone early" * lost))
    asked += [s._replace(api="guest 10.0.0.5", stream=GUEST_PING) for s in asked]
    if lost:
        asked[-1] = asked[-1]._replace(outcome=TIMEOUT)
        asked.append(Sample(at, 9.0, GUEST_COUNTER, "guest 10.0.0.5", RESTARTED, 0, "counted 3 after 70"))
    return [*asked, *boots, *ends]


def test_a_run_that_lost_a_boot_a_ping_and_a_guest_says_so_in_every_form() -> None:
    plan, events = run()

    report = told(plan, events, core_traffic(plan, events, lost=True))
    text, document, page = view.lines(report), view.document(report), view.html(report)

    assert report.verdict == "completed with issues"
    assert [i.sentence.partition(" requests")[0].partition("of")[0] for i in report.issues] == ["2 ", "1 "]
    assert "openstack server list --all-projects --long --ip 10.0.0.5" in str(report.issues[0].remedies[0])
    assert "  lost by nova: server-boot: server 7: gone early" in text
    assert (document["lost"], document["boots"]) == (1, {"asked": 3, "failed": 0, "lost": 1})
    assert [(g["lost"], g["restarts"]) for g in document["guests"]] == [(1, 1)]
    for counts in ("0 failed and 1 lost of 3 boots", "1 lost of 3 works", "guest 10.0.0.5: 1 lost of"):
        assert counts in text[-1]
    for figure in ("0 failed and 1 lost of 3 boots", "guest 10.0.0.5: 1 lost of", "1 of 3</td>"):
        assert figure in page


def test_a_run_that_lost_nothing_says_how_much_there_was_to_lose() -> None:
    plan, events = run()

    report = told(plan, events, core_traffic(plan, events, lost=False))

    assert report.verdict == "completed"
    assert "0 failed and 0 lost of 3 boots, 0 lost of 3 works, guest 10.0.0.5: 0 lost of" in report.summary
    assert "0 restarts" in view.lines(report)[-1]
    assert re.search(r"longest gap of an API 0\.\d s", report.summary), "beside that of the guest"


def test_requests_that_waited_as_the_plan_announced_are_no_issue_and_are_seen() -> None:
    plan, events = run()
    park = step_of(ParkPool(PoolName("nova-api"), Seconds(20)))
    announced = replace(plan, steps=(*plan.steps, replace(park, impact=Impact(Notice.SLOW, "nova"))))
    held_from = touched_at(plan, events)
    asked = [s._replace(api="nova") for s in traffic(events) if s.api == "glance"]
    within = [s for s in asked if not held_from <= s.scheduled < held_from + 15]
    held = Sample(held_from, 15_000.0, "list", "nova", OK, 200)

    kept, broke = told(announced, events, [*within, held]), told(plan, events, [*within, held])

    assert (kept.verdict, broke.verdict) == ("completed", "completed with issues")
    assert "requests wait for up to 20 s" in kept.impacts[0].planned
    assert "1 slow" in kept.summary
    assert not kept.availability.seamless
    assert "; no gap above 21." in kept.impacts[0].planned
    assert "failed" not in broke.impacts[0].broken, "no request failed: that was kept"
    assert re.search(
        r"gap of nova was 15\.\d+ s, and may be 1\.\d+ s \(its slowest", broke.issues[0].sentence
    )
    assert "answers of nova that took longer than 10 s: 1" in "\n".join(view.lines(kept))
    assert broke.impacts[0].broken in "\n".join(view.lines(broke))


def test_what_a_run_has_not_come_to_yet_is_said_once() -> None:
    plan, events = halted()
    short = [Issue(Outcome.FAILED, f"glance on ctl{n} runs 2023.1", unfinished(plan.goal)) for n in (1, 2)]
    gone = Issue(Outcome.FAILED, "the catalog has no endpoint of image", (Remedy(Fix.REPAIR, "make one"),))
    seen = Validation(plan.goal.to, Outcome.FAILED, (), (*short, gone))

    report = told(plan, events, [], validation=seen)

    assert [issue.sentence for issue in report.issues] == [
        (
            "the run is not through (halted), so the cloud is not to be judged yet; "
            "so far glance on ctl1 runs 2023.1, and 1 more like it"
        ),
        gone.sentence,
    ]
    assert report.validation is not None
    assert report.validation.outcome is Outcome.UNFINISHED
    assert {issue.outcome for issue in report.issues} == {Outcome.UNFINISHED, Outcome.WITH_ISSUES}


def test_an_api_beside_the_record_is_not_looked_for_in_an_inspection() -> None:
    plan, events = run()
    asked = [s._replace(api="swift") for s in traffic(events) if s.api == "glance"]
    touched = touched_at(plan, events)

    report = told(plan, events, broken(asked, "swift", touched + 4, touched + 7, outcome=STATUS))

    assert "it is not in this record" in report.issues[0].remedies[0].how
    assert "skylift inspect" not in report.issues[0].remedies[0].how


def test_a_hurt_witness_is_an_issue() -> None:
    plan, events = run()
    hurt = WitnessSeen("image", intact=False, detail="its content has another checksum")

    report = told(plan, events, traffic(events), witnesses=(*INTACT[:3], hurt))

    assert report.verdict == "completed with issues"
    assert report.summary.endswith("witnesses 3 of 4")


def test_the_verdict_of_validation_stands_above_a_run_without_loss() -> None:
    plan, events = run()
    issue = Issue(Outcome.FAILED, "glance-api on ctl2 runs 2023.1", (Remedy(Fix.RETRY, "skylift resume"),))
    failed = Validation(plan.goal.to, Outcome.FAILED, (), (issue,))

    report = told(plan, events, traffic(events), validation=failed)

    assert isinstance(plan.goal, Upgrade)
    assert report.verdict == "failed"
    assert issue in report.issues


def test_a_run_that_halted_says_so_and_shows_the_ways_out() -> None:
    """Row 10."""
    plan, events = halted()

    report = told(plan, events, traffic(events))
    text = "\n".join(view.lines(report))

    assert report.verdict == "halted"
    assert [(t.step, t.over) for t in report.troubles] == [("keystone:start@ctl1", False)]
    assert "service.start-failed" in text
    assert "repair: read its journal" in text
    assert "fix and retry: then: skylift retry" in text


def test_a_pause_by_the_loss_budget_is_a_problem_of_the_run() -> None:
    plan, events = run()
    cut = [e for e in events if not isinstance(e, RunClosed)]
    spent = Reported("loss-budget.spent", "6 requests failed or were lost", ())

    report = told(plan, [*cut, RunPaused(Why.LOSS_BUDGET, spent, cut[-1].at_ms)], [])

    assert report.verdict == "paused"
    assert [(t.step, t.problem.code, t.over) for t in report.troubles] == [(None, "loss-budget.spent", False)]


def test_a_run_that_nobody_measured_claims_nothing_of_its_users() -> None:
    plan, events = run()

    report = told(plan, events, [])

    assert "no requests were measured" in report.summary
    assert report.impacts == ()


def test_what_was_not_measured_yet_has_no_figure() -> None:
    """As before the first step: nothing was asked while something changed."""
    plan, events = run()
    began = touched_at(plan, events)
    before = [sample for sample in traffic(events) if sample.ended < began]

    report = told(plan, events, before)
    rows = [line.split() for line in view.lines(report) if re.match(r"  (glance|keystone|placement) ", line)]

    assert len(rows) == 3
    assert all(row[-5::2] == ["ms", row[-3], "-"] and row[-4] == "-" for row in rows)
    assert all("p99 - after" in impact.measured for impact in report.impacts)
    assert " 0 ms" not in view.html(report)


def test_the_document_is_json_with_every_failed_request() -> None:
    plan, events = run()
    touched = touched_at(plan, events)

    report = told(plan, events, broken(traffic(events), "glance", touched + 4, touched + 7, outcome=STATUS))
    document = json.loads(json.dumps(view.document(report)))

    assert document["failed"] == len(document["failures"]) == 12
    assert document["apis"]["glance"]["failed_by_step"]
    assert not document["seamless"]


class Page(HTMLParser):
    """What a page is made of, as far as these claims need it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]


@pytest.mark.parametrize("events", [run, halted])
def test_the_page_needs_nothing_but_itself(events: object) -> None:
    plan, told_of = run() if events is run else halted()
    page = view.html(told(plan, told_of, traffic(told_of)))

    assert Page(page).links == []
    assert "url(" not in page
    assert "@import" not in page
    assert {"script", "link", "iframe", "img"}.isdisjoint(Page(page).tags)


def test_the_page_shows_what_each_service_was_seen_to_run() -> None:
    """Row 9: the verdict of the cloud is one of each service on each host."""
    plan, events = run()
    record = sample_record()
    upgraded = sample_cloud(record, release=R2024_1, goal=R2024_1)
    validation = validate(upgraded, record, Upgrade(R2024_1), load())

    page = view.html(told(plan, events, traffic(events), validation=validation))

    for service, host in upgraded.units:
        assert f'<th scope="row">{service}</th><td>{host}</td><td>2024.1</td>' in page


def test_whatever_a_service_said_is_text_on_the_page() -> None:
    plan, events = halted()
    samples = [s._replace(outcome=STATUS, detail=NASTY) for s in traffic(events)[:5]]
    witnesses = (WitnessSeen(NASTY, intact=False, detail=NASTY),)

    page = view.html(told(plan, events, samples, witnesses=witnesses))

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_picture_has_words_for_those_who_cannot_see_it() -> None:
    plan, events = run()
    page = view.html(told(plan, events, traffic(events)))

    assert 'role="img" aria-labelledby="c-title c-desc"' in page
    assert "prefers-color-scheme: dark" in page
    assert Page(page).tags.count("table") >= 4


def test_a_page_of_a_run_that_has_just_begun_has_no_picture() -> None:
    plan, events = run()

    page = view.html(told(plan, events[:1], []))

    assert "<svg" not in page
