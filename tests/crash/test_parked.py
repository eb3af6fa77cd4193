"""Parking is a guard that no death leaves behind: requests flow again, and none fails for it."""

from __future__ import annotations

import itertools
from itertools import pairwise

import pytest
from tests.crash.worlds import Snapshots, deeds, shape, thawed

from skylift.actions.parking import LEASE_S, ParkPool, UnparkPool
from skylift.engine.fold import Phase, Standing, fold
from skylift.engine.journal import StepStarted
from skylift.engine.operate import Asked, retry
from skylift.model.ids import HostName, Seconds
from skylift.planning.plan import Plan
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import Fuse, FusedJournal, Killed, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner, host_chain, plan_of, step_of
from skylift.testing.samples import (
    EXPANDED_2024_1,
    PLACEMENT,
    R2024_1,
    artifact_name,
    sample_record,
    service_name,
)
from skylift.testing.scripted import Script, Scripted

CTL1 = HostName("ctl1")
RECORD = sample_record()
POOL = RECORD.services[service_name(PLACEMENT)].pool
NEW = RECORD.artifacts[artifact_name(R2024_1)]
LIMIT = Seconds(20)
SETTLED_S = 5
"""Until health checks have seen what was done."""


def cloud() -> FakeCloud:
    """A cloud in which one service is about to be restarted, and cannot hand over what it has in hand."""
    here = FakeCloud(RECORD)
    here.stage(R2024_1)
    here.rows["placement"] = EXPANDED_2024_1[PLACEMENT]
    here.pass_time(5)
    return here


def restart(*, parked: bool = True) -> Plan:
    """The service is restarted on one host, never drained; parked around it if ``parked``."""
    (_, _, *work, _) = host_chain(RECORD, PLACEMENT, CTL1, NEW)
    actions = [ParkPool(POOL, LIMIT), *work, UnparkPool(POOL)] if parked else work
    steps = [step_of(action, deadline=LIMIT) for action in actions]
    return plan_of(steps, pairwise(steps))


def longest_left(cloud: FakeCloud) -> int:
    """For how long still any balancer holds requests."""
    return max(
        left for parking in cloud.traffic.parking.values() for left in parking.left(cloud.now).values()
    )


def test_parked_requests_outlive_the_restart_of_a_service_that_loses_others() -> None:
    here, bare = cloud(), cloud()

    run = Runner(cloud=here, journal=MemoryJournal()).run(restart())
    Runner(cloud=bare, journal=MemoryJournal()).run(restart(parked=False))

    assert run.standing is Standing.COMPLETED
    assert here.failed == []
    assert longest_left(here) == 0
    assert [f.why for f in bare.failed] == ["in flight on ctl1 when its service was stopped"] * 2


@pytest.mark.parametrize("dead_for_s", [1, LEASE_S - 3, LEASE_S + 1, 300])
def test_whatever_dies_requests_flow_again_and_a_resume_parks_before_it_goes_on(dead_for_s: int) -> None:
    plan, expected, journal = restart(), cloud(), MemoryJournal()
    snapshots = Snapshots((expected, journal))
    ports = fused(ports_of(expected), snapshots)
    Runner(cloud=expected, journal=FusedJournal(journal, snapshots), ports=ports).run(plan)
    expected.pass_time(SETTLED_S)

    for frozen, where in snapshots.worlds.items():
        survivor, journal = thawed(frozen)
        left = longest_left(survivor)
        survivor.pass_time(dead_for_s)
        flows = longest_left(survivor) == 0
        run = Runner(cloud=survivor, journal=journal).run(plan)
        unparked = longest_left(survivor) == 0
        survivor.pass_time(SETTLED_S)

        assert left <= LEASE_S < LIMIT, where
        assert flows or dead_for_s < LEASE_S, where
        assert run.standing is Standing.COMPLETED, where
        assert shape(survivor) == shape(expected), where
        assert deeds(survivor) == deeds(expected), where
        assert unparked, where
        assert survivor.failed == [], where
    assert {"balancer.park", "balancer.unpark", "balancer.parked"} <= set(snapshots.touched)
    assert len(snapshots.worlds) > 20


def test_a_run_killed_again_and_again_loses_no_request_and_leaves_nothing_parked() -> None:
    here, journal, deaths = cloud(), MemoryJournal(), 0

    for notches in itertools.count(start=3):
        fuse = Fuse(notches)
        try:
            ports = fused(ports_of(here), fuse)
            Runner(cloud=here, journal=FusedJournal(journal, fuse), ports=ports).run(restart())
        except Killed:
            deaths += 1
            here.pass_time(LEASE_S + 1)
        else:
            break

    assert deaths > 5
    assert fold(journal.events()).standing is Standing.COMPLETED
    assert here.failed == []
    assert longest_left(here) == 0


def test_what_was_parked_when_the_process_died_is_parked_again_in_the_same_attempt() -> None:
    here, journal, plan = cloud(), MemoryJournal(), restart()
    park, stop = plan.steps[0].id, plan.steps[1].id
    fuse = Fuse(10**9)
    fused_journal = FusedJournal(journal, fuse)

    class Watched(Fuse):
        """Dies when the stop is written down, before anything is stopped."""

        def touch(self, what: str) -> None:
            super().touch(what)
            if what == "services.unit":
                raise Killed

    with pytest.raises(Killed):
        Runner(cloud=here, journal=fused_journal, ports=fused(ports_of(here), Watched(10**9))).run(plan)
    here.pass_time(60)
    Runner(cloud=here, journal=journal).run(plan)

    started = [(e.step, e.attempt) for e in journal.events() if isinstance(e, StepStarted)]
    assert started[:3] == [(park, 1), (stop, 1), (park, 1)]
    assert here.failed == []


def test_a_failure_inside_lets_requests_flow_and_a_retry_parks_again() -> None:
    here, journal = cloud(), MemoryJournal()
    runner = Runner(cloud=here, journal=journal)
    here.broken.add(NEW.path)

    halted = runner.run(restart())
    left = longest_left(here)
    here.pass_time(60)
    here.broken.clear()
    retry(journal, Asked("rey", here.now))
    after = runner.go_on(restart())

    assert halted.standing is Standing.HALTED
    assert left <= LEASE_S
    assert after.standing is Standing.COMPLETED
    assert here.failed == []
    assert longest_left(here) == 0


def test_a_pool_that_does_not_get_quiet_fails_its_step_and_is_held_no_longer_than_the_limit() -> None:
    here, journal = cloud(), MemoryJournal()
    here.traffic.session_s = 10**6
    here.pass_time(1)

    run = Runner(cloud=here, journal=journal).run(restart())
    here.pass_time(LEASE_S)

    assert run.within(Phase.FAILED) == {restart().steps[0].id}
    assert longest_left(here) == 0
    assert deeds(here) == {}


def test_a_slow_step_does_not_keep_requests_waiting_beyond_the_limit() -> None:
    here, slow = cloud(), Scripted("slow", Script(left={"slow": 90}))
    steps = [step_of(action) for action in (ParkPool(POOL, LIMIT), slow, UnparkPool(POOL))]
    parked_at: list[float] = []

    def look(*_: object) -> None:
        if longest_left(here):
            parked_at.append(here.now)

    run = Runner(cloud=here, journal=MemoryJournal(), view=look).run(plan_of(steps, pairwise(steps)))

    assert run.standing is Standing.COMPLETED
    assert LIMIT - LEASE_S < parked_at[-1] - parked_at[0] <= LIMIT
