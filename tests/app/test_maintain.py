"""A run over a fleet on a fake cloud: emptied, rebooted, tried, open again; whatever happens meanwhile."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import (
    ALWAYS,
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
    planned,
    ran,
    site_of,
)

from skylift.app.fleet_as_planned import FleetDrifted
from skylift.app.maintain import apply_mandate, go_on
from skylift.app.wiring import open_journal
from skylift.engine.decide import Order
from skylift.engine.fold import Phase, Standing
from skylift.engine.journal import MovesAsked
from skylift.engine.operate import abort, pause, postpone, retry
from skylift.fleet.mandate import Purpose
from skylift.model.closing import reason_of
from skylift.model.cloud import UnitState
from skylift.model.ids import RunId, Seconds, ServiceName, StepId
from skylift.planning.text import PlanChanged


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Four compute hosts, three instances on each of the first three."""
    made = site_of(tmp_path, computes=4)
    for n in (1, 2, 3):
        for guest in range(3):
            made.cloud.nova.boot(f"vm{n}{guest}", f"cmp{n}")
    return made


def test_every_host_is_rebooted_once_and_each_instance_moves_once(at: SiteOf) -> None:
    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert boots(at) == dict.fromkeys(CMP, 2)
    assert guests(at) == [(1, 1)] * 9
    assert is_whole(at)
    canaries = [s.host for s in at.cloud.nova.servers.values() if s.ours]
    assert Counter(canaries) == Counter(CMP)


def test_what_is_asked_for_is_written_down_before_it_is(at: SiteOf) -> None:
    at.cloud.lose_answer("compute.migrate", 2)

    run = ran(at)

    with open_journal(folder(at)) as journal:
        asked = Counter(of.instance for e in journal.events() if isinstance(e, MovesAsked) for of in e.moves)
    done = Counter(d.what.split()[1] for d in at.cloud.deeds if d.what.startswith("migrate "))
    assert run.standing is Standing.COMPLETED
    assert asked == done
    assert set(asked.values()) == {1}


def test_a_host_that_is_only_to_be_empty_stays_closed_and_is_not_rebooted(at: SiteOf) -> None:
    run = ran(at, Purpose.DRAIN, CMP[0], CMP[1])

    assert run.standing is Standing.COMPLETED
    assert boots(at) == dict.fromkeys(CMP, 1)
    assert at.cloud.nova.on(CMP[0]) == at.cloud.nova.on(CMP[1]) == []
    reasons = at.cloud.roster.closed
    assert set(reasons) == {"nova-compute-cmp1", "nova-compute-cmp2"}
    assert all(reason.startswith(f"closed by Skylift for {RUN}, since ") for reason in reasons.values())


def test_what_its_operator_had_closed_stays_closed(at: SiteOf) -> None:
    at.cloud.roster.closed["nova-compute-cmp2"] = "the fan is loud"

    run = ran(at, Purpose.REBOOT, CMP[1])

    assert run.standing is Standing.COMPLETED
    assert at.cloud.roster.closed == {"nova-compute-cmp2": "the fan is loud"}
    assert boots(at)[CMP[1]] == 2
    assert at.cloud.nova.on(CMP[1]) == []


def test_what_an_earlier_run_left_closed_is_opened(at: SiteOf) -> None:
    old = RunId("20250101-000000-run-0000")
    at.site.runs.create(old, planned(at))
    (at.site.runs.home / "runs" / old / "journal").touch()
    at.cloud.roster.closed["nova-compute-cmp2"] = reason_of(old, at.cloud.now)

    run = ran(at, Purpose.REBOOT, CMP[1])

    assert (run.standing, at.cloud.roster.closed) == (Standing.COMPLETED, {})


def test_what_an_earlier_run_left_empty_on_purpose_stays_closed(at: SiteOf) -> None:
    old = RunId("20250101-000000-run-0000")
    apply_mandate(at.site, old, planned(at, Purpose.DRAIN, CMP[0]), bench_of(at))
    kept = dict(at.cloud.roster.closed)

    run = ran(at, Purpose.REBOOT, CMP[1])

    assert run.standing is Standing.COMPLETED
    assert at.cloud.roster.closed == kept != {}
    assert boots(at)[CMP[0]] == 1


