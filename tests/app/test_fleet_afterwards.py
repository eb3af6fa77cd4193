"""When every host is through: instances are brought back, or spread, as the plan that was approved says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import (
    CMP,
    QUICK,
    RUN,
    SiteOf,
    at_desk,
    bench_of,
    boots,
    folder,
    guests,
    is_whole,
    site_of,
)

from skylift.app.control import NO_ORDER
from skylift.app.fleet_account import fleet_account
from skylift.app.fleet_report import fleet_report
from skylift.app.maintain import apply_mandate, go_on
from skylift.app.propose_fleet import propose_maintenance
from skylift.app.wiring import open_journal
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.cli.views import fleet_report as report_view
from skylift.cli.views import fleet_run as run_view
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.operate import abort, pause, retry, skip
from skylift.fleet.mandate import Purpose, write_mandate
from skylift.fleet.plan import Kind
from skylift.model.ids import HostName, StepId
from skylift.testing.fake_cloud import FakeCloud

BACK, BALANCE = StepId("bring-back"), StepId("balance")


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Four compute hosts, three instances on each of the first three."""
    made = site_of(tmp_path, computes=4)
    for n in (1, 2, 3):
        for guest in range(3):
            made.cloud.nova.boot(f"vm{n}{guest}", f"cmp{n}")
    return made


def text_of(at: SiteOf, kind: Kind, *hosts: HostName) -> bytes:
    made = propose_maintenance(at.site, Purpose.REBOOT, hosts, frontier=False, afterwards=kind)
    assert made.mandate is not None
    return write_mandate(made.mandate)


def ran(at: SiteOf, kind: Kind = Kind.BRING_BACK) -> Run:
    return apply_mandate(at.site, RUN, text_of(at, kind), bench_of(at))


def homes(cloud: FakeCloud) -> dict[str, list[str]]:
    return {host: sorted(server.id for server in cloud.nova.on(host)) for host in CMP}


def test_every_instance_is_brought_back_when_all_hosts_are_through(at: SiteOf) -> None:
    before = homes(at.cloud)

    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert homes(at.cloud) == before
    assert guests(at) == [(2, 1)] * 9
    assert boots(at) == dict.fromkeys(CMP, 2)
    assert BACK in run.within(Phase.DONE)
    assert is_whole(at)


def test_no_instance_is_brought_back_before_the_last_host_is_through(at: SiteOf) -> None:
    early: list[str] = []

    def look() -> None:
        with open_journal(folder(at)) as journal:
            steps = {getattr(e, "step", "") for e in journal.events()}
        if BACK in steps and set(boots(at).values()) != {2}:
            early.append(str(boots(at)))

    at.meanwhile = look

    assert ran(at).standing is Standing.COMPLETED
    assert early == []


def test_hosts_are_evenly_full_in_the_end_and_few_instances_move_for_it(at: SiteOf) -> None:
    nowhere = propose_maintenance(at.site, Purpose.REBOOT, (), frontier=False).full

    run = ran(at, Kind.BALANCE)

    counts = [len(of) for of in homes(at.cloud).values()]
    assert run.standing is Standing.COMPLETED
    assert nowhere.least == 0
    assert min(counts) > 0
    assert is_whole(at)
    assert sum(moves for moves, _ in guests(at)) == 9 + 6, "all nine were on one host"


def test_a_paused_run_moves_nobody_more_and_goes_on_when_it_is_resumed(at: SiteOf) -> None:
    before = homes(at.cloud)

    def say() -> None:
        with open_journal(folder(at)) as journal:
            begun = any(getattr(e, "step", "") == BACK for e in journal.events())
            if begun and not at.said:
                at.said = True
                pause(journal, at_desk(at))

    at.meanwhile = say
    run = ran(at)
    told = "\n".join(run_view.lines(fleet_account(at.site.runs, folder(at))))
    moved = len(at.cloud.nova.moves.all)
    ended = go_on(at.site, folder(at), bench_of(at))

    assert run.standing is Standing.PAUSED
    assert moved < 9 + 9
    assert "at rest, paused" in told
    assert "afterwards: bring-back, running: " in told
    assert ended.standing is Standing.COMPLETED
    assert homes(at.cloud) == before
    assert guests(at) == [(2, 1)] * 9


