"""Good plans of network hosts, each broken in one way: the verifier refuses every one, by that rule."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from tests.verifier.networks import site_of

from skylift.verifier.network.plan import verify_network

Documents = tuple[dict[str, Any], dict[str, Any]]
Mutation = Callable[[dict[str, Any], dict[str, Any]], None]
SEEDS = 400
NAME, WHAT, TARGET = range(3)


def a_whole_site(seed: int) -> Documents:
    """One whose agents all work, with a turn that moves something and one in which something stays."""
    while True:
        seen, plan = site_of(seed, unfit=0).documents()
        if not plan["held"] and len(plan["turns"]) > 1 and _moving(plan) and _staying(plan):
            return seen, plan
        seed += 1000


@pytest.fixture(scope="module", params=range(1, 6))
def good(request: pytest.FixtureRequest) -> Documents:
    return a_whole_site(request.param)


def _moving(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [turn for turn in plan["turns"] if turn["moves"]]


def _staying(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [turn for turn in plan["turns"] if turn["stays"]]


def _first(seen: dict[str, Any], plan: dict[str, Any]) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
    """The first move of all, what is moved, and the agent that is to have it."""
    move = _moving(plan)[0]["moves"][0]
    of = next(thing for thing in seen["things"] if thing["id"] == move[NAME])
    agent = next(a for a in seen["agents"] if (a["host"], a["kind"]) == (move[TARGET], of["kind"]))
    return move, of, agent


def _other(seen: dict[str, Any], plan: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An agent as the target's, but for what is told, on a host of its own."""
    _, _, agent = _first(seen, plan)
    made = {**agent, "id": "new", "host": "net99", **more}
    seen["agents"].append(made)
    return made


