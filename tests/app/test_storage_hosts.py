"""Hosts of a storage cluster are rebooted one at a time, and nobody misses a copy, a write or the quorum."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.maintained import (
    CMP,
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
from tests.app.storage_run import (
    STO,
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

from skylift.app.fleet_account import fleet_account
from skylift.app.fleet_as_planned import FleetDrifted
from skylift.app.fleet_subject import Maintaining
from skylift.app.maintain import apply_mandate
from skylift.app.propose_fleet import propose_maintenance
from skylift.app.read_fleet import FleetHostUnknown
from skylift.app.read_storage import StorageStuck
from skylift.app.wiring import open_journal
from skylift.cli.views import fleet as fleet_view
from skylift.cli.views import fleet_run as run_view
from skylift.engine.fold import Standing
from skylift.engine.operate import pause
from skylift.fleet.mandate import Purpose, read_mandate
from skylift.fleet.reasons import turning
from skylift.model.ids import HostName, StepId
from skylift.testing.fake_ceph import OUT_S

REBOOT_S = OUT_S + 20
SILENT_S = 50


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Three storage hosts, and two compute hosts with an instance each."""
    made = clustered(site_of(tmp_path, computes=2, storage=3), *STO)
    for n in (1, 2):
        made.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    return made


def test_the_fake_takes_out_what_nobody_keeps_in_and_counts_what_users_feel(at: SiteOf) -> None:
    at.cloud.reboot(STO[0])
    at.cloud.pass_time(5)
    assert at.cloud.ceph.seen().lacking
    at.cloud.reboot(STO[1])
    at.cloud.pass_time(REBOOT_S)

    assert set(at.cloud.ceph.taken_out) == {0, 1, 2, 3}
    assert at.cloud.ceph.stalled_s > 0
    assert at.cloud.ceph.headless_s > 0


def test_a_storage_host_is_kept_in_rebooted_and_waited_for_until_all_copies_are_there(at: SiteOf) -> None:
    run = ran(at, Purpose.REBOOT, STO[0])

    assert run.standing is Standing.COMPLETED
    assert (rebooted(at), boots(at)) == ([1, 0, 0], dict.fromkeys(CMP[:2], 1))
    assert events(at) == [
        "empty@sto1",
        "pause-1:noout:sto1",
        "reboot@sto1",
        "storage@sto1",
        "give-back-1:noout:sto1",
    ]
    assert not at.cloud.ceph.seen().lacking
    assert is_unharmed(at)
    assert is_whole(at)
    assert fleet_account(at.site.runs, folder(at)).done == (STO[0],)


def test_hosts_that_are_back_before_the_cluster_notices_are_waited_for_all_the_same(at: SiteOf) -> None:
    at.cloud.ceph.notices_s = 300

    run = ran(at, Purpose.REBOOT, *STO)

    assert run.standing is Standing.COMPLETED
    assert rebooted(at) == [1, 1, 1]
    assert is_unharmed(at)


def test_storage_hosts_go_one_after_another_and_compute_hosts_before_them(at: SiteOf) -> None:
    run = ran(at, Purpose.REBOOT, *STO, CMP[0])

    assert run.standing is Standing.COMPLETED
    assert (rebooted(at), at.cloud.hosts[CMP[0]].boots) == ([1, 1, 1], 2)
    order = [step for step in events(at) if step.partition("@")[0] in {"empty", "clean", "storage"}]
    assert order == [
        *("empty@cmp1", "clean@cmp1", "empty@sto1", "storage@sto1"),
        *("empty@sto2", "storage@sto2", "empty@sto3", "storage@sto3"),
    ]
    assert is_unharmed(at)


def test_compute_hosts_with_osds_are_emptied_first_and_then_go_one_at_a_time(tmp_path: Path) -> None:
    at = site_of(tmp_path, computes=4, storage=1)
    clustered(at, *CMP[:3])
    for n in range(1, 4):
        at.cloud.nova.boot(f"vm{n}", f"cmp{n}")

    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert set(boots(at).values()) == {2}
    assert all(moves and started == 1 for moves, started in guests(at))
    assert is_unharmed(at)
    assert is_whole(at)


def test_a_host_with_a_monitor_alone_is_never_one_of_two_that_are_down(tmp_path: Path) -> None:
    at = site_of(tmp_path, computes=1, storage=3)
    for host in STO:
        at.cloud.ceph.add(host, monitor=True)

    run = ran(at, Purpose.REBOOT, *STO)

    assert run.standing is Standing.COMPLETED
    assert not any(step.startswith("pause") for step in events(at))
    assert is_unharmed(at)


def test_a_flag_that_an_operator_has_set_stays(at: SiteOf) -> None:
    at.cloud.ceph.kept_in = {"sto1"}

    run = ran(at, Purpose.REBOOT, *STO[:2])

    assert run.standing is Standing.COMPLETED
    assert at.cloud.ceph.kept_in == {"sto1"}
    assert [s for s in events(at) if "noout" in s] == ["pause-1:noout:sto2", "give-back-1:noout:sto2"]
    assert not at.cloud.ceph.taken_out