def test_after_a_repair_a_retry_tries_an_instance_again_as_often_as_at_first(at: SiteOf) -> None:
    at.cloud.nova.servers["vm10"].fails = 6
    first = ran(at)
    failed = sorted(s for s, step in first.steps.items() if step.phase is Phase.FAILED)

    run = go_on(at.site, folder(at), bench_of(at), retry)

    assert failed
    assert run.standing is Standing.COMPLETED
    assert is_whole(at)


def test_a_migration_that_fails_is_tried_on_another_host(at: SiteOf) -> None:
    at.cloud.nova.servers["vm10"].fails = 2

    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert len([m for m in at.cloud.nova.moves.all if m.seen.instance == "vm10"]) == 3
    assert is_whole(at)


def test_one_that_never_ends_is_ended_and_its_host_given_back(at: SiteOf) -> None:
    at.cloud.nova.servers["vm10"].stuck = ALWAYS

    run = ran(at)

    assert run.standing is Standing.HALTED
    problem = run.steps[StepId("empty@cmp1")].problem
    assert problem is not None
    assert "vm10 could not be moved off it in 5 tries" in problem.sentence
    assert boots(at) == {"cmp1": 1, "cmp2": 2, "cmp3": 2, "cmp4": 2}
    assert is_whole(at)
    assert {m.seen.status for m in at.cloud.nova.moves.all if m.seen.instance == "vm10"} == {"cancelled"}


def test_a_host_that_does_not_come_back_is_held_closed_and_named(at: SiteOf) -> None:
    at.cloud.stuck.add(CMP[3])

    run = ran(at)

    assert run.standing is Standing.HALTED
    assert run.within(Phase.FAILED) == {"reboot@cmp4"}
    assert set(at.cloud.roster.closed) == {"nova-compute-cmp4"}

    at.cloud.stuck.clear()
    at.cloud.reboot(CMP[3])
    at.cloud.pass_time(60)
    again = go_on(at.site, folder(at), bench_of(at), retry)

    assert again.standing is Standing.COMPLETED
    assert is_whole(at)


def test_a_host_that_boots_nothing_is_closed_again(at: SiteOf) -> None:
    at.cloud.nova.sick.add(CMP[3])

    run = ran(at)

    assert run.within(Phase.FAILED) == {"try@cmp4"}
    assert set(at.cloud.roster.closed) == {"nova-compute-cmp4"}


def test_no_host_is_begun_once_more_failed_than_may(at: SiteOf) -> None:
    at.cloud.nova.sick.update(CMP)
    record = replace(at.site.record, maintenance=replace(QUICK, failures=0))
    at.site = replace(at.site, record=record)

    run = ran(at)

    assert run.pause is not None
    assert run.pause.problem is not None
    assert run.pause.problem.code == "fleet.failing"
    assert list(boots(at).values()).count(2) == 1


def test_an_instance_that_appears_on_a_closing_host_is_moved_too(at: SiteOf) -> None:
    def appear() -> None:
        if "nova-compute-cmp1" in at.cloud.roster.closed and "late" not in at.cloud.nova.servers:
            at.cloud.nova.boot("late", "cmp1")

    at.meanwhile = appear

    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert at.cloud.nova.servers["late"].boots == 1
    assert all(started == 1 for _, started in guests(at))


def test_a_cloud_that_does_not_answer_for_a_while_costs_time_alone(at: SiteOf) -> None:
    def blind() -> None:
        if int(at.cloud.now) % 20 == 0:
            at.cloud.blind = 3

    at.meanwhile = blind

    run = ran(at)

    assert (run.standing, boots(at)) == (Standing.COMPLETED, dict.fromkeys(CMP, 2))
    assert is_whole(at)


def test_a_paused_run_ends_what_it_began_and_goes_on_when_it_is_resumed(at: SiteOf) -> None:
    def say() -> None:
        if at.cloud.roster.closed and not at.asked:
            at.asked = True
            with open_journal(folder(at)) as journal:
                pause(journal, at_desk(at))

    at.meanwhile = say
    run = ran(at)

    assert run.standing is Standing.PAUSED
    assert list(boots(at).values()).count(2) == 1
    assert is_whole(at)

    at.meanwhile, at.asked = (lambda: None), False
    assert go_on(at.site, folder(at), bench_of(at)).standing is Standing.COMPLETED
    assert boots(at) == dict.fromkeys(CMP, 2)