def a_target_that_does_not_report(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    _first(seen, plan)[2]["alive"] = False


def a_target_that_is_closed(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    _first(seen, plan)[2]["open"] = False


def a_target_without_such_an_agent(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    move, _, agent = _first(seen, plan)
    other = {"L3 agent": "DHCP agent", "DHCP agent": "L3 agent"}[agent["kind"]]
    move[TARGET] = _other(seen, plan, kind=other, mode="legacy" if other == "L3 agent" else "")["host"]


def a_target_that_is_the_host_itself(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    del seen
    turn = _moving(plan)[0]
    turn["moves"][0][TARGET] = turn["host"]


def a_target_that_nobody_knows(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    _moving(plan)[0]["moves"][0][TARGET] = "net77"


def a_target_that_has_it_already(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    _, of, agent = _first(seen, plan)
    of["on"][agent["id"]] = False


def a_target_that_carries_its_own_hosts_part(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    _first(seen, plan)[2]["mode"] = "dvr_no_external"


def a_distributed_router_where_no_snat_is(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    _first(seen, plan)[1]["distributed"] = True
    _first(seen, plan)[2]["mode"] = "legacy"


def a_target_in_a_zone_that_was_not_asked_for(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    _first(seen, plan)[1]["zones"] = ["az3"]


def a_move_left_out(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    _moving(plan)[0]["moves"].pop()


def one_that_is_not_said_to_stay(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    _staying(plan)[0]["stays"].pop()


def one_that_only_this_host_carries_stays(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    turn = _moving(plan)[0]
    turn["stays"].append(turn["moves"].pop()[NAME])


def a_standby_that_does_not_report(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    turn = _staying(plan)[0]
    of = next(thing for thing in seen["things"] if thing["id"] == turn["stays"][0])
    for agent in seen["agents"]:
        if agent["id"] in of["on"] and agent["host"] != turn["host"]:
            agent["alive"] = False


def a_move_made_twice(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    turn = _moving(plan)[0]
    turn["moves"].append(list(turn["moves"][0]))


def one_that_moves_and_stays(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    turn = _moving(plan)[0]
    turn["stays"].append(turn["moves"][0][NAME])


def one_that_is_not_there(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    _moving(plan)[0]["moves"].append(["nothing", "router", "net1"])


def a_router_called_a_network(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    move = _moving(plan)[0]["moves"][0]
    move[WHAT] = {"router": "network", "network": "router"}[move[WHAT]]


def a_host_left_out(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["turns"].pop()


def a_host_worked_on_twice(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    plan["turns"].append(copy.deepcopy(plan["turns"][-1]))


def a_host_that_was_not_asked_for(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    seen["hosts"].remove(plan["turns"][0]["host"])


def a_host_held_without_need(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    gone = plan["turns"].pop()
    plan["held"][gone["host"]] = "its router has nowhere to go"


def a_canary_that_was_not_first(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    seen["first"] = [plan["turns"][-1]["host"]]


def a_gateway_of_ovn(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    host = plan["turns"][0]["host"]
    _other(seen, plan, id="gateway", host=host, kind="OVN Controller Gateway agent", mode="")


def a_host_whose_agent_does_not_report(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    next(a for a in seen["agents"] if a["host"] == plan["turns"][0]["host"])["alive"] = False


def what_came_to_a_host_is_forgotten_in_its_turn(seen: dict[str, Any], plan: dict[str, Any]) -> None:
    """Given to a host that is yet to be worked on, it must leave that, too."""
    turn = plan["turns"][0]
    other = plan["turns"][-1]["host"]
    kind = next(a["kind"] for a in seen["agents"] if a["host"] == other)
    own = _other(seen, plan, id="own", kind=kind, host=turn["host"], mode="legacy" if kind[0] == "L" else "")
    on = {own["id"]: True}
    noun = {"L3 agent": "router", "DHCP agent": "network"}[kind]
    like = seen["things"][0]
    seen["things"].append({**like, "id": "late", "kind": kind, "on": on, "ha": False, "zones": []})
    seen["things"][-1] |= {"distributed": False}
    turn["moves"].append(["late", noun, other])


def a_plan_without_turns(_seen: dict[str, Any], plan: dict[str, Any]) -> None:
    del plan["turns"]


MUTATIONS: dict[Mutation, str] = {
    a_target_that_does_not_report: "target",
    a_target_that_is_closed: "target",
    a_target_without_such_an_agent: "target",
    a_target_that_is_the_host_itself: "target",
    a_target_that_nobody_knows: "target",
    a_target_that_has_it_already: "target",
    a_target_that_carries_its_own_hosts_part: "mode",
    a_distributed_router_where_no_snat_is: "mode",
    a_target_in_a_zone_that_was_not_asked_for: "zone",
    a_move_left_out: "missed",
    one_that_is_not_said_to_stay: "missed",
    one_that_only_this_host_carries_stays: "missed",
    a_standby_that_does_not_report: "missed",
    a_move_made_twice: "once",
    one_that_moves_and_stays: "once",
    one_that_is_not_there: "place",
    a_router_called_a_network: "place",
    a_host_left_out: "forgotten",
    a_host_worked_on_twice: "turn",
    a_host_that_was_not_asked_for: "turn",
    a_host_held_without_need: "proof",
    a_canary_that_was_not_first: "order",
    a_gateway_of_ovn: "turn",
    a_host_whose_agent_does_not_report: "turn",
    what_came_to_a_host_is_forgotten_in_its_turn: "missed",
    a_plan_without_turns: "form",
}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
def test_a_plan_broken_in_one_way_is_refused_by_that_rule(good: Documents, mutation: Mutation) -> None:
    seen, plan = copy.deepcopy(good)
    assert verify_network(seen, plan) == ()

    mutation(seen, plan)

    assert MUTATIONS[mutation] in {violation.rule for violation in verify_network(seen, plan)}


def test_no_plan_of_ours_is_refused_whatever_the_network() -> None:
    """Dead and closed agents, modes, zones, canaries, hosts that are held: none of it is cried wolf at."""
    told = {seed: verify_network(*site_of(seed).documents()) for seed in range(SEEDS)}
    plans = [site_of(seed).documents()[1] for seed in range(SEEDS)]

    assert {seed: found for seed, found in told.items() if found} == {}
    assert sum(bool(plan["held"]) for plan in plans) > SEEDS // 10
    assert sum(len(turn["moves"]) for plan in plans for turn in plan["turns"]) > SEEDS
    assert sum(len(turn["stays"]) for plan in plans for turn in plan["turns"]) > SEEDS
