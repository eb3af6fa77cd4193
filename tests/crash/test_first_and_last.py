"""A service that begins runs in the end, and one that ends does not, whatever dies or reboots meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.crash.worlds import Snapshots, deeds, shape, thawed
from tests.planning.test_closing import planned
from tests.planning.test_first_and_last import BRIDGE, PERIODIC, R2024_2, R2025_1, site

from skylift.engine.fold import Standing
from skylift.model.cloud import Cloud, UnitState
from skylift.model.ids import HostName, UnitName
from skylift.model.record import Record
from skylift.model.release import Release
from skylift.planning.plan import Plan
from skylift.testing.fake_cloud import BOOT_S, FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner

Case = tuple[str, tuple[Cloud, Record], Release]
CASES: dict[str, Case] = {
    "begins": (PERIODIC, site(), R2024_2),
    "ends": (BRIDGE, site(R2024_2, R2025_1), R2025_1),
}


def part(case: Case) -> Plan:
    """What the plan does to that one service."""
    service, (cloud, record), goal = case
    plan = planned(cloud, record, goal)
    steps = tuple(step for step in plan.steps if step.id.startswith(f"{service}:"))
    ids = {step.id for step in steps}
    return replace(plan, steps=steps, edges=tuple(e for e in plan.edges if {e.before, e.after} <= ids))


def before(case: Case) -> FakeCloud:
    _, (_, record), goal = case
    here = FakeCloud(record)
    here.stage(goal)
    return here


def hosts_of(case: Case) -> list[HostName]:
    service, (_, record), _ = case
    return [host.name for host in record.hosts_in(record.services[service].role)]  # type: ignore[index]


def state(here: FakeCloud, case: Case) -> set[tuple[UnitState, bool]]:
    unit = UnitName(f"{case[0]}.service")
    return {(here.hosts[h].units[unit].state, here.hosts[h].units[unit].enabled) for h in hosts_of(case)}


WANTED = {"begins": {(UnitState.ACTIVE, True)}, "ends": {(UnitState.INACTIVE, False)}}
AT_FIRST = {"begins": {(UnitState.INACTIVE, False)}, "ends": {(UnitState.ACTIVE, True)}}


@pytest.mark.parametrize("name", CASES)
def test_it_is_so_in_the_end_and_after_a_reboot(name: str) -> None:
    case = CASES[name]
    here = before(case)
    at_first = state(here, case)

    run = Runner(cloud=here, journal=MemoryJournal()).run(part(case))
    ended = state(here, case)
    for host in hosts_of(case):
        here.reboot(host)
    here.pass_time(BOOT_S + 5)

    assert run.standing is Standing.COMPLETED
    assert (at_first, ended, state(here, case)) == (AT_FIRST[name], WANTED[name], WANTED[name])


@pytest.mark.parametrize("name", CASES)
def test_whatever_dies_it_ends_alike_and_nothing_is_done_twice(name: str) -> None:
    case = CASES[name]
    plan, expected, journal = part(case), before(case), MemoryJournal()
    snapshots = Snapshots((expected, journal))
    ports = fused(ports_of(expected), snapshots)
    Runner(cloud=expected, journal=FusedJournal(journal, snapshots), ports=ports).run(plan)

    for frozen, where in snapshots.worlds.items():
        survivor, journal = thawed(frozen)
        survivor.pass_time(7)
        run = Runner(cloud=survivor, journal=journal).run(plan)

        assert run.standing is Standing.COMPLETED, where
        assert shape(survivor) == shape(expected), where
        assert deeds(survivor) == deeds(expected), where
        assert state(survivor, case) == WANTED[name], where
    assert "services.let_start_with_host" in snapshots.touched


@pytest.mark.parametrize("name", CASES)
def test_a_host_that_reboots_in_the_middle_comes_to_the_same(name: str) -> None:
    case = CASES[name]
    for moment in range(12):
        here, journal = before(case), MemoryJournal()
        left = iter(range(moment))

        def view(_run: object, _left: object, *, here: FakeCloud = here, left: object = left) -> None:
            if next(left, None) is None and here.hosts[hosts_of(case)[0]].boots == 1:  # type: ignore[call-overload]
                here.reboot(hosts_of(case)[0])

        run = Runner(cloud=here, journal=journal, view=view).run(part(case))
        here.pass_time(BOOT_S + 5)

        assert run.standing is Standing.COMPLETED, moment
        assert state(here, case) == WANTED[name], moment
