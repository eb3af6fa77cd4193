"""A service whose processes of two releases must not live at once is switched on all its hosts together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from skylift.actions.await_ended import AwaitEnded
from skylift.actions.parking import ParkPool
from skylift.catalog.catalog import documents, load
from skylift.model.cloud import Cloud
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, HostName, Seconds, ServiceName
from skylift.model.problem import Fix
from skylift.model.record import Policy, Record
from skylift.model.release import Release
from skylift.planning.graph import waits_for
from skylift.planning.plan import Notice, Plan
from skylift.planning.refusals import NotRolling
from skylift.planning.text import plan_document, write_plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.whole_clouds import Shape, whole_cloud
from skylift.verifier.verify import verify

CATALOG = load()
SHAPE = Shape(source=Release(2025, 1), goal=Release(2026, 1))
ENGINE = ServiceName("heat-engine")


def site(*, park_s: int = 20, accepted: Collection[str] = ()) -> tuple[Cloud, Record]:
    """Heat with both its APIs, three hosts each, beside a keystone."""
    policy = Policy(park_s=Seconds(park_s), outages=frozenset(accepted))
    return whole_cloud(CATALOG, ("keystone", "heat"), SHAPE, policy=policy)


def planned(cloud: Cloud, record: Record, shape: Shape = SHAPE) -> Plan:
    digest = Digest("sha256:" + "a" * 64)
    return plan_upgrade(cloud, record, Upgrade(shape.goal), CATALOG, record_digest=digest)


def engine_steps(plan: Plan, *verbs: str) -> list[str]:
    own = [str(step.id) for step in plan.steps if step.id.startswith("heat-engine:")]
    return [name for name in own if not verbs or name.partition(":")[2].partition("@")[0] in verbs]


def before(plan: Plan) -> dict[str, set[str]]:
    """Per step, all that has surely ended when it starts."""
    found: dict[str, set[str]] = {}
    direct = waits_for(plan)
    for step in plan.steps:
        found[step.id] = set(direct[step.id]).union(*(found[first] for first in direct[step.id]))
    return found


def test_every_engine_stops_before_any_starts_and_all_else_is_rolled() -> None:
    plan = planned(*site())
    behind = before(plan)

    stops, starts = engine_steps(plan, "stop"), engine_steps(plan, "start")
    assert len(stops) == len(starts) == 3
    assert all(set(stops) <= behind[start] for start in starts)
    assert not [step for step in plan.steps if step.impact.notice is Notice.DOWN]
    assert verify(plan_document(write_plan(plan)), documents()) == ()


def test_hosts_go_side_by_side_so_that_users_wait_no_longer_than_for_one() -> None:
    plan = planned(*site())
    behind = before(plan)

    for verb in ("stop", "start"):
        first, *others = engine_steps(plan, verb)
        assert not [other for other in others if first in behind[other] or other in behind[first]]


def test_what_was_asked_for_has_ended_before_requests_wait_and_again_before_the_first_stop() -> None:
    """The first look may take as long as stacks do, the second only as long as users may wait."""
    plan = planned(*site())
    steps, behind = {str(step.id): step for step in plan.steps}, before(plan)

    assert engine_steps(plan)[:4] == [
        "heat-engine:ended",
        "heat-engine:park",
        "heat-engine:park-heat-api-cfn",
        "heat-engine:still",
    ]
    ended, still = steps["heat-engine:ended"], steps["heat-engine:still"]
    assert isinstance(ended.action, AwaitEnded)
    assert isinstance(still.action, AwaitEnded)
    assert (ended.deadline, still.deadline) == (Policy().timeouts.idle, Policy().park_s)
    assert (ended.impact.notice, still.impact.notice) == (Notice.NONE, Notice.SLOW)
    assert all("heat-engine:still" in behind[stop] for stop in engine_steps(plan, "stop"))


def test_requests_to_both_apis_wait_until_every_engine_is_healthy_and_no_longer() -> None:
    plan = planned(*site())
    behind = before(plan)

    parked = {str(step.action.pool) for step in plan.steps if isinstance(step.action, ParkPool)}
    assert parked == {"heat-api", "heat-api-cfn"}
    for unpark in ("heat-engine:unpark", "heat-engine:unpark-heat-api-cfn"):
        assert set(engine_steps(plan, "healthy")) <= behind[unpark]
        assert not set(engine_steps(plan, "report")) & behind[unpark]


def test_a_plan_says_that_it_does_so_and_why() -> None:
    (told,) = [note for note in planned(*site()).notes if note.startswith("heat-engine is stopped on all")]

    assert "an old engine drops what a new one casts" in told
    assert "requests to heat-api and heat-api-cfn wait" in told


@pytest.mark.parametrize("parking", [True, False])
def test_where_users_cannot_wait_for_as_long_as_it_takes_it_is_refused_with_what_can_be_done(
    parking: bool,  # noqa: FBT001 - a case of the test
) -> None:
    cloud, record = site(park_s=12)
    if not parking:
        record = replace(record, balancer=replace(record.balancer, parking=None))

    with pytest.raises(NotRolling, match="no heat-engine may live beside one of the other release") as caught:
        planned(cloud, record)

    why = "likely takes 20 s, and the record lets them wait 12 s" if parking else "balancer.parking"
    assert why in str(caught.value)
    accept = [remedy.how for remedy in caught.value.remedies if remedy.fix is Fix.ACCEPT]
    assert accept == ["accept that heat does not answer meanwhile: add heat to policy.outages"]


def test_where_an_outage_is_accepted_it_is_stopped_as_a_whole_instead() -> None:
    plan = planned(*site(park_s=12, accepted=("heat",)))

    assert {step.impact.api for step in plan.steps if step.impact.notice is Notice.DOWN} == {"heat"}
    assert not engine_steps(plan, "park", "ended", "still")
    assert verify(plan_document(write_plan(plan)), documents()) == ()


def test_over_any_other_hop_engines_go_one_after_another_and_nobody_waits() -> None:
    shape = Shape(source=Release(2024, 1), goal=Release(2025, 1))
    plan = planned(*whole_cloud(CATALOG, ("keystone", "heat"), shape, policy=Policy()), shape)

    assert not engine_steps(plan, "park", "ended", "still")
    assert "heat-engine:stop@ctl2" in before(plan)["heat-engine:stop@ctl3"]


def test_a_plan_that_was_cut_short_goes_on_with_the_hosts_that_are_left() -> None:
    cloud, record = site()
    new = next(a for a in record.artifacts.values() if a.release == SHAPE.goal)
    key = (ENGINE, HostName("ctl2"))
    unit = replace(cloud.units[key], running=str(new.path), linked=str(new.path))
    cloud = replace(cloud, units={**cloud.units, key: unit})

    plan = planned(cloud, record)

    assert engine_steps(plan, "stop") == ["heat-engine:stop@ctl1", "heat-engine:stop@ctl3"]
    assert verify(plan_document(write_plan(plan)), documents()) == ()
