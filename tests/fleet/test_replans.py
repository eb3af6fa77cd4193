"""Whatever happens on the way, what is left is planned again, and accepted."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fleet.small_fleets import fleets, policies

from skylift.drainbench.clouds import Cloud, generate
from skylift.fleet.document import document_of, plan_document
from skylift.fleet.fleet import Fleet, GroupName, InstanceId
from skylift.fleet.planner import plan_fleet
from skylift.fleet.replan import HostDied, InstanceAppeared, MigrationFailed, present, replan
from skylift.model.fleet_policy import FleetPolicy, Window
from skylift.model.ids import Seconds
from skylift.verifier.fleet.verify import verify_fleet

CLOUD = generate(Cloud(30, 70, 1))
POLICY = FleetPolicy()
PLAN = plan_fleet(CLOUD, POLICY)


@settings(max_examples=60)
@given(fleets(), policies(), st.integers(0, 100))
def test_what_is_left_of_any_plan_at_any_moment_is_planned_and_accepted(
    fleet: Fleet, policy: FleetPolicy, percent: int
) -> None:
    policy = replace(policy, windows=(), first=(), zones_in_turn=False)
    plan = plan_fleet(fleet, policy)

    now, left = replan(present(fleet, plan, plan.makespan * 10 * percent), policy)

    assert verify_fleet(document_of(now, policy), plan_document(left)) == ()


def test_nothing_is_left_of_a_plan_that_ended() -> None:
    _, left = replan(present(CLOUD, PLAN, PLAN.makespan * 1000), POLICY)

    assert (left.turns, left.moves) == ((), ())


def test_going_on_costs_no_more_than_the_plan_did() -> None:
    moment = PLAN.makespan * 500

    _, left = replan(present(CLOUD, PLAN, moment), POLICY)

    assert sum(move.start < moment for move in PLAN.moves) + len(left.moves) <= len(PLAN.moves)
    assert moment + left.makespan * 1000 <= PLAN.makespan * 1100


def test_a_host_that_dies_costs_only_itself() -> None:
    moment = PLAN.makespan * 500
    dead = next(turn.host for turn in PLAN.turns if turn.back < moment)

    now, left = replan(present(CLOUD, PLAN, moment), POLICY, HostDied(dead))

    assert verify_fleet(document_of(now, POLICY), plan_document(left)) == ()
    assert dead not in {move.target for move in left.moves}


def test_a_migration_that_failed_is_made_again() -> None:
    moment = PLAN.makespan * 500
    move = next(m for m in PLAN.moves if m.start < moment < m.end)

    _, left = replan(present(CLOUD, PLAN, moment), POLICY, MigrationFailed(move.instance, move.source))

    assert move.instance in {m.instance for m in left.moves}
    assert next(t for t in left.turns if t.host == move.source).closed == 0


def test_an_instance_that_appeared_on_a_host_that_waits_is_moved_with_it() -> None:
    moment = PLAN.makespan * 300
    host = max(PLAN.turns, key=lambda turn: turn.closed).host
    like = next(i for i in CLOUD.instances if i.host == host)
    new = replace(like, id=InstanceId("new"), group=GroupName(""))

    now, left = replan(present(CLOUD, PLAN, moment), POLICY, InstanceAppeared(new))

    assert verify_fleet(document_of(now, POLICY), plan_document(left)) == ()
    assert "new" in {m.instance for m in left.moves}


def test_once_all_windows_are_over_nothing_more_begins() -> None:
    policy = replace(POLICY, windows=(Window(Seconds(0), Seconds(3600)),))

    _, left = replan(present(CLOUD, PLAN, 4_000_000), policy, moment_ms=4_000_000)

    assert left.turns == ()
    assert left.stranded