def test_a_host_that_carries_routers_and_a_monitor_gives_both_up_first(tmp_path: Path) -> None:
    at = clustered(site_of(tmp_path, computes=1, networks=3, storage=1), "net1", "net2", "net3")
    at.cloud.neutron.router("r", "net1")
    at.cloud.pass_time(3)

    run = ran(at, Purpose.REBOOT, HostName("net1"))

    assert run.standing is Standing.COMPLETED
    assert list(at.cloud.neutron.things["r"].on) != ["l3-net1"]
    assert [s.partition("@")[0] for s in events(at) if "@" in s][-3:] == ["storage", "agents", "carry"]
    assert is_unharmed(at)


def test_the_plan_tells_the_daemons_the_cost_and_what_it_would_wait_for(at: SiteOf) -> None:
    at.cloud.ceph.osds[5].dead = True
    at.cloud.pass_time(OUT_S + 2)
    proposal = propose_maintenance(at.site, Purpose.REBOOT, (STO[0], STO[2]), frontier=False)
    told = "\n".join(fleet_view.lines(proposal))

    assert "2 storage hosts, one after another" in told
    assert "sto1: 2 OSDs and monitor sto1; while it is down, 8 of 8 placement groups have a copy less" in told
    assert "not waited for, as they do not run or hold nothing: osd.5" in told
    assert "it would wait now: 4 placement groups have not all of their copies" in told
    assert fleet_view.document(proposal)["storage"]["turns"][0]["of"]["host"] == "sto1"
    again = read_mandate(planned(at, Purpose.REBOOT, STO[0]))
    assert (again.hosts, again.storage_hosts, again.left_out) == ((STO[0],), (STO[0],), ())
    assert again.again == "skylift plan --reboot --host sto1 -o reboot.plan"
    subject = Maintaining(again)
    assert subject.what == "1 storage hosts for reboot"
    assert subject.noticed == (
        "storage has a copy less of some of its groups while each of its hosts is down",
    )
    assert turning(again, StepId("empty@sto1")).title.startswith("wait until the storage cluster lets sto1")
    assert turning(again, StepId("storage@sto1")).title.startswith("wait until the storage cluster has")


def test_a_cluster_that_never_bears_the_stop_refuses_its_hosts_with_the_proof(at: SiteOf) -> None:
    del at.cloud.ceph.monitors["sto3"]

    with pytest.raises(StorageStuck, match="of 2 monitors 1 would run without it, and 2 must"):
        planned(at, Purpose.REBOOT, STO[0])
    proposal = propose_maintenance(at.site, Purpose.REBOOT, (STO[0], STO[2]), frontier=False)
    assert proposal.mandate
    assert proposal.blocked
    assert (proposal.mandate.hosts, proposal.mandate.left_out) == ((STO[2],), (STO[0],))
    assert any("left alone until this is settled: sto1" in line for line in fleet_view.lines(proposal))

    at.cloud.ceph.against = "pool guests keeps one copy"
    with pytest.raises(StorageStuck, match="pool guests keeps one copy"):
        planned(at, Purpose.REBOOT, STO[2])


def test_what_does_not_run_any_more_is_told_before_anything_begins(at: SiteOf) -> None:
    text = planned(at, Purpose.REBOOT, STO[0])
    at.cloud.ceph.osds[1].dead = True
    at.cloud.pass_time(5)

    with pytest.raises(FleetDrifted, match=r"osd\.1 ran when it was planned, and does not now"):
        apply_mandate(at.site, RUN, text, bench_of(at))


def test_a_host_of_no_cluster_is_unknown_and_none_is_drained(at: SiteOf) -> None:
    with pytest.raises(FleetHostUnknown, match="nova has no host sto9"):
        planned(at, Purpose.REBOOT, HostName("sto9"))
    with pytest.raises(FleetHostUnknown, match="nova has no host sto1"):
        planned(at, Purpose.DRAIN, STO[0])


def test_a_cluster_that_does_not_let_it_stop_in_time_gets_its_host_back_and_a_retry_completes(
    at: SiteOf,
) -> None:
    status: list[str] = []

    def refuse() -> None:
        at.cloud.ceph.against = "not tonight"
        at.meanwhile = lambda: status.extend(run_view.lines(fleet_account(at.site.runs, folder(at))))

    after(at, is_under_way(at, "empty@sto1"), refuse)
    run = ran(at, Purpose.REBOOT, STO[0])

    assert run.standing is Standing.HALTED
    assert "the storage cluster did not let it stop within 150 s: not tonight" in problem_of(
        run, "empty@sto1"
    )
    assert "  under way: empty@sto1 waits for the storage cluster to let it stop" in "\n".join(status)
    assert rebooted(at) == [0, 0, 0]
    assert is_unharmed(at)

    at.cloud.ceph.against = ""
    assert retried(at, "empty@sto1").standing is Standing.COMPLETED
    assert (rebooted(at), is_unharmed(at)) == ([1, 0, 0], True)


