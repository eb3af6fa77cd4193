"""The page of a run over a fleet has what its report has, with what is not known, and needs nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.app.maintained import CMP, RUN, SiteOf, bench_of, folder, planned, ran, site_of
from tests.report.test_report import NASTY, Page

from skylift.app.fleet_report import FleetReport, fleet_report, seen_by_users
from skylift.app.maintain import apply_mandate
from skylift.app.propose_fleet import propose_maintenance
from skylift.cli.views import fleet_report as text_view
from skylift.cli.views.fleet_page import html
from skylift.engine.fold import Standing
from skylift.fleet.mandate import Purpose, write_mandate
from skylift.fleet.plan import Kind
from skylift.model.ids import Epoch
from skylift.model.sample import GUEST_COUNTER, GUEST_PING, OK, RESTARTED, TIMEOUT, Sample
from skylift.ports import MigrationSeen


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Three compute hosts, an instance on each of two."""
    made = site_of(tmp_path, computes=3)
    for n in (1, 2):
        made.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    return made


def told(at: SiteOf) -> FleetReport:
    return fleet_report(at.site, folder(at), at.remarks.append)


def measured(report: FleetReport) -> FleetReport:
    """The same with a guest that was pinged, lost three and was restarted once; and one API."""
    began = report.account.run.opened_ms / 1000
    guest = "guest 10.0.0.5"
    pings = [
        Sample(began + n / 10, 4.0, GUEST_PING, guest, TIMEOUT if 50 <= n < 53 else OK, 200)
        for n in range(300)
    ]
    counted = Sample(began + 9, 9.0, GUEST_COUNTER, guest, RESTARTED, 0, NASTY)
    asked = [Sample(began + n, 20.0, "list", "nova", OK, 200) for n in range(30)]
    samples = [*pings, counted, *asked]
    return replace(report, availability=seen_by_users(samples, report.account.events), unmeasured=())


def test_the_page_needs_nothing_but_itself(at: SiteOf) -> None:
    ran(at)

    page = html(told(at))

    assert Page(page).links == []
    assert "url(" not in page
    assert "@import" not in page
    assert {"script", "link", "iframe", "img"}.isdisjoint(Page(page).tags)


def test_it_shows_each_host_over_time_its_waves_and_the_moves_beside_the_bound(at: SiteOf) -> None:
    run = ran(at)

    report = told(at)
    page = html(report)
    drawing = ET.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])  # noqa: S314 - our own

    assert run.standing is Standing.COMPLETED
    assert [row.find("{*}text").text for row in drawing.findall("{*}g")] == [  # type: ignore[union-attr] # has one
        turn[0] for turn in report.account.mandate.plan["turns"]
    ]
    for host in CMP[:3]:
        assert f'<th scope="row">{host}</th>' in page
    assert "<b>3 of 3</b>hosts done" in page
    assert "<b>2</b>moves of 2 instances; 2 were needed at least" in page
    assert "No plan could do with fewer than 2 moves" in page


def test_it_shows_who_was_brought_back_and_when(at: SiteOf) -> None:
    made = propose_maintenance(at.site, Purpose.REBOOT, (), frontier=False, afterwards=Kind.BRING_BACK)
    assert made.mandate is not None
    apply_mandate(at.site, RUN, write_mandate(made.mandate), bench_of(at))

    page = html(told(at))

    assert "<b>2 of 2</b>instances back on their hosts" in page
    assert "bring-back: from " in page
    assert "<b>4</b>moves of 2 instances; 4 were needed at least" in page


def test_it_shows_the_blackout_of_each_guest_and_what_it_lost(at: SiteOf) -> None:
    ran(at)

    report = measured(told(at))
    page = html(report)

    gap = report.availability.guests[0].gap.length_ms / 1000
    assert f"<b>{gap:.1f} s</b>blackout of guest 10.0.0.5: 3 of 300 pings lost, 1 restarts" in page
    assert '<th scope="row">nova</th>' in page
    assert "What is not known" not in page


def test_what_could_not_be_measured_is_said_in_every_form(at: SiteOf) -> None:
    ran(at)

    report = told(at)

    sentence = "no requests were measured, so what users got is not known"
    assert sentence in report.unmeasured
    assert f"  {sentence}" in text_view.lines(report)
    assert sentence in text_view.document(report)["unmeasured"]
    assert f"<li>{sentence}</li>" in html(report)
    assert sentence in at.remarks


def test_a_time_in_which_nobody_measured_is_said_with_its_bounds(at: SiteOf) -> None:
    ran(at)
    asked = [Sample(1_764_000_000 + n, 20.0, "list", "nova", OK, 200) for n in range(90) if not 20 < n < 60]
    folder(at).samples.write_text("".join(sample.line() for sample in asked), encoding="utf-8")

    report = told(at)

    assert (
        "nothing was measured from 2025-11-24 16:00:20 to 2025-11-24 16:01:00 UTC, "
        "so what users got then is not known"
    ) in report.unmeasured


def test_that_nova_does_not_tell_of_moves_is_said(at: SiteOf) -> None:
    ran(at)
    at.cloud.blind = 99

    report = told(at)

    assert report.moved == ()
    assert any(line.startswith("nova was not asked what became of the moves") for line in report.unmeasured)
    assert "<b>2</b>moves asked for of 2 instances" in html(report)


def test_it_shows_what_failed_what_is_left_and_what_to_do(at: SiteOf) -> None:
    at.cloud.nova.sick.add(CMP[2])

    run = ran(at)
    page = html(told(at))

    problem = run.steps[next(s for s in run.steps if s.startswith("try@cmp3"))].problem
    assert problem is not None
    assert problem.code in page
    assert "<b>cmp3</b> is left: " in page
    assert "skylift retry" in page


def test_whatever_a_service_said_is_text_on_the_page(at: SiteOf) -> None:
    ran(at)

    report = replace(measured(told(at)), unmeasured=(NASTY,))
    page = html(report)

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_page_of_a_run_that_has_just_begun_has_no_picture(at: SiteOf) -> None:
    at.asked = True
    text = planned(at)
    apply_mandate(at.site, RUN, text, bench_of(at))

    report = told(at)

    assert report.account.run.steps == {}
    assert "<svg" not in html(report)


def test_an_instance_that_nova_tells_nothing_of_is_named(at: SiteOf) -> None:
    ran(at)
    for move in at.cloud.nova.moves.all:
        seen: MigrationSeen = move.seen
        move.seen = replace(seen, began_at=Epoch(seen.began_at - 10**6))

    report = told(at)

    assert any("nova has no migration: vm1, vm2" in line for line in report.unmeasured)
