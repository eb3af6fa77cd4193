"""What is in hand before a run, and whether instances say which machines they are."""

# ruff: noqa: E501 - the table of failures reads best with a line for each

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.roster.shown import CATALOG, cloud_and_record, findings

from skylift.app.inspect import observe_cloud
from skylift.checks.finding import Level
from skylift.cli.views import inspect
from skylift.model.cloud import Answer, Cloud
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, Epoch
from skylift.model.release import Release
from skylift.model.work import InHand, Piece
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.samples import NOW

NOVA, HEAT = ComponentName("nova"), ComponentName("heat")
FRESH, OLD = Epoch(NOW - 20), Epoch(NOW - 3_601)

Change = Callable[[Cloud], Cloud]


def servers(state: str, count: int, *since: Epoch | None) -> Change:
    oldest = tuple(Piece(f"vm{n}", at) for n, at in enumerate(since, 1))
    return lambda cloud: replace(cloud, work=(InHand(NOVA, "nova_cell1", "server", state, count, oldest),))


def stack(state: str) -> Change:
    return lambda cloud: replace(cloud, work=(InHand(HEAT, "heat", "stack", state, 1, (Piece("st1", OLD),)),))


def told(code: int, text: str) -> Change:
    return lambda cloud: replace(cloud, machine_types={NOVA: Answer(code, text)})


FAILURES: dict[str, tuple[str, Level, Change, str, str]] = {
    "building": ("work-in-hand", Level.WARNS, servers("spawning", 12, FRESH, FRESH), "12 of kind server in nova_cell1 are spawning, such as vm1, vm2", "wait until they have ended"),
    "stuck": ("work-in-hand", Level.BLOCKS, servers("deleting", 1, OLD), "1 of kind server in nova_cell1 have been deleting for more than an hour: vm1", "openstack server set --state error vm1"),
    "one of them stuck": ("work-in-hand", Level.WARNS, servers("deleting", 3, OLD, FRESH, FRESH), "2 of kind server in nova_cell1 are deleting, such as vm2, vm3", "wait until they have ended"),
    "more stuck than are named": ("work-in-hand", Level.BLOCKS, servers("deleting", 70, *[OLD] * 5), "at least 5 of kind server", "openstack server set --state error vm5"),
    "a stack": ("work-in-hand", Level.BLOCKS, stack("UPDATE_IN_PROGRESS"), "1 of kind stack in heat have been UPDATE_IN_PROGRESS", "openstack stack cancel st1"),
    "a stack that is deleted": ("work-in-hand", Level.BLOCKS, stack("DELETE_IN_PROGRESS"), "DELETE_IN_PROGRESS", "openstack stack delete st1"),
    "no machine type": ("machine-types", Level.WARNS, told(3, "vm1\nvm2\n"), "2 instances have no machine type, so their next start may give them other hardware: vm1, vm2", "nova-manage libvirt update_machine_type"),
    "many without": ("machine-types", Level.WARNS, told(3, "\n".join(f"vm{n}" for n in range(9))), "9 instances have no machine type, so their next start may give them other hardware: vm0, vm1, vm2, vm3, vm4 …", "update_machine_type"),
    "an error": ("machine-types", Level.BLOCKS, told(1, "Unexpected error, see nova-manage.log"), "it ended with 1: Unexpected error, see nova-manage.log", "ssh ctl1 journalctl"),
    "a code that nobody knows": ("machine-types", Level.BLOCKS, told(127, ""), "it ended with 127: it printed nothing", "ssh ctl1 journalctl"),
    "not asked": ("machine-types", Level.BLOCKS, lambda cloud: replace(cloud, machine_types={}), "nova was not asked for machine types", "skylift inspect"),
}  # fmt: skip


@pytest.mark.parametrize("check", ["work-in-hand", "machine-types"])
def test_an_idle_cloud_has_nothing_against_it(check: str) -> None:
    cloud, record = cloud_and_record()

    assert [f.level for f in findings(check, cloud, record)] == [Level.PASSED]


@pytest.mark.parametrize("case", FAILURES)
def test_each_check_fails_for_its_reason_with_its_message_and_a_way_out(case: str) -> None:
    check, level, change, sentence, remedy = FAILURES[case]
    cloud, record = cloud_and_record()

    found = [f for f in findings(check, change(cloud), record) if sentence in f.sentence]

    assert {f.level for f in found} == {level}, findings(check, change(cloud), record)
    assert any(remedy in r.how for f in found for r in f.remedies), found


def test_work_whose_age_nobody_knows_is_not_taken_for_stuck() -> None:
    cloud, record = cloud_and_record()

    found = findings("work-in-hand", servers("building", 1, None)(cloud), record)

    assert [f.level for f in found] == [Level.WARNS]


def test_what_is_in_hand_is_inspected_and_shown() -> None:
    _, record = cloud_and_record()
    fake = FakeCloud(record)
    fake.in_hand.append(InHand(NOVA, "nova_cell1", "server", "spawning", 1, (Piece("vm1", FRESH),)))

    cloud = observe_cloud(record, CATALOG, ports_of(fake), now=NOW, goal=Upgrade(Release(2025, 1)))

    assert [work.state for work in cloud.work] == ["spawning"]
    assert cloud.machine_types == {NOVA: Answer(0, "")}
    assert any(
        line.split()[:4] == ["server", "nova_cell1", "spawning", "1"] for line in inspect.lines(cloud, record)
    )