def test_a_compute_host_whose_osds_may_not_stop_is_open_again_in_the_end(tmp_path: Path) -> None:
    at = clustered(site_of(tmp_path, computes=4, storage=1), *CMP[:3])
    at.cloud.nova.boot("vm", "cmp1")
    text = planned(at, Purpose.REBOOT, CMP[0])
    at.cloud.ceph.against = "not tonight"

    run = apply_mandate(at.site, RUN, text, bench_of(at))

    assert run.standing is Standing.HALTED
    assert "did not let it stop within 90 s: not tonight" in problem_of(run, "empty@cmp1")
    assert boots(at)["cmp1"] == 1
    assert is_unharmed(at)
    assert is_whole(at)


def test_an_osd_that_does_not_come_back_is_named_let_out_and_no_other_host_is_rebooted(at: SiteOf) -> None:
    after(at, is_under_way(at, "reboot@sto1"), lambda: setattr(at.cloud.ceph.osds[1], "dead", True))

    run = ran(at, Purpose.REBOOT, *STO)

    assert run.standing is Standing.HALTED
    assert "osd.1 has not joined anew" in problem_of(run, "reboot@sto1")
    assert rebooted(at) == [1, 0, 0]
    assert "placement groups have not all of their copies" in problem_of(run, "empty@sto2")
    assert not at.cloud.ceph.kept_in
    assert at.cloud.ceph.stalled_s == at.cloud.ceph.headless_s == 0
    at.cloud.pass_time(OUT_S)
    assert set(at.cloud.ceph.taken_out) == {1}, "the cluster mends itself as ever"

    at.cloud.ceph.osds[1].dead = False
    assert StepId("storage@sto1") in retried(at, "reboot@sto1").passed
    done = retried(at, "empty@sto2")
    assert done.standing is Standing.COMPLETED
    assert rebooted(at) == [1, 1, 1]


def test_what_is_told_to_reboot_and_does_not_is_let_out_again(at: SiteOf) -> None:
    at.cloud.stuck = {STO[0]}

    run = ran(at, Purpose.REBOOT, STO[0])

    assert run.standing is Standing.HALTED
    assert "reboot sto1" in problem_of(run, "reboot@sto1")
    assert not at.cloud.ceph.kept_in

    at.cloud.reboot(STO[0])  # by whoever looked at its console
    assert retried(at, "reboot@sto1").standing is Standing.COMPLETED
    assert [s for s in events(at) if "noout" in s][-2:] == ["pause-2:noout:sto1", "give-back-2:noout:sto1"]
    assert is_unharmed(at)


def test_given_up_before_the_reboot_nothing_is_rebooted_and_nothing_kept(at: SiteOf) -> None:
    text = planned(at, Purpose.REBOOT, STO[0])
    at.cloud.ceph.against = "not tonight"
    after(at, is_under_way(at, "empty@sto1"), lambda: give_up(at))

    run = apply_mandate(at.site, RUN, text, bench_of(at))

    assert run.standing is Standing.ABORTED
    assert rebooted(at) == [0, 0, 0]
    assert is_unharmed(at)


def test_given_up_after_the_reboot_the_host_comes_back_and_nothing_is_kept(at: SiteOf) -> None:
    after(at, is_under_way(at, "storage@sto1"), lambda: give_up(at))

    run = ran(at, Purpose.REBOOT, *STO)

    assert run.standing is Standing.ABORTED
    assert rebooted(at) == [1, 0, 0]
    assert is_unharmed(at)


def test_paused_it_ends_the_host_that_is_worked_on_and_keeps_nothing(at: SiteOf) -> None:
    def rest() -> None:
        with open_journal(folder(at)) as journal:
            pause(journal, at_desk(at))

    after(at, is_under_way(at, "reboot@sto1"), rest)
    run = ran(at, Purpose.REBOOT, *STO)

    assert run.pause is not None
    assert rebooted(at) == [1, 0, 0]
    assert is_unharmed(at)


def test_a_cluster_that_is_silent_for_a_while_is_waited_for(at: SiteOf) -> None:
    began: list[float] = []

    def look() -> None:
        if is_under_way(at, "reboot@sto1")():
            began.append(at.cloud.now)
            at.cloud.ceph.silent = at.cloud.now < began[0] + SILENT_S

    at.meanwhile = look
    run = ran(at, Purpose.REBOOT, *STO[:2])

    assert run.standing is Standing.COMPLETED
    assert is_unharmed(at)


def test_status_names_the_flag_while_the_run_has_set_it(at: SiteOf) -> None:
    seen: list[str] = []

    def look() -> None:
        if at.cloud.ceph.kept_in:
            seen.extend(run_view.lines(fleet_account(at.site.runs, folder(at))))

    at.meanwhile = look
    ran(at, Purpose.REBOOT, STO[0])

    assert "  paused by this run: noout:sto1" in seen