def test_one_that_cannot_be_brought_back_halts_the_run_with_its_name_and_a_retry_brings_it(
    at: SiteOf,
) -> None:
    def fail() -> None:
        if set(boots(at).values()) == {2} and not at.said:
            at.said = True
            at.cloud.nova.servers["vm10"].fails = 5

    at.meanwhile = fail
    run = ran(at)
    problem = run.steps[BACK].problem
    ended = go_on(at.site, folder(at), bench_of(at), retry)

    assert run.standing is Standing.HALTED
    assert problem is not None
    assert problem.code == "fleet.places-missed"
    assert "vm10: it did not come to cmp1 in 5 tries" in problem.sentence
    assert ended.standing is Standing.COMPLETED
    assert homes(at.cloud)[CMP[0]] == ["vm10", "vm11", "vm12"]
    assert is_whole(at)


def test_who_is_left_where_she_is_may_be_answered_for(at: SiteOf) -> None:
    def fail() -> None:
        if set(boots(at).values()) == {2} and not at.said:
            at.said = True
            at.cloud.nova.servers["vm10"].stuck = 9

    at.meanwhile = fail
    ran(at)
    at.cloud.nova.servers["vm10"].stuck = 0

    ended = go_on(
        at.site,
        folder(at),
        bench_of(at),
        lambda journal, asked: skip(journal, NO_ORDER, asked, BACK, reason="good enough"),
    )

    assert ended.standing is Standing.COMPLETED
    assert is_whole(at)


def test_an_aborted_run_leaves_instances_where_they_are_and_says_so(at: SiteOf) -> None:
    def say() -> None:
        with open_journal(folder(at)) as journal:
            begun = any(getattr(e, "step", "") == BACK for e in journal.events())
            if begun and not at.said:
                at.said = True
                abort(journal, at_desk(at), reason="day breaks", leave=False)

    at.meanwhile = say

    run = ran(at)

    assert run.standing is Standing.ABORTED
    assert "day breaks" in str(run.steps[BACK].problem)
    assert boots(at) == dict.fromkeys(CMP, 2)
    assert is_whole(at)


def test_a_host_that_failed_holds_it_back_until_somebody_answers_for_it(at: SiteOf) -> None:
    at.cloud.stuck.add(CMP[3])

    run = ran(at)

    assert run.standing is Standing.HALTED
    assert BACK not in run.steps

    at.cloud.stuck.clear()
    at.cloud.reboot(CMP[3])
    at.cloud.pass_time(60)
    assert go_on(at.site, folder(at), bench_of(at), retry).standing is Standing.COMPLETED


def test_a_home_that_was_closed_meanwhile_is_named(at: SiteOf) -> None:
    def close() -> None:
        if set(boots(at).values()) == {2} and not at.cloud.roster.closed and not at.said:
            at.said = True
            at.cloud.roster.closed["nova-compute-cmp1"] = "the fan is loud"

    at.meanwhile = close
    at.site = replace(at.site, record=replace(at.site.record, maintenance=replace(QUICK, canary=False)))

    run = ran(at)

    problem = run.steps[BACK].problem
    assert problem is not None
    assert "3 instances are not where they should be" in problem.sentence
    assert "cmp1 is closed" in problem.sentence
    assert homes(at.cloud)[CMP[1]] == ["vm20", "vm21", "vm22"]


def test_status_and_report_tell_what_is_done_afterwards(at: SiteOf) -> None:
    ran(at)

    account = fleet_account(at.site.runs, folder(at))
    status = "\n".join(run_view.lines(account))
    found = fleet_report(at.site, folder(at), at.remarks.append)
    told = "\n".join(report_view.lines(found))

    assert "afterwards: bring-back, done: 9 moves asked for, 9 planned" in status
    assert run_view.document(account)["afterwards"]["kind"] == "bring-back"
    assert "9 of 9 instances are back on the host that they were moved off first" in told
    assert report_view.document(found)["afterwards"]["away"] == []
    assert found.whole


def test_why_explains_the_step(at: SiteOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "up.plan"
    plan.write_bytes(text_of(at, Kind.BRING_BACK))

    assert call(["why", "bring-back", "--plan", str(plan)]) == Exit.OK

    told = capsys.readouterr().out
    assert "bring-back: move instances where they shall be when every host is through" in told
    assert "moves      9, off " in told


def test_without_a_word_nothing_is_moved_afterwards_and_the_plan_says_so(at: SiteOf) -> None:
    made = propose_maintenance(at.site, Purpose.REBOOT, (), frontier=False)
    assert made.mandate is not None

    run = apply_mandate(at.site, RUN, write_mandate(made.mandate), bench_of(at))

    assert run.standing is Standing.COMPLETED
    assert guests(at) == [(1, 1)] * 9
    assert "afterwards" not in made.mandate.plan
