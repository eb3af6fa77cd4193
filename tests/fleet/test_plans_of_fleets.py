"""Whatever the fleet and the policy, the verifier accepts the plan; it shares no code with the planner."""

from __future__ import annotations

from hypothesis import given, settings
from tests.fleet.small_fleets import fleets, policies

from skylift.fleet.document import document_of, fleet_of, plan_document
from skylift.fleet.fleet import Fleet
from skylift.fleet.plan import FleetPlan
from skylift.fleet.planner import plan_fleet
from skylift.model.fleet_policy import FleetPolicy
from skylift.verifier.fleet.verify import verify_fleet


@settings(max_examples=120)
@given(fleets(), policies())
def test_every_plan_is_accepted_by_the_verifier(fleet: Fleet, policy: FleetPolicy) -> None:
    plan = plan_fleet(fleet, policy)

    assert verify_fleet(document_of(fleet, policy), plan_document(plan)) == ()


@settings(max_examples=80)
@given(fleets(), policies())
def test_no_plan_is_better_than_its_bounds(fleet: Fleet, policy: FleetPolicy) -> None:
    plan = plan_fleet(fleet, policy)

    if not plan.stranded:
        assert len(plan.moves) >= plan.bounds.moves
        assert plan.makespan + 1 >= plan.bounds.slots_s
        assert plan.makespan + 1 >= plan.bounds.area_s
        assert plan.makespan + 1 >= plan.bounds.network_s
        if not moved_for_want_of_room(plan):
            assert plan.waves >= max(plan.bounds.waves, plan.bounds.waves_at_all)


def moved_for_want_of_room(plan: FleetPlan) -> bool:
    """Whether a host after the first wave was emptied onto hosts that had yet to be, which B2 and B3 bar."""
    turn = {t.host: t for t in plan.turns}
    return any(
        turn[m.source].wave > 1 and m.target in turn and turn[m.target].back > m.start for m in plan.moves
    )


@settings(max_examples=40)
@given(fleets(), policies())
def test_the_same_fleet_gives_the_same_plan(fleet: Fleet, policy: FleetPolicy) -> None:
    assert plan_fleet(fleet, policy) == plan_fleet(fleet, policy)


@settings(max_examples=40)
@given(fleets(), policies())
def test_a_fleet_is_read_as_it_was_written(fleet: Fleet, policy: FleetPolicy) -> None:
    assert fleet_of(document_of(fleet, policy)) == (fleet, policy)
