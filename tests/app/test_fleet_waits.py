"""What others do on hosts that are to be empty: it is named, waited for so long, and never for ever."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import (
    ALWAYS,
    CMP,
    QUICK,
    RUN,
    SiteOf,
    bench_of,
    boots,
    folder,
    is_whole,
    planned,
    ran,
    site_of,
)

from skylift.app.fleet_account import fleet_account
from skylift.app.maintain import apply_mandate, go_on
from skylift.app.wiring import open_journal
from skylift.cli.views import fleet_run as run_view
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.journal import StepStarted, StepWaits
from skylift.engine.operate import retry
from skylift.fleet.mandate import Purpose
from skylift.model.closing import reason_of
from skylift.model.ids import RunId, Seconds, StepId
from skylift.model.marks import canary_name
from skylift.testing.fake_moves import FakeMove

EMPTY_2 = StepId("empty@cmp2")
PATIENT = replace(QUICK, patience=Seconds(300))


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Three compute hosts, an instance on each of two."""
    made = site_of(tmp_path, computes=3, maintenance=PATIENT)
    for n in (1, 2):
        made.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    return made


def anothers_move(at: SiteOf, name: str, target: str) -> FakeMove:
    """An operator, or a service, moves an instance past this run, and that does not end."""
    server = at.cloud.nova.servers[name]
    server.stuck = ALWAYS
    at.cloud.nova.moves.begin(server, CMP[int(target[-1]) - 1], live=True)
    return at.cloud.nova.moves.all[-1]


def told(at: SiteOf) -> list[StepWaits]:
    with open_journal(folder(at)) as journal:
        return [event for event in journal.events() if isinstance(event, StepWaits)]


def sentence(run: Run) -> str:
    problem = run.steps[EMPTY_2].problem
    assert problem is not None
    return problem.sentence


def test_a_migration_of_others_to_a_closing_host_is_named_at_once_and_in_status(at: SiteOf) -> None:
    anothers_move(at, "vm1", "cmp2")
    status: list[str] = []

    def look() -> None:
        if at.cloud.roster.closed and at.cloud.now % 100 < 1:
            status.extend(run_view.lines(fleet_account(at.site.runs, folder(at))))

    at.meanwhile = look

    ran(at, Purpose.REBOOT, CMP[1])

    named = "migration 1 of vm1 from cmp1 to cmp2, which this run did not ask for,"
    assert [event.what for event in told(at)] == [f"{named} for maintenance.patience at most"]
    assert any(f"under way: empty@cmp2 waits for {named}" in line for line in status)


def test_one_that_does_not_end_in_time_gives_the_host_back_with_a_way_out(at: SiteOf) -> None:
    move = anothers_move(at, "vm1", "cmp2")

    run = ran(at, Purpose.REBOOT, CMP[1])

    assert run.within(Phase.FAILED) == {EMPTY_2}
    assert "which this run did not ask for, did not end within 300 s" in sentence(run)
    problem = run.steps[EMPTY_2].problem
    assert problem is not None
    assert "openstack server migration abort vm1 1" in str(problem.remedies)
    assert at.cloud.roster.closed == {}
    assert move.seen.under_way, "nobody else's migration is ended"

    at.cloud.nova.moves.abort(move)
    again = go_on(at.site, folder(at), bench_of(at), retry)

    assert (again.standing, boots(at)["cmp2"]) == (Standing.COMPLETED, 2)
    assert is_whole(at)


def test_one_that_ends_in_time_is_waited_for(at: SiteOf) -> None:
    move = anothers_move(at, "vm1", "cmp2")

    def end() -> None:
        if told(at) and not at.said:
            at.said = True
            at.cloud.nova.moves.abort(move)

    at.meanwhile = end

    run = ran(at, Purpose.REBOOT, CMP[1])

    assert run.standing is Standing.COMPLETED
    assert [event.what == "" for event in told(at)] == [False, True]
    assert run.waits == {}


def test_an_instance_that_others_move_off_a_host_for_ever_keeps_its_host(at: SiteOf) -> None:
    def move() -> None:
        if at.cloud.roster.closed and not at.said:
            at.said = True
            anothers_move(at, "vm2", "cmp3")

    at.meanwhile = move

    run = ran(at, Purpose.REBOOT, CMP[1])

    assert "which this run did not ask for, did not end within 300 s" in sentence(run)
    assert (boots(at)["cmp2"], at.cloud.roster.closed) == (1, {})
    assert [m.seen.instance for m in at.cloud.nova.moves.all] == ["vm2"]


