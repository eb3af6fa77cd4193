"""What a volume host exports is saved before its reboot, and there again after it; who misses it agreed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import RUN, SiteOf, bench_of, folder, is_whole, planned, ran
from tests.app.storage_run import after, events, is_under_way, problem_of, rebooted, retried
from tests.app.volume_run import VOL, VOLUME, exported, row_of, serving, volumes_of

from skylift.app.fleet_account import fleet_account
from skylift.app.fleet_as_planned import FleetDrifted
from skylift.app.fleet_subject import Maintaining
from skylift.app.maintain import apply_mandate
from skylift.app.propose_fleet import FleetProposal, propose_maintenance
from skylift.app.read_volume import VolumesStuck
from skylift.cli.views import fleet as fleet_view
from skylift.engine.fold import Standing
from skylift.fleet.mandate import Purpose, read_mandate
from skylift.fleet.reasons import turning
from skylift.model.exports import Target
from skylift.model.ids import HostName, StepId

BY_HAND = Target("iqn.2026-01.org.example:scratch", 1, "/dev/vg/scratch")


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    return serving(volumes_of(tmp_path))


def proposed(at: SiteOf, *hosts: HostName) -> FleetProposal:
    return propose_maintenance(at.site, Purpose.REBOOT, hosts, frontier=False)


def told(proposal: FleetProposal) -> str:
    return "\n".join(fleet_view.lines(proposal))


def test_what_was_exported_is_again_before_cinder_volume_is_opened(at: SiteOf) -> None:
    opened_without: list[bool] = []
    at.meanwhile = lambda: opened_without.append(
        row_of(at, VOLUME, VOL[0]).enabled
        and at.cloud.hosts[VOL[0]].boots > 1
        and exported(at) != {"of-vm", "of-off"}
    )

    run = ran(at, Purpose.REBOOT, VOL[0])

    assert run.standing is Standing.COMPLETED
    assert rebooted(at, VOL) == [1, 0]
    assert events(at) == [
        *("empty@vol1", "reboot@vol1", "cinder-volume@vol1", "cinder-backup@vol1", "exports@vol1"),
        *("open-cinder-volume@vol1", "open-cinder-backup@vol1"),
    ]
    assert not any(opened_without)
    assert is_whole(at)
    assert fleet_account(at.site.runs, folder(at)).done == (VOL[0],)


def test_the_plan_counts_who_is_cut_off_and_whoever_is_shut_off_is_not(at: SiteOf) -> None:
    mandate = read_mandate(planned(at, Purpose.REBOOT, *VOL))

    assert "1 volumes of 1 instances are cut off while vol1 is down" in told(proposed(at, *VOL))
    assert Maintaining(mandate).noticed == ("1 volumes of 1 instances are cut off while vol1 is down",)
    assert turning(mandate, StepId("exports@vol1")).title == "wait until vol1 exports its volumes again"


def test_without_consent_its_host_is_left_alone_with_the_ways_out(tmp_path: Path) -> None:
    at = serving(volumes_of(tmp_path), agreed=False)

    proposal = proposed(at, *VOL)

    assert proposal.blocked
    assert proposal.mandate is not None
    assert proposal.mandate.hosts == (VOL[1],)
    assert "1 volumes of 1 instances are cut off while vol1 is down; ask the owners of vm" in told(proposal)
    assert "openstack server stop vm" in told(proposal)
    assert "maintenance.cut_off: true" in told(proposal)
    with pytest.raises(VolumesStuck, match="ask the owners of vm"):
        planned(at, Purpose.REBOOT, VOL[0])


def test_when_all_who_have_its_volumes_are_shut_off_nobody_need_agree(tmp_path: Path) -> None:
    at = serving(volumes_of(tmp_path), agreed=False)
    at.cloud.nova.servers["vm"].vm_state = "stopped"

    assert ran(at, Purpose.REBOOT, VOL[0]).standing is Standing.COMPLETED
    assert exported(at) == {"of-vm", "of-off"}


def test_an_owner_who_wants_to_be_asked_is_though_the_operator_agreed(at: SiteOf) -> None:
    at.cloud.nova.servers["vm"].tags = ("maintenance=ask",)

    with pytest.raises(VolumesStuck, match="ask the owners of vm"):
        planned(at, Purpose.REBOOT, VOL[0])


def test_a_target_that_nobody_explains_needs_the_operators_consent(tmp_path: Path) -> None:
    at = volumes_of(tmp_path)
    at.cloud.disks.export(VOL[0], BY_HAND)

    with pytest.raises(VolumesStuck, match="1 targets of which nobody knows who has them"):
        planned(at, Purpose.REBOOT, VOL[0])

    maintenance = replace(at.site.record.maintenance, cut_off=True)
    at.site = replace(at.site, record=replace(at.site.record, maintenance=maintenance))
    assert ran(at, Purpose.REBOOT, VOL[0]).standing is Standing.COMPLETED
    assert at.cloud.disks.exports(VOL[0]).targets == (BY_HAND,)


def test_what_a_boot_would_not_bring_back_is_refused_with_the_command_that_saves_it(at: SiteOf) -> None:
    disks = at.cloud.disks.on[VOL[0]]
    saved, disks.saved = disks.saved, disks.saved[:1]
    with pytest.raises(VolumesStuck, match=r"not in what is restored at a boot: .*of-off") as refused:
        planned(at, Purpose.REBOOT, VOL[0])
    assert any("skylift ssh vol1 tgt-admin --dump" in r.how for r in refused.value.remedies)

    disks.saved, disks.starts = saved, False
    with pytest.raises(VolumesStuck, match="no unit that restores what tgt exports starts"):
        planned(at, Purpose.REBOOT, VOL[0])


def test_one_that_is_attached_and_not_exported_is_named_and_no_reboot_blurs_it(at: SiteOf) -> None:
    at.cloud.disks.attach("broken", VOL[0], "vm")
    disks = at.cloud.disks.on[VOL[0]]
    del disks.targets[-1]

    with pytest.raises(VolumesStuck, match="attached, and not exported now: volume broken"):
        planned(at, Purpose.REBOOT, VOL[0])


def test_a_host_that_does_not_answer_is_left_alone(at: SiteOf) -> None:
    at.cloud.hosts[VOL[1]].reachable = False

    proposal = proposed(at, *VOL)

    assert proposal.mandate is not None
    assert proposal.mandate.hosts == (VOL[0],)
    assert "nobody can tell what it exports: vol2 could not be reached" in told(proposal)


def test_what_changed_since_the_plan_is_told_before_anything_begins(at: SiteOf) -> None:
    text = planned(at, Purpose.REBOOT, VOL[0])
    at.cloud.nova.boot("late", "cmp2")
    at.cloud.disks.attach("of-late", VOL[0], "late")

    with pytest.raises(FleetDrifted, match="late has a volume of it, and had none when it was planned"):
        apply_mandate(at.site, RUN, text, bench_of(at))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("user", "late has a volume of it, and had none"),
        ("started", "off has a volume of it, and had none"),
        ("unsaved", "not in what is restored at a boot"),
        ("gone", "not exported any more: iqn.2010-10.org.openstack:volume-of-vm"),
        ("moved", "not exported any more: .*/dev/vg/volume-of-vm as unit 1"),
        ("target", "it exports iqn.2026-01.org.example:scratch, and did not"),
    ],
)
def test_what_changes_while_it_is_closed_keeps_it_up_and_a_retry_completes(
    at: SiteOf, change: str, why: str
) -> None:
    disks, nova = at.cloud.disks, at.cloud.nova
    before = (list(disks.on[VOL[0]].targets), list(disks.on[VOL[0]].saved), dict(disks.volumes))

    def alter() -> None:
        own = disks.on[VOL[0]]
        match change:
            case "user":
                nova.boot("late", "cmp2")
                disks.attach("of-late", VOL[0], "late")
            case "started":
                nova.servers["off"].vm_state = "active"
            case "unsaved":
                own.saved.clear()
            case "gone":
                del own.targets[0]
            case "moved":
                own.targets[0] = replace(own.targets[0], unit=2)
            case _:
                disks.export(VOL[0], BY_HAND)

    after(at, lambda: not row_of(at, VOLUME, VOL[0]).enabled, alter)
    run = ran(at, Purpose.REBOOT, VOL[0])

    assert run.standing is Standing.HALTED
    assert re.search(why, problem_of(run, "empty@vol1"))
    assert rebooted(at, VOL) == [0, 0]
    assert is_whole(at)

    own = disks.on[VOL[0]]
    own.targets, own.saved, disks.volumes = before
    nova.servers["off"].vm_state = "stopped"
    assert retried(at, "empty@vol1").standing is Standing.COMPLETED
    assert exported(at) == {"of-vm", "of-off"}


def test_a_volume_that_is_detached_meanwhile_is_not_waited_for(at: SiteOf) -> None:
    def detach() -> None:
        at.cloud.disks.volumes["of-vm"].users.clear()
        own = at.cloud.disks.on[VOL[0]]
        own.targets, own.saved = own.targets[1:], own.saved[1:]

    after(at, lambda: not row_of(at, VOLUME, VOL[0]).enabled, detach)

    assert ran(at, Purpose.REBOOT, VOL[0]).standing is Standing.COMPLETED
    assert exported(at) == {"of-off"}


def test_what_does_not_come_back_is_named_and_its_host_stays_closed_until_it_does(at: SiteOf) -> None:
    own = at.cloud.disks.on[VOL[0]]
    saved = list(own.saved)
    after(at, lambda: at.cloud.hosts[VOL[0]].boots > 1, own.saved.pop)

    run = ran(at, Purpose.REBOOT, *VOL)

    assert run.standing is Standing.HALTED
    assert "not exported again: iqn.2010-10.org.openstack:volume-of-off" in problem_of(run, "exports@vol1")
    failed = run.steps[StepId("exports@vol1")].problem
    assert failed is not None
    assert any("skylift ssh vol1 systemctl restart tgt" in str(remedy) for remedy in failed.remedies)
    assert not row_of(at, VOLUME, VOL[0]).enabled
    assert rebooted(at, VOL) == [1, 0]

    own.targets = saved
    assert StepId("open-cinder-backup@vol1") in retried(at, "exports@vol1").passed
    assert rebooted(at, VOL[:1]) == [1]
    assert row_of(at, VOLUME, VOL[0]).enabled


def test_what_is_lost_between_the_last_look_and_the_reboot_keeps_it_up(at: SiteOf) -> None:
    own = at.cloud.disks.on[VOL[0]]
    saved = list(own.saved)
    after(at, is_under_way(at, "reboot@vol1"), own.saved.pop)

    run = ran(at, Purpose.REBOOT, VOL[0])

    assert run.standing is Standing.HALTED
    assert "not rebooted yet: exported by tgt, and not in what is restored" in problem_of(run, "reboot@vol1")
    assert rebooted(at, VOL) == [0, 0]

    own.saved = saved
    assert retried(at, "reboot@vol1").standing is Standing.COMPLETED
    assert (rebooted(at, VOL), exported(at)) == ([1, 0], {"of-vm", "of-off"})
