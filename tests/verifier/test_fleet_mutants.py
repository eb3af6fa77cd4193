"""Good plans of fleets, each broken in one way: the verifier refuses every one, by that rule."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from skylift.drainbench.clouds import Cloud, generate
from skylift.fleet.afterwards import with_afterwards
from skylift.fleet.document import document_of, plan_document
from skylift.fleet.fleet import Fleet
from skylift.fleet.plan import Kind
from skylift.fleet.planner import plan_fleet
from skylift.model.fleet_policy import FleetPolicy
from skylift.verifier.fleet.verify import verify_fleet

Documents = tuple[dict[str, Any], dict[str, Any]]
Mutation = Callable[[dict[str, Any], dict[str, Any]], None]
SEEDS = range(1, 6)
HOST, WAVE, CLOSED, EMPTY, BACK = range(5)
INSTANCE, SOURCE, TARGET, WAY, START, END = range(6)


@pytest.fixture(scope="module", params=SEEDS)
def good(request: pytest.FixtureRequest) -> Documents:
    """A cloud of thirty hosts, and its plan."""
    fleet: Fleet = generate(Cloud(30, 50, request.param))
    policy = FleetPolicy(out_percent=50)
    return document_of(fleet, policy), plan_document(plan_fleet(fleet, policy))


def _host(fleet: dict[str, Any], name: str) -> dict[str, Any]:
    host: dict[str, Any] = fleet["hosts"][name]
    return host


def _entry(fleet: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in fleet["instances"] if entry["id"] == name)


def a_target_too_small(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    _host(fleet, plan["moves"][-1][TARGET])["ram_mib"] = 1024


def a_target_with_few_processors(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    _host(fleet, plan["moves"][-1][TARGET])["vcpus"] = 1


def more_headroom_than_was_left(fleet: dict[str, Any], _plan: dict[str, Any]) -> None:
    fleet["policy"]["headroom_percent"] = 60


def a_target_of_another_zone(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    _host(fleet, plan["moves"][-1][TARGET])["zone"] = "elsewhere"


def a_target_of_another_aggregate(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    host = _host(fleet, plan["moves"][-1][TARGET])
    host["aggregates"] = [] if host["aggregates"] else ["dedicated"]


def a_target_without_a_trait(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    fleet["flavors"][_entry(fleet, plan["moves"][-1][INSTANCE])["flavor"]]["traits"] = ["RARE"]


def a_target_with_an_older_processor(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    _entry(fleet, plan["moves"][-1][INSTANCE])["cpu"] = "Future"


def a_target_that_is_down(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    _host(fleet, plan["moves"][-1][TARGET])["up"] = False


def a_target_that_is_closed(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    _host(fleet, plan["moves"][-1][TARGET])["closed"] = True


def a_target_that_is_out(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    first = plan["turns"][0]
    move = next(m for m in plan["moves"] if m[SOURCE] != first[HOST] and m[START] > first[BACK])
    first[BACK] = move[END] + 1
    move[TARGET] = first[HOST]


def a_target_that_is_the_source(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["moves"][0][TARGET] = plan["moves"][0][SOURCE]


def a_group_brought_together(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    last: dict[str, list[str]] = {}
    for move in plan["moves"]:
        last.setdefault(move[TARGET], []).append(move[INSTANCE])
    one, two = next(names for names in last.values() if len(names) > 1)[-2:]
    fleet["groups"]["new"] = {"rule": "anti-affinity"}
    _entry(fleet, one)["group"] = _entry(fleet, two)["group"] = "new"


def a_pair_torn_apart(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    end = {move[INSTANCE]: move[TARGET] for move in plan["moves"]}
    on: dict[str, list[str]] = {}
    for entry in fleet["instances"]:
        on.setdefault(entry["host"], []).append(entry["id"])
    one, two = next((a, b) for names in on.values() for a in names for b in names if end.get(a) != end.get(b))
    fleet["groups"]["new"] = {"rule": "affinity"}
    _entry(fleet, one)["group"] = _entry(fleet, two)["group"] = "new"


def a_device_that_is_not_there(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    flavor = fleet["flavors"][_entry(fleet, plan["moves"][-1][INSTANCE])["flavor"]]
    flavor["devices"] = {"gpu": 1}


def a_cell_that_is_not_there(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    fleet["flavors"][_entry(fleet, plan["moves"][-1][INSTANCE])["flavor"]]["cells"] = 1


def a_move_left_out(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["moves"].pop()


def a_move_made_twice(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["moves"].append(list(plan["moves"][-1]))


def a_move_back(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    move = list(plan["moves"][-1])
    done = plan["turns"][0][HOST]
    plan["moves"].append(
        [move[INSTANCE], move[TARGET], done, "live", move[END] + 10**9, move[END] + 10**9 + 1]
    )


def a_move_off_another_host(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    move = plan["moves"][0]
    move[SOURCE] = next(t[HOST] for t in plan["turns"] if t[HOST] not in {move[SOURCE], move[TARGET]})


def a_move_before_the_turn(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    turn = plan["turns"][-1]
    first = next(m for m in plan["moves"] if m[SOURCE] == turn[HOST])
    first[START], first[END] = turn[CLOSED] - 1000, turn[CLOSED] - 1


def a_move_that_ends_before_it_starts(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    move = plan["moves"][0]
    move[START], move[END] = move[END], move[START]


def a_move_after_the_host_went_down(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    turn = next(t for t in plan["turns"] if t[EMPTY] > t[CLOSED])
    turn[EMPTY] = turn[CLOSED] + 1


def two_moves_on_one_lane(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    source = next(m[SOURCE] for m in plan["moves"] if sum(n[SOURCE] == m[SOURCE] for n in plan["moves"]) > 1)
    one, two = [m for m in plan["moves"] if m[SOURCE] == source][:2]
    two[START], two[END] = one[START], one[END]


def fewer_migrations_at_once(fleet: dict[str, Any], _plan: dict[str, Any]) -> None:
    fleet["policy"]["migrations"] = 1


def fewer_hosts_out(fleet: dict[str, Any], _plan: dict[str, Any]) -> None:
    fleet["policy"]["out_percent"] = 1


def fewer_hosts_out_of_a_zone(fleet: dict[str, Any], _plan: dict[str, Any]) -> None:
    fleet["policy"]["zone_percent"] = 1


def a_host_left_out(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    gone = plan["turns"].pop()[HOST]
    plan["moves"] = [m for m in plan["moves"] if m[SOURCE] != gone]


def a_host_worked_on_twice(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["turns"].append(list(plan["turns"][-1]))


def a_host_that_was_done(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    _host(fleet, plan["turns"][-1][HOST])["done"] = True


def a_host_back_too_soon(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["turns"][-1][BACK] = plan["turns"][-1][EMPTY] + 1


def a_wave_too_low(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    next(t for t in plan["turns"] if t[WAVE] > 1)[WAVE] = 1


def a_window_that_is_over(fleet: dict[str, Any], _plan: dict[str, Any]) -> None:
    fleet["policy"]["windows"] = [{"opens": 0, "closes": 60}]


def a_canary_that_was_not_first(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    fleet["policy"]["first"] = [plan["turns"][-1][HOST]]


def zones_side_by_side(fleet: dict[str, Any], _plan: dict[str, Any]) -> None:
    fleet["policy"]["zones_in_turn"] = True


def a_stopped_instance_moved_live(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    _entry(fleet, plan["moves"][0][INSTANCE])["state"] = "stopped"


def a_busy_instance_moved(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    _entry(fleet, plan["moves"][0][INSTANCE])["state"] = "busy"


def a_tpm_moved_live(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    _entry(fleet, plan["moves"][0][INSTANCE])["vtpm"] = True


def a_cold_move_without_consent(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["moves"][0][WAY] = "cold"


def a_move_that_the_owner_forbade(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    _entry(fleet, plan["moves"][0][INSTANCE])["wish"] = "never"


def a_stop_without_consent(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["verdicts"].append({"instance": fleet["instances"][0]["id"], "way": "stop"})


def a_running_instance_left_in_place(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["verdicts"].append({"instance": fleet["instances"][0]["id"], "way": "in place"})


def a_false_proof(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    host = plan["turns"][0][HOST]
    plan["refused"].append({"named": host, "resource": "MiB of memory", "sentence": "it is full"})


def an_instance_that_is_not_there(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["moves"][0][INSTANCE] = "nobody"


MUTATIONS: dict[Mutation, str] = {
    a_target_too_small: "capacity",
    a_target_with_few_processors: "capacity",
    more_headroom_than_was_left: "capacity",
    a_target_of_another_zone: "admission",
    a_target_of_another_aggregate: "admission",
    a_target_without_a_trait: "admission",
    a_target_with_an_older_processor: "admission",
    a_target_that_is_down: "target",
    a_target_that_is_closed: "target",
    a_target_that_is_out: "target",
    a_target_that_is_the_source: "target",
    a_group_brought_together: "apart",
    a_pair_torn_apart: "together",
    a_device_that_is_not_there: "special",
    a_cell_that_is_not_there: "special",
    a_move_left_out: "empty",
    a_move_made_twice: "place",
    a_move_back: "turn",
    a_move_off_another_host: "place",
    a_move_before_the_turn: "turn",
    a_move_that_ends_before_it_starts: "turn",
    a_move_after_the_host_went_down: "empty",
    two_moves_on_one_lane: "lanes",
    fewer_migrations_at_once: "lanes",
    fewer_hosts_out: "out",
    fewer_hosts_out_of_a_zone: "out",
    a_host_left_out: "forgotten",
    a_host_worked_on_twice: "turn",
    a_host_that_was_done: "turn",
    a_host_back_too_soon: "turn",
    a_wave_too_low: "wave",
    a_window_that_is_over: "window",
    a_canary_that_was_not_first: "order",
    zones_side_by_side: "order",
    a_stopped_instance_moved_live: "way",
    a_busy_instance_moved: "way",
    a_tpm_moved_live: "way",
    a_cold_move_without_consent: "consent",
    a_move_that_the_owner_forbade: "consent",
    a_stop_without_consent: "consent",
    a_running_instance_left_in_place: "way",
    a_false_proof: "proof",
    an_instance_that_is_not_there: "form",
}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
def test_a_plan_broken_in_one_way_is_refused_by_that_rule(good: Documents, mutation: Mutation) -> None:
    fleet, plan = copy.deepcopy(good)

    mutation(fleet, plan)

    assert MUTATIONS[mutation] in {violation.rule for violation in verify_fleet(fleet, plan)}


@pytest.fixture(scope="module", params=("bring-back", "balance"))
def with_after(request: pytest.FixtureRequest) -> Documents:
    """The same with what is done when every host is through."""
    fleet, policy = generate(Cloud(30, 50, 1)), FleetPolicy(out_percent=50)
    plan = with_afterwards(fleet, policy, plan_fleet(fleet, policy), Kind(request.param), band=10)
    return document_of(fleet, policy), plan_document(plan)


def _last(plan: dict[str, Any]) -> list[Any]:
    return list(plan["afterwards"]["moves"][-1])


def a_move_before_the_last_host_is_back(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    move = plan["afterwards"]["moves"][0]
    move[START], move[END] = 0, move[END] - move[START]


def a_second_move_afterwards(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    move = _last(plan)
    plan["afterwards"]["moves"].append(
        [move[INSTANCE], move[TARGET], move[SOURCE], "live", move[END] + 10**6, move[END] + 10**6 + 9]
    )


def a_stop_for_a_place(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["afterwards"]["moves"][0][WAY] = "cold"


def a_full_target_afterwards(fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    target = plan["afterwards"]["moves"][-1][TARGET]
    held = [e for e in fleet["instances"] if e["host"] == target]
    _host(fleet, target)["ram_mib"] = sum(fleet["flavors"][e["flavor"]]["ram_mib"] for e in held) // 4


def one_lane_for_two_afterwards(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    for move in plan["afterwards"]["moves"]:
        move[END] = move[START] + 10**7


def one_who_is_forgotten_or_a_host_that_is_made_fuller(_fleet: dict[str, Any], plan: dict[str, Any]) -> None:
    of = plan["afterwards"]
    if of["kind"] == "bring-back":
        of["moves"].pop()
    else:
        for move in of["moves"]:
            move[SOURCE], move[TARGET] = move[TARGET], move[SOURCE]


AFTERWARDS: dict[Mutation, str] = {
    a_move_before_the_last_host_is_back: "afterwards",
    a_second_move_afterwards: "afterwards",
    a_stop_for_a_place: "afterwards",
    a_full_target_afterwards: "capacity",
    one_lane_for_two_afterwards: "lanes",
    one_who_is_forgotten_or_a_host_that_is_made_fuller: "afterwards",
}


@pytest.mark.parametrize("mutation", AFTERWARDS, ids=lambda m: m.__name__)
def test_what_comes_afterwards_is_judged_too(with_after: Documents, mutation: Mutation) -> None:
    fleet, plan = copy.deepcopy(with_after)
    assert verify_fleet(fleet, plan) == ()

    mutation(fleet, plan)

    assert AFTERWARDS[mutation] in {violation.rule for violation in verify_fleet(fleet, plan)}


def test_a_good_plan_is_accepted(good: Documents) -> None:
    assert verify_fleet(*good) == ()