def test_an_aborted_run_gives_back_what_it_took(at: SiteOf) -> None:
    at.cloud.nova.servers["vm10"].stuck = ALWAYS

    def say() -> None:
        if any(m.seen.instance == "vm10" for m in at.cloud.nova.moves.all) and not at.asked:
            at.asked = True
            with open_journal(folder(at)) as journal:
                abort(journal, at_desk(at), reason="not tonight", leave=False)

    at.meanwhile = say

    run = ran(at)

    assert run.standing is Standing.ABORTED
    assert is_whole(at)


def test_a_postponed_host_is_left_until_it_is_taken_back(at: SiteOf) -> None:
    text = planned(at)

    def say() -> None:
        if not at.asked:
            at.asked = True
            with open_journal(folder(at)) as journal:
                nothing = Order((), {}, (), {}, {})
                step = StepId("empty@cmp2")
                postpone(journal, nothing, at_desk(at), step, reason="month's end")

    at.meanwhile = say
    site = replace(at.site, record=at.site.record)
    bench = replace(bench_of(at), asked_to_stop=lambda: False)
    run = apply_mandate(site, RUN, text, bench)

    assert run.standing is Standing.RUNNING, "nothing failed, and something is left"
    assert boots(at) == {"cmp1": 2, "cmp2": 1, "cmp3": 2, "cmp4": 2}
    assert is_whole(at)

    again = go_on(
        at.site, folder(at), bench, lambda journal, asked: retry(journal, asked, StepId("empty@cmp2"))
    )
    assert (again.standing, boots(at)[CMP[1]]) == (Standing.COMPLETED, 2)


def test_instances_may_come_and_go_before_a_plan_is_applied(at: SiteOf) -> None:
    text = planned(at)
    at.cloud.nova.boot("new", "cmp1")
    at.cloud.nova.delete("vm20")

    run = apply_mandate(at.site, RUN, text, bench_of(at))

    assert run.standing is Standing.COMPLETED
    assert any("the fleet has changed since this plan was made" in line for line in at.remarks)


def test_a_host_that_can_no_longer_be_done_is_named_before_anything_is_touched(at: SiteOf) -> None:
    text = planned(at)
    at.cloud.nova.servers["vm10"].tags = ("maintenance=never",)

    with pytest.raises(FleetDrifted, match="cmp1: vm10: its owner agreed to nothing") as drifted:
        apply_mandate(at.site, RUN, text, bench_of(at))
    assert "skylift plan --reboot -o reboot.plan" in str(drifted.value.remedies)

    assert at.cloud.deeds == []


def test_a_target_that_dies_in_the_middle_is_done_without(at: SiteOf) -> None:
    """It was the one host that was done; whoever is on it is Nova's to evacuate, and nobody here moves it."""

    def die() -> None:
        if any(m.seen.target == CMP[3] and m.seen.under_way for m in at.cloud.nova.moves.all):
            at.cloud.reboot(CMP[3])
            at.cloud.hosts[CMP[3]].up_at = at.cloud.now + 10 * 86_400

    at.meanwhile = die
    record = replace(at.site.record, maintenance=replace(QUICK, settle=Seconds(30)))
    at.site = replace(at.site, record=record)

    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert boots(at) == {**dict.fromkeys(CMP, 2), CMP[3]: 3}
    assert at.cloud.roster.closed == {}
    assert all(s.boots == 1 for s in at.cloud.nova.servers.values())
    assert "error" in {m.seen.status for m in at.cloud.nova.moves.all}


def test_a_bus_that_stumbles_takes_no_host_for_dead(at: SiteOf) -> None:
    unit = at.site.record.services[ServiceName("nova-compute")].unit

    def stumble() -> None:
        quiet = at.cloud.roster.closed and at.cloud.now % 300 < 75
        for host in CMP:
            own = at.cloud.hosts[host].units[unit]
            if own.state in {UnitState.ACTIVE, UnitState.ACTIVATING} and at.cloud.is_up(host):
                own.state = UnitState.ACTIVATING if quiet else UnitState.ACTIVE

    at.meanwhile = stumble

    run = ran(at)

    assert run.standing is Standing.COMPLETED


def test_what_was_not_approved_does_not_run(at: SiteOf) -> None:
    with pytest.raises(PlanChanged):
        apply_mandate(at.site, RUN, planned(at).replace(b"reboot", b"drain"), bench_of(at))
