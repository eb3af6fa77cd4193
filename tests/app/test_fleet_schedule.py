"""A run over hosts begins at its time, or in its first window, and looks at the fleet again then."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.app.maintained import RUN, SiteOf, bench_of, folder, planned, site_of

from skylift.app.fleet_account import fleet_account
from skylift.app.maintain import apply_mandate, go_on, take_over
from skylift.app.take_up import looks_in_again, take_up
from skylift.app.wiring import open_journal
from skylift.cli.views import fleet_run as run_view
from skylift.engine.fold import Run, Standing
from skylift.engine.journal import StepStarted, Why
from skylift.model.ids import Epoch
from skylift.model.notification import Notification, NotifyEntry, Occasion, Way


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Three compute hosts, an instance on each of two."""
    made = site_of(tmp_path, computes=3)
    for n in (1, 2):
        made.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    return made


def first_began(at: SiteOf) -> float:
    with open_journal(folder(at)) as journal:
        return next(e.at_ms / 1000 for e in journal.events() if isinstance(e, StepStarted))


def scheduled(at: SiteOf) -> Epoch:
    """A run that was left to begin in ten minutes, and when that is."""
    begins = Epoch(at.cloud.now + 600)
    apply_mandate(at.site, RUN, planned(at), bench_of(at), at=begins, detached=True)
    return begins


def test_it_begins_at_its_time_and_users_are_told_so_long_before_as_they_wish(at: SiteOf) -> None:
    users = NotifyEntry(Way.COMMAND, events=(Occasion.USERS_BEFORE,), lead_min=10)
    told: list[tuple[Notification, float]] = []

    def send(_entry: NotifyEntry, what: Notification) -> str | None:
        told.append((what, at.cloud.now))
        return None

    record = replace(at.site.record, notify={"users": users})
    at.site = replace(at.site, record=record, send=send)
    begins = Epoch(at.cloud.now + 1800)

    ended = apply_mandate(at.site, RUN, planned(at), bench_of(at), at=begins)

    assert ended.standing is Standing.COMPLETED
    assert ended.opened_ms / 1000 < begins <= first_began(at)
    ((before, told_at),) = told
    assert before.at_ms == begins * 1000
    assert begins - 600 <= told_at <= begins - 590


def test_it_waits_for_its_first_window(at: SiteOf) -> None:
    opens = Epoch((at.cloud.now // 60 + 5) * 60)
    first, last = (datetime.fromtimestamp(opens + s, UTC) for s in (0, 6 * 3600))
    policy = replace(at.site.record.policy, windows=(f"daily {first:%H:%M}-{last:%H:%M}",))
    at.site = replace(at.site, record=replace(at.site.record, policy=policy))

    ended = apply_mandate(at.site, RUN, planned(at), bench_of(at))

    assert any(remark.startswith("waiting until ") for remark in at.remarks)
    assert first_began(at) >= opens
    assert ended.standing is Standing.COMPLETED


def test_a_worker_drives_it_when_it_is_time_and_status_says_when_that_is(at: SiteOf) -> None:
    begins = scheduled(at)

    def taken_up() -> Run:
        return take_up(at.site, RUN, bench_of(at), show=lambda _proposal: None)

    before, again = taken_up(), looks_in_again(at.site, RUN)
    told = "\n".join(run_view.lines(fleet_account(at.site.runs, folder(at))))
    at.cloud.pass_time(600)
    ended = taken_up()

    assert (before.length, again) == (1, 60)
    assert f"begins at {datetime.fromtimestamp(begins, UTC):%a %Y-%m-%d %H:%M} UTC" in told
    assert ": scheduled" in told
    assert first_began(at) >= begins
    assert ended.standing is Standing.COMPLETED


def test_hosts_that_can_no_longer_be_done_when_it_begins_pause_it_before_anything_is_touched(
    at: SiteOf,
) -> None:
    scheduled(at)
    at.cloud.pass_time(600)
    deeds, at.cloud.nova.servers["vm1"].tags = list(at.cloud.deeds), ("maintenance=never",)

    paused = take_over(at.site, folder(at), bench_of(at))
    touched = list(at.cloud.deeds)
    at.cloud.nova.servers["vm1"].tags = ()
    ended = go_on(at.site, folder(at), bench_of(at))

    assert (paused.standing, dict(paused.steps), touched) == (Standing.PAUSED, {}, deeds)
    assert paused.pause is not None
    assert paused.pause.why is Why.DRIFT
    assert paused.pause.problem is not None
    assert paused.pause.problem.code == "fleet.drifted"
    assert ended.standing is Standing.COMPLETED
