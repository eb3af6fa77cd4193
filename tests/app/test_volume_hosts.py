"""Services that get work from a scheduler are closed and idle before their host reboots, and open after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import CMP, RUN, SiteOf, bench_of, boots, folder, is_whole, planned, ran
from tests.app.storage_run import (
    after,
    clustered,
    events,
    give_up,
    is_under_way,
    is_unharmed,
    problem_of,
    rebooted,
    retried,
)
from tests.app.volume_run import BACKUP, IDLE_S, VOL, VOLUME, busy, row_of, volumes_of

from skylift.app.fleet_account import fleet_account
from skylift.app.fleet_as_planned import FleetDrifted
from skylift.app.fleet_subject import Maintaining
from skylift.app.maintain import apply_mandate
from skylift.app.propose_fleet import propose_maintenance
from skylift.app.read_fleet import FleetHostUnknown
from skylift.app.read_volume import VolumesStuck
from skylift.cli.views import fleet as fleet_view
from skylift.cli.views import fleet_run as run_view
from skylift.engine.fold import Standing
from skylift.fleet.mandate import Purpose, read_mandate
from skylift.fleet.reasons import turning
from skylift.model.ids import HostName, StepId

BY_OPERATOR = "its disks are looked at"


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    return volumes_of(tmp_path)


def test_a_volume_host_is_closed_idle_rebooted_heard_of_and_opened(at: SiteOf) -> None:
    busy(at, BACKUP, VOL[0])
    told: list[bool] = []

    def end_its_backup() -> None:
        row = row_of(at, BACKUP, VOL[0])
        if not row.enabled and at.cloud.now > (row.seen_at or 0) + 5 and at.cloud.builds.busy:
            told.append(at.cloud.hosts[VOL[0]].boots == 1)
            if len(told) > IDLE_S // 3:
                at.cloud.builds.busy.clear()

    at.meanwhile = end_its_backup
    run = ran(at, Purpose.REBOOT, VOL[0])

    assert run.standing is Standing.COMPLETED
    assert all(told), "it is not rebooted while it has a backup in hand"
    assert len(told) > IDLE_S // 3
    assert rebooted(at, VOL) == [1, 0]
    assert events(at) == [
        *("empty@vol1", "reboot@vol1", "cinder-volume@vol1", "cinder-backup@vol1"),
        *("open-cinder-volume@vol1", "open-cinder-backup@vol1"),
    ]
    assert is_whole(at)
    assert fleet_account(at.site.runs, folder(at)).done == (VOL[0],)


@pytest.mark.parametrize("on_computes", [False, True])
def test_of_two_hosts_one_is_always_open(tmp_path: Path, *, on_computes: bool) -> None:
    at = volumes_of(tmp_path, on_computes=on_computes)
    hosts = CMP[:2] if on_computes else VOL
    most: list[int] = []
    at.meanwhile = lambda: most.append(sum(not row_of(at, VOLUME, host).enabled for host in hosts))

    run = ran(at, Purpose.REBOOT, *hosts)

    assert run.standing is Standing.COMPLETED
    assert rebooted(at, hosts) == [1, 1]
    assert max(most) == 1
    assert is_whole(at)


def test_what_an_operator_had_closed_stays_closed_and_the_plan_says_so(at: SiteOf) -> None:
    at.cloud.roster.closed[row_of(at, VOLUME, VOL[0]).id] = BY_OPERATOR
    proposal = propose_maintenance(at.site, Purpose.REBOOT, (VOL[0],), frontier=False)

    run = ran(at, Purpose.REBOOT, VOL[0])

    assert f"it was closed before this plan ({BY_OPERATOR}), and stays closed" in "\n".join(
        fleet_view.lines(proposal)
    )
    assert run.standing is Standing.COMPLETED
    assert at.cloud.roster.closed == {row_of(at, VOLUME, VOL[0]).id: BY_OPERATOR}


def test_a_service_that_nobody_stands_in_for_is_not_closed(tmp_path: Path) -> None:
    at = volumes_of(tmp_path, hosts=1)
    closed: list[bool] = []
    at.meanwhile = lambda: closed.append(not row_of(at, VOLUME, VOL[0]).enabled)
    mandate = read_mandate(planned(at, Purpose.REBOOT, VOL[0]))

    run = ran(at, Purpose.REBOOT, VOL[0])

    assert run.standing is Standing.COMPLETED
    assert not any(closed)
    assert rebooted(at, VOL[:1]) == [1]
    assert Maintaining(mandate).noticed == (
        "new work of cinder-backup, cinder-volume waits in its queue while its host is down",
    )
    assert fleet_account(at.site.runs, folder(at)).done == (VOL[0],)


def test_the_plan_tells_the_hosts_and_what_is_done_there(at: SiteOf) -> None:
    proposal = propose_maintenance(at.site, Purpose.REBOOT, tuple(VOL), frontier=False)
    told = "\n".join(fleet_view.lines(proposal))

    assert "2 volume hosts, one after another" in told
    assert "vol1: cinder-volume is closed to new work, waited for until it has nothing in hand" in told
    assert fleet_view.document(proposal)["volumes"]["turns"][0]["host"] == "vol1"
    again = read_mandate(planned(at, Purpose.REBOOT, *VOL))
    assert (again.hosts, again.volume_hosts, again.left_out) == (tuple(VOL), tuple(VOL), ())
    assert Maintaining(again).what == "2 volume hosts for reboot"
    assert turning(again, StepId("empty@vol1")).title.startswith("close what gets new work on vol1")
    assert turning(again, StepId("open-cinder-volume@vol1")).title == "open cinder-volume on vol1"


def test_a_host_of_apis_is_left_alone_and_none_is_drained(at: SiteOf) -> None:
    record = at.site.record
    both = replace(record.hosts[VOL[1]], roles=frozenset({"volume", "controller"}))
    at.site = replace(at.site, record=replace(record, hosts={**record.hosts, VOL[1]: both}))

    proposal = propose_maintenance(at.site, Purpose.REBOOT, tuple(VOL), frontier=False)
    assert proposal.blocked
    assert any("cinder-api" in line and "would be cut off" in line for line in fleet_view.lines(proposal))
    with pytest.raises(VolumesStuck, match="would be cut off"):
        planned(at, Purpose.REBOOT, VOL[1])
    with pytest.raises(FleetHostUnknown, match="nova has no host vol1"):
        planned(at, Purpose.DRAIN, VOL[0])


def test_what_would_not_be_closed_any_more_is_told_before_anything_begins(at: SiteOf) -> None:
    text = planned(at, Purpose.REBOOT, VOL[0])
    at.cloud.roster.closed[row_of(at, VOLUME, VOL[1]).id] = BY_OPERATOR

    with pytest.raises(FleetDrifted, match="cinder-volume was to be closed, and is not now: no other host"):
        apply_mandate(at.site, RUN, text, bench_of(at))


@pytest.mark.parametrize("on_computes", [False, True])
def test_one_that_is_not_idle_in_time_is_opened_again_and_a_retry_completes(
    tmp_path: Path, *, on_computes: bool
) -> None:
    at = volumes_of(tmp_path, on_computes=on_computes)
    host = CMP[0] if on_computes else VOL[0]
    busy(at, BACKUP, host)
    status: list[str] = []
    at.meanwhile = lambda: status.extend(run_view.lines(fleet_account(at.site.runs, folder(at))))

    run = ran(at, Purpose.REBOOT, host)

    assert run.standing is Standing.HALTED
    assert f"{host} waits for services that get new work to have nothing in hand" in "\n".join(status)
    assert "in hand: 1 of kind volume backup creating" in problem_of(run, f"empty@{host}")
    assert rebooted(at, [host]) == [0]
    assert is_whole(at)

    at.cloud.builds.busy.clear()
    assert retried(at, f"empty@{host}").standing is Standing.COMPLETED
    assert (rebooted(at, [host]), is_whole(at)) == ([1], True)


@pytest.mark.parametrize("on_computes", [False, True])
def test_given_up_while_it_waits_it_is_opened_and_not_rebooted(tmp_path: Path, *, on_computes: bool) -> None:
    at = volumes_of(tmp_path, on_computes=on_computes)
    host = CMP[0] if on_computes else VOL[0]
    busy(at, BACKUP, host)
    after(at, lambda: not row_of(at, BACKUP, host).enabled, lambda: give_up(at))

    run = ran(at, Purpose.REBOOT, host)

    assert run.standing is Standing.ABORTED
    assert rebooted(at, [host]) == [0]
    assert is_whole(at)


@pytest.mark.parametrize("on_computes", [False, True])
def test_one_that_does_not_come_back_stays_closed_and_no_other_is_rebooted(
    tmp_path: Path, *, on_computes: bool
) -> None:
    at = volumes_of(tmp_path, on_computes=on_computes)
    lost, other = CMP[:2] if on_computes else VOL
    after(at, is_under_way(at, f"reboot@{lost}"), lambda: at.cloud.stuck.add(lost))

    run = ran(at, Purpose.REBOOT, lost, other)

    assert run.standing is Standing.HALTED
    assert f"reboot {lost}" in problem_of(run, f"reboot@{lost}")
    assert f"{lost} goes first" in problem_of(run, f"empty@{other}")
    assert rebooted(at, [lost, other]) == [0, 0]
    assert not row_of(at, VOLUME, lost).enabled
    assert row_of(at, VOLUME, other).enabled


def test_a_storage_host_with_such_services_has_both_in_one_turn(tmp_path: Path) -> None:
    at = volumes_of(tmp_path, on_computes=True)
    clustered(at, *CMP[:2], "ctl1")
    at.cloud.nova.boot("vm", "cmp1")

    run = ran(at, Purpose.REBOOT, CMP[0])

    assert run.standing is Standing.COMPLETED
    assert boots(at)["cmp1"] == 2
    order = [s for s in events(at) if s.startswith(("reboot", "open-", "storage", "clean"))]
    assert order == [
        *("reboot@cmp1", "open-cinder-volume@cmp1", "open-cinder-backup@cmp1"),
        *("storage@cmp1", "clean@cmp1"),
    ]
    assert is_whole(at)
    assert is_unharmed(at)


def test_without_its_name_no_volume_host_is_taken(at: SiteOf) -> None:
    mandate = read_mandate(planned(at))

    assert not {*VOL} & {*mandate.hosts}
    assert HostName("vol1") not in mandate.left_out
