"""An upgrade that stopped anywhere before the end of its way back is taken back, and users notice nothing.

Issue 5, 2: reversal steps, rolling, 0 failed API requests; the state is that of the start.
"""

from __future__ import annotations

import os
from functools import cache
from random import Random

import pytest
from tests.crash.worlds import frozen, thawed
from tests.rollback.half_way import (
    Upgrading,
    core,
    sample,
    state,
    told_against,
    upgrading,
)

from skylift.actions.lower_version import LowerVersion
from skylift.engine.fold import Standing
from skylift.planning.refusals import NothingToTakeBack, WayBackClosed
from skylift.testing.fake_cloud import FakeCloud

SEED = int(os.environ.get("SKYLIFT_SEED", "0"))
"""Printed with each failure, so that it can be seen again: SKYLIFT_SEED=... pytest ..."""
SERVICES = int(os.environ.get("SKYLIFT_SERVICES", "5"))
"""From within how many services of a core it is tried."""
FIRST_END = "keystone:contract"
pytestmark = pytest.mark.timeout(3000)
"""The first test of a process runs a whole upgrade, for all the others."""


def settled(cloud: FakeCloud) -> FakeCloud:
    """A moment later, when balancers have looked at what serves again."""
    cloud.pass_time(20)
    return cloud


@cache
def small() -> tuple[Upgrading, object]:
    """A whole upgrade of the sample, and the state that it began at."""
    going = sample()
    start = state(settled(thawed(frozen(going.cloud))))
    assert going.run().standing is Standing.COMPLETED
    return going, start


@cache
def large() -> tuple[Upgrading, object]:
    """The same of a core, in which users boot servers all the while."""
    cloud = core()
    cloud.builds.every_s = 11
    going = upgrading(cloud, cloud.record.artifacts[max(cloud.record.artifacts)].release)
    start = state(settled(thawed(frozen(going.cloud))))
    assert going.run().standing is Standing.COMPLETED
    assert going.cloud.failed == []
    return going, start


def test_whatever_step_an_upgrade_stopped_after_it_is_taken_back_and_no_request_fails() -> None:
    going, start = small()
    ends = going.begun_before(FIRST_END)
    went, nothing = 0, 0

    for begun in (number for number in going.worlds if 0 < number <= ends):
        half_way = going.stopped_after(begun)
        where = [*half_way.run.steps][-1]
        try:
            plan = half_way.way_back()
        except NothingToTakeBack:
            assert state(settled(half_way.cloud)) == start, where
            nothing += 1
            continue
        assert told_against(plan) == (), where

        ended = half_way.take_back(plan)

        assert ended.standing is Standing.COMPLETED, where
        assert half_way.cloud.failed == [], where
        assert state(settled(half_way.cloud)) == start, where
        went += 1

    assert nothing > 5, "what only prepares leaves nothing to take back"
    assert went > 50


def test_past_the_first_contract_the_run_as_a_whole_is_refused_and_nothing_is_touched() -> None:
    going, _ = small()
    contract = going.begun_before(FIRST_END) + 1

    for begun in (number for number in going.worlds if number >= contract):
        half_way = going.stopped_after(begun)
        with pytest.raises(WayBackClosed, match="keystone, since keystone:contract has begun"):
            half_way.way_back()


def test_what_can_still_go_back_goes_back_alone_after_the_contract_of_another() -> None:
    """Placement has no contract; only its rows that were moved end its way back."""
    going, _ = small()
    half_way = going.stopped_after(going.begun_before("placement:online-migrations"))

    plan = half_way.way_back("placement")
    ended = half_way.take_back(plan)

    assert told_against(plan) == ()
    assert ended.standing is Standing.COMPLETED
    assert half_way.cloud.failed == []
    turned = {step.id.partition(":")[0] for step in plan.steps if ":stop@" in step.id}
    assert turned == {"placement-api"}


def test_a_core_is_taken_back_from_within_its_services_and_no_server_is_lost() -> None:
    """Of some services, by chance, one moment of their turns each; and the last moment before the end."""
    going, start = large()
    ends = going.before_the_end()
    chance = Random(SEED)
    stops = {step.id.partition(":")[0] for step in going.plan.steps if ":stop@" in step.id}
    moments = {name: _within(going, name, chance) for name in chance.sample(sorted(stops), SERVICES)}
    moments["the end"] = ends
    lowered: set[str] = set()

    for where, begun in moments.items():
        half_way = going.stopped_after(min(begun, ends))
        told = (where, [*half_way.run.steps][-1], f"SKYLIFT_SEED={SEED}")
        plan = half_way.way_back()
        assert told_against(plan) == (), told

        ended = half_way.take_back(plan)

        half_way.cloud.builds.every_s = 0
        assert ended.standing is Standing.COMPLETED, told
        assert half_way.cloud.failed == [], told
        assert state(settled(half_way.cloud)) == start, told
        half_way.cloud.pass_time(30)
        assert half_way.cloud.builds.lost == [], told
        lowered |= {step.action.service for step in plan.steps if isinstance(step.action, LowerVersion)}

    assert {"nova-compute", "nova-conductor", "nova-api"} <= lowered


def test_without_a_lowered_row_an_old_service_of_nova_does_not_start() -> None:
    """So that the test before this one can fail: the fake cloud refuses as nova does."""
    going, _ = large()
    half_way = going.stopped_after(going.before_the_end())
    cloud = half_way.cloud
    unit = cloud.record.services["nova-scheduler"].unit  # type: ignore[index] # a name
    host = cloud.hosts[cloud.controllers[0].name]
    old = cloud.record.artifacts[min(cloud.record.artifacts)].path

    host.links[host.units[unit].link] = old
    cloud.reboot(host.name)
    cloud.pass_time(60)

    assert host.units[unit].running is None


def _within(going: Upgrading, service: str, chance: Random) -> int:
    own = [
        step.id for step in going.plan.steps if step.id.startswith(f"{service}:") and "unpin" not in step.id
    ]
    return going.begun_before(chance.choice(own)) + 1
