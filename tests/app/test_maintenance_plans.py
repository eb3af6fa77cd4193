"""A plan for compute hosts is made from what Nova and Placement say, and for hosts that can be reached."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import SiteOf, site_of

from skylift.app.propose_fleet import propose_fleet, propose_maintenance
from skylift.app.read_fleet import FleetHostUnknown, NoHypervisor, entry_of, read_fleet
from skylift.cli.plan import plan as plan_verb
from skylift.fleet.document import document_of
from skylift.fleet.mandate import Purpose, digest_of_fleet
from skylift.model.codec import canonical
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName
from skylift.model.maintenance import Maintenance

CMP = [HostName(f"cmp{n}") for n in range(1, 5)]


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Four compute hosts, three instances on each of the first three."""
    made = site_of(tmp_path, computes=4)
    for n in (1, 2, 3):
        for guest in range(3):
            made.cloud.nova.boot(f"vm{n}{guest}", f"cmp{n}")
    return made


def test_every_host_is_planned_and_each_instance_moves_once(at: SiteOf) -> None:
    proposal = propose_maintenance(at.site, Purpose.REBOOT, (), frontier=False)

    assert not proposal.blocked
    assert {turn.host for turn in proposal.plan.turns} == set(CMP)
    assert len(proposal.plan.moves) == 9, "the empty host takes the first"
    mandate = proposal.mandate
    assert mandate is not None
    assert (mandate.record, mandate.purpose, mandate.cloud) == (at.site.digest, Purpose.REBOOT, "whole")
    assert mandate.fleet == digest_of_fleet(proposal.fleet, proposal.policy)


def test_the_same_is_planned_from_the_file_that_is_written_of_it(at: SiteOf, tmp_path: Path) -> None:
    file = tmp_path / "fleet.json"
    file.write_bytes(canonical(document_of(read_fleet(at.site), at.site.record.maintenance.limits)))

    live = propose_maintenance(at.site, Purpose.REBOOT, (), frontier=False)

    assert propose_fleet(file, (), frontier=False).document == live.document


def test_hosts_that_are_drained_take_nothing_of_each_other(at: SiteOf) -> None:
    proposal = propose_maintenance(at.site, Purpose.DRAIN, (CMP[0], CMP[1]), frontier=False)

    assert {turn.host for turn in proposal.plan.turns} == {CMP[0], CMP[1]}
    assert {move.target for move in proposal.plan.moves} <= {CMP[2], CMP[3]}
    assert len(proposal.plan.moves) == 6


def test_sizes_come_from_the_record(at: SiteOf) -> None:
    limits = FleetPolicy(out_percent=25, first=(CMP[2],))
    record = replace(at.site.record, maintenance=Maintenance(limits=limits))

    proposal = propose_maintenance(
        replace(at.site, record=record), Purpose.REBOOT, tuple(CMP[:3]), frontier=False
    )

    assert proposal.plan.turns[0].host == CMP[2]
    assert proposal.policy == replace(limits, only=tuple(CMP[:3]))


def test_a_host_that_nova_or_the_record_does_not_have_is_refused(at: SiteOf) -> None:
    with pytest.raises(FleetHostUnknown, match="nova has no host cmp9; it has cmp1"):
        propose_maintenance(at.site, Purpose.DRAIN, (HostName("cmp9"),), frontier=False)

    hosts = {name: entry for name, entry in at.site.record.hosts.items() if name != CMP[3]}
    site = replace(at.site, record=replace(at.site.record, hosts=hosts))

    with pytest.raises(FleetHostUnknown, match="the record has no host cmp4"):
        propose_maintenance(site, Purpose.REBOOT, (), frontier=False)
    assert propose_maintenance(site, Purpose.DRAIN, (CMP[3],), frontier=False).plan.turns


@pytest.mark.parametrize("purpose", Purpose)
def test_a_plan_tells_the_command_that_makes_it_again(at: SiteOf, purpose: Purpose) -> None:
    record = replace(at.site.record, maintenance=Maintenance(hypervisor=("true",)))
    site = replace(at.site, record=record)

    proposal = propose_maintenance(site, purpose, (CMP[0], CMP[2]), frontier=False)

    assert proposal.mandate is not None
    again = proposal.mandate.again
    wanted = {
        Purpose.REBOOT: "skylift plan --reboot --host cmp1 --host cmp3 -o reboot.plan",
        Purpose.HYPERVISOR: "skylift plan --hypervisor --host cmp1 --host cmp3 -o hypervisor.plan",
        Purpose.DRAIN: "skylift plan --drain cmp1 --drain cmp3 -o drain.plan",
    }
    assert again == wanted[purpose]
    with plan_verb.make_context("plan", shlex.split(again)[2:]):
        pass  # it is a command


def test_whoever_names_a_host_wrongly_is_told_the_command_for_the_others(at: SiteOf) -> None:
    named = (CMP[0], HostName("cmp9"))

    with pytest.raises(FleetHostUnknown) as mixed:
        propose_maintenance(at.site, Purpose.DRAIN, named, frontier=False)
    with pytest.raises(FleetHostUnknown) as alone:
        propose_maintenance(at.site, Purpose.REBOOT, named[1:], frontier=False)

    assert "skylift plan --drain cmp1 -o drain.plan" in str(mixed.value.remedies)
    assert "skylift plan" not in str(alone.value.remedies), "without a host it would mean all of them"


def test_nobody_guesses_what_a_new_hypervisor_is(at: SiteOf) -> None:
    with pytest.raises(NoHypervisor):
        propose_maintenance(at.site, Purpose.HYPERVISOR, (), frontier=False)


def test_novas_name_of_a_host_may_be_longer_than_the_records(at: SiteOf) -> None:
    assert entry_of(at.site.record, HostName("cmp2.example.org")) == at.site.record.hosts[CMP[1]]
    assert entry_of(at.site.record, HostName("cmp22.example.org")) is None