def test_a_host_that_was_left_out_is_not_begun_though_it_could_be_by_now(at: SiteOf) -> None:
    """Its instance was busy when the rest was approved, with --partial."""
    at.cloud.nova.servers["vm2"].task_state = "image_uploading"
    text = planned(at)

    def free() -> None:
        at.cloud.nova.servers["vm2"].task_state = None

    at.meanwhile = free

    run = apply_mandate(at.site, RUN, text, bench_of(at))

    assert run.standing is Standing.COMPLETED
    assert boots(at) == {"cmp1": 2, "cmp2": 1, "cmp3": 2}
    assert set(fleet_account(at.site.runs, folder(at)).left) == {CMP[1]}


def test_a_migration_that_goes_on_by_its_status_alone_is_in_nobodys_way(at: SiteOf) -> None:
    """Its process died: Nova leaves the row as it is, and the instance has nothing to do."""
    anothers_move(at, "vm1", "cmp2")
    server = at.cloud.nova.servers["vm1"]
    server.task_state, server.stuck = None, 0

    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert boots(at) == dict.fromkeys(CMP[:3], 2)


def test_one_between_hosts_that_nobody_works_on_does_not_keep_a_run_from_its_end(at: SiteOf) -> None:
    anothers_move(at, "vm1", "cmp3")

    run = ran(at, Purpose.REBOOT, CMP[1])

    assert (run.standing, boots(at)["cmp2"]) == (Standing.COMPLETED, 2)


def test_a_host_that_an_earlier_run_left_closed_is_told_to_wait_as_any_other(at: SiteOf) -> None:
    old = RunId("20250101-000000-run-0000")
    at.site.runs.create(old, planned(at))
    (at.site.runs.home / "runs" / old / "journal").touch()
    anothers_move(at, "vm1", "cmp2")
    at.cloud.roster.closed["nova-compute-cmp2"] = reason_of(old, at.cloud.now)

    run = ran(at, Purpose.REBOOT, CMP[1])

    assert "did not end within 300 s" in sentence(run)
    assert at.cloud.roster.closed == {}


def test_a_server_of_skylifts_that_nobody_here_knows_is_named_and_left(at: SiteOf) -> None:
    name = canary_name("20200101-000000-run-0000", "cmp2")
    at.cloud.nova.boot(name, "cmp2", ours=True)

    run = ran(at, Purpose.REBOOT, CMP[1])

    assert f"the server {name}" in sentence(run)
    assert not at.cloud.nova.servers[name].deleted
    problem = run.steps[EMPTY_2].problem
    assert problem is not None
    assert f"openstack server delete {name}" in str(problem.remedies)


def first_step_s(at: SiteOf) -> float:
    """How long after it was opened the run began its first step."""
    with open_journal(folder(at)) as journal:
        found = journal.events()
    first = next(event for event in found if isinstance(event, StepStarted))
    return (first.at_ms - fold(found).opened_ms) / 1000


def test_a_run_begins_once_its_witnesses_are_whole(at: SiteOf) -> None:
    """A real cloud has made them minutes after it was asked; until then no guest of ours could be pinged."""
    text, began = planned(at), at.cloud.now
    at.cloud.witnesses[RUN] = False

    def made() -> None:
        at.cloud.witnesses[RUN] |= at.cloud.now - began > 40

    at.meanwhile = made

    run = apply_mandate(at.site, RUN, text, bench_of(at))

    assert run.standing is Standing.COMPLETED
    assert first_step_s(at) > 40
    assert not [remark for remark in at.remarks if "no guest of ours" in remark]


def test_a_run_begins_without_witnesses_that_are_not_whole_in_time_and_says_so(at: SiteOf) -> None:
    text = planned(at)
    at.cloud.witnesses[RUN] = False

    run = apply_mandate(at.site, RUN, text, bench_of(at))

    assert run.standing is Standing.COMPLETED
    (said,) = [remark for remark in at.remarks if "no guest of ours is watched during the run" in remark]
    assert said.endswith("witnesses are intact")
