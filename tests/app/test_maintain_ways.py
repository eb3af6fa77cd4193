"""What owners wish, what else is done on a host than a reboot, and what is told of a run afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import ALWAYS, CMP, QUICK, RUN, SiteOf, boots, folder, is_whole, ran, site_of

from skylift.app.fleet_account import fleet_account
from skylift.app.fleet_report import fleet_report
from skylift.app.host_turns import NoComputeService, turns_of
from skylift.app.propose_fleet import propose_maintenance
from skylift.cli.views import fleet_report as report_view
from skylift.cli.views import fleet_run as run_view
from skylift.engine.fold import Phase, Standing
from skylift.fleet.mandate import Purpose
from skylift.model.ids import StepId


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Three compute hosts, two instances on each of two."""
    made = site_of(tmp_path, computes=3)
    for n in (1, 2):
        for guest in range(2):
            made.cloud.nova.boot(f"vm{n}{guest}", f"cmp{n}")
    return made


def with_command(at: SiteOf, *argv: str) -> None:
    record = replace(at.site.record, maintenance=replace(QUICK, hypervisor=argv))
    at.site = replace(at.site, record=record)


def test_who_is_to_be_moved_cold_is_stopped_for_it_and_confirmed(at: SiteOf) -> None:
    server = at.cloud.nova.servers["vm10"]
    server.tags = ("maintenance=cold",)

    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert (server.vm_state, server.moves, server.boots) == ("active", 1, 2)
    assert {m.seen.status for m in at.cloud.nova.moves.all if m.seen.instance == "vm10"} == {"confirmed"}
    assert is_whole(at)


def test_an_owners_own_resize_is_not_confirmed_for_her(at: SiteOf) -> None:
    at.cloud.nova.servers["vm10"].vm_state = "resized"

    proposal = propose_maintenance(at.site, Purpose.REBOOT, (), frontier=False)

    assert [held.host for held in proposal.plan.held] == [CMP[0]]


def test_who_is_to_be_stopped_is_stopped_on_its_host_and_started_again(at: SiteOf) -> None:
    server = at.cloud.nova.servers["vm10"]
    server.tags = ("maintenance=stop",)
    states: list[str] = []
    at.meanwhile = lambda: states.append(server.vm_state) if boots(at)["cmp1"] > 1 else None

    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert (server.host, server.moves, server.vm_state) == (CMP[0], 0, "active")
    assert states[0] == "stopped", "it was stopped before its host went down"


def test_a_new_hypervisor_is_a_command_before_the_reboot(at: SiteOf) -> None:
    with_command(at, "true")

    run = ran(at, Purpose.HYPERVISOR)

    assert run.standing is Standing.COMPLETED
    steps = list(run.steps)
    assert steps.index(StepId("hypervisor@cmp1")) < steps.index(StepId("reboot@cmp1"))
    commands = [d.what for d in at.cloud.deeds if d.what == "true"]
    assert len(commands) == 3


def test_a_command_that_fails_holds_its_host_before_the_reboot(at: SiteOf) -> None:
    with_command(at, "false")

    run = ran(at, Purpose.HYPERVISOR, CMP[2])

    problem = run.steps[StepId("hypervisor@cmp3")].problem
    assert problem is not None
    assert "it could not be installed" in problem.sentence
    assert boots(at)["cmp3"] == 1
    assert set(at.cloud.roster.closed) == {"nova-compute-cmp3"}


def test_without_a_canary_a_host_is_opened_when_it_reports(at: SiteOf) -> None:
    record = replace(at.site.record, maintenance=replace(QUICK, canary=False))
    at.site = replace(at.site, record=record)

    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert [s for s in at.cloud.nova.servers.values() if s.ours] == []
    assert is_whole(at)


def test_a_record_without_nova_closes_no_host(at: SiteOf) -> None:
    mandate = propose_maintenance(at.site, Purpose.REBOOT, (), frontier=False).mandate
    components = {n: c for n, c in at.site.record.components.items() if n != "nova"}
    site = replace(at.site, record=replace(at.site.record, components=components))

    assert mandate is not None
    with pytest.raises(NoComputeService):
        turns_of(site.record, site.catalog, mandate, (RUN,))


def test_the_report_tells_moves_as_nova_has_them(at: SiteOf) -> None:
    at.cloud.nova.servers["vm10"].fails = 1
    ran(at)

    told = fleet_report(at.site, folder(at), at.remarks.append)

    assert told.whole
    assert {m.instance: (m.asked, m.arrivals) for m in told.moved} == {
        "vm10": (2, 1),
        "vm11": (1, 1),
        "vm20": (1, 1),
        "vm21": (1, 1),
    }
    assert told.summary.startswith("completed, 3 of 3 hosts, 0 left, 4 moves of 4 instances")
    text = "\n".join(report_view.lines(told))
    assert "failed, completed" in text
    assert report_view.document(told)["left"] == {}


def test_status_names_each_host_that_is_left_with_the_reason(at: SiteOf) -> None:
    at.cloud.nova.servers["vm10"].stuck = ALWAYS
    ran(at)

    found = fleet_account(at.site.runs, folder(at))
    told = "\n".join(run_view.lines(found))

    assert set(found.done) == {CMP[1], CMP[2]}
    assert set(found.left) == {CMP[0]}
    assert "vm10 could not be moved off it in 5 tries" in found.left[CMP[0]]
    assert "it took longer than 60 s, and was ended" in found.left[CMP[0]]
    assert "2 of 3 hosts done" in told
    assert "skylift retry" in told
    assert found.run.within(Phase.FAILED) == {"empty@cmp1"}
    assert run_view.document(found)["left"] == found.left


def test_a_host_yet_to_begin_is_left_without_a_reason(at: SiteOf) -> None:
    def stop() -> None:
        at.asked = bool(at.cloud.roster.closed)

    at.meanwhile = stop
    run = ran(at)

    found = fleet_account(at.site.runs, folder(at))

    assert run.standing is Standing.PAUSED
    assert len(found.done) == 1
    assert set(found.left.values()) == {""}
    assert "yet to begin" in "\n".join(run_view.lines(found))
