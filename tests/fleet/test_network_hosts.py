"""Where routers and networks go before their host is worked on, and which hosts cannot be emptied."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skylift.fleet.network import NetworkNow, Shift, leaving, may_leave, missed, plan_network
from skylift.model.ids import Epoch, HostName
from skylift.model.network_agent import (
    AgentKind,
    Carried,
    NetworkAgent,
    agent_closed_at,
    agent_is_ours,
    agent_label,
    closed_description,
    described_before,
)

NET = [HostName(f"net{n}") for n in range(4)]
L3, DHCP = AgentKind.L3, AgentKind.DHCP


def agent(kind: AgentKind, n: int, *, alive: bool = True, is_open: bool = True, **more: str) -> NetworkAgent:
    mode = more.get("mode", "legacy" if kind is L3 else "")
    name = f"{kind.name.lower()}{n}"
    return NetworkAgent(name, kind, NET[n], alive, is_open, mode=mode, zone=more.get("zone", "az1"))


def router(name: str, *on: int, ha: bool = False, distributed: bool = False) -> Carried:
    active = {f"l3{n}": not ha or n == on[0] for n in on}
    served = frozenset({NET[on[0]]} if on else ())
    return Carried(name, L3, active, served, ha=ha, distributed=distributed)


def network(name: str, *on: int) -> Carried:
    return Carried(name, DHCP, {f"dhcp{n}": True for n in on}, frozenset(NET[n] for n in on))


def now(*agents: NetworkAgent, out: tuple[int, ...] = (1,), later: tuple[int, ...] = ()) -> NetworkNow:
    known = {a.id: a for a in agents}
    return NetworkNow(known, frozenset(NET[n] for n in out), frozenset(NET[n] for n in later))


THREE = tuple(agent(kind, n) for kind in (L3, DHCP) for n in (1, 2, 3))
BY_ID = {a.id: a for a in THREE}


def test_a_router_that_one_agent_may_have_is_released_and_then_given_to_another() -> None:
    found = leaving(NET[1], [router("r", 1)], now(*THREE), {})

    assert found.shifts == (Shift("r", L3, release=BY_ID["l31"], assign=BY_ID["l32"]),)


def test_dhcp_is_added_elsewhere_before_it_is_given_up_and_not_before_it_is_up_there() -> None:
    asked = {"n": NET[2]}
    coming = replace(network("n", 1, 2), served=frozenset({NET[1]}))

    first = leaving(NET[1], [network("n", 1)], now(*THREE), {})
    second = leaving(NET[1], [coming], now(*THREE), asked)
    third = leaving(NET[1], [network("n", 1, 2)], now(*THREE), asked)
    fourth = leaving(NET[1], [network("n", 2)], now(*THREE), asked)

    assert first.shifts == (Shift("n", DHCP, assign=BY_ID["dhcp2"]),)
    assert (second.shifts, second.coming) == ((), ("n",))
    assert third.shifts == (Shift("n", DHCP, release=BY_ID["dhcp1"]),)
    assert (fourth.over, fourth.arrived) == (True, ("n",))


def test_what_is_carried_elsewhere_too_stays_assigned() -> None:
    found = leaving(NET[1], [router("r", 1, 2, ha=True), network("n", 1, 2)], now(*THREE), {})

    assert found.over


def test_a_highly_available_router_without_a_live_standby_gets_one_first() -> None:
    agents = (THREE[0], agent(L3, 2, alive=False), THREE[2])

    found = leaving(NET[1], [router("r", 1, 2, ha=True)], now(*agents), {})

    assert found.shifts == (Shift("r", L3, assign=BY_ID["l33"]),)


def test_a_router_on_no_agent_at_all_is_given_one_before_anything_else() -> None:
    found = leaving(NET[1], [router("a", 1), router("z")], now(*THREE), {"z": NET[2]})

    assert found.shifts[0] == Shift("z", L3, assign=BY_ID["l32"])


def test_one_that_nobody_else_takes_goes_back_rather_than_nowhere() -> None:
    agents = (THREE[0], agent(L3, 2, is_open=False))

    found = leaving(NET[1], [router("r")], now(*agents), {"r": NET[2]})

    assert found.shifts == (Shift("r", L3, assign=BY_ID["l31"]),)


def test_hosts_that_are_yet_to_be_done_are_given_something_last() -> None:
    found = leaving(NET[1], [router("r", 1)], now(*THREE, later=(2,)), {})

    assert [s.assign and s.assign.host for s in found.shifts] == [NET[3]]


def test_routers_are_spread_over_the_agents_that_have_least() -> None:
    busy = tuple(replace(a, load=3) if a.id == "l32" else a for a in THREE)

    found = leaving(NET[1], [router(f"r{n}", 1) for n in range(5)], now(*busy), {})

    targets = [s.assign.host for s in found.shifts if s.assign]
    assert (targets.count(NET[2]), targets.count(NET[3])) == (1, 4)


@pytest.mark.parametrize(
    ("of", "other", "why"),
    [
        (router("r", 1), agent(L3, 2, alive=False), "the one on net2 does not report"),
        (router("r", 1), agent(L3, 2, is_open=False), "the one on net2 is closed"),
        (router("r", 1), agent(L3, 2, mode="dvr"), "the one on net2 is in mode dvr"),
        (router("r", 1, distributed=True), agent(L3, 2), "the one on net2 is in mode legacy"),
        (replace(router("r", 1), zones=frozenset({"az2"})), agent(L3, 2), "is in zone az1"),
        (network("r", 1), agent(L3, 2), "there is none"),
    ],
)
def test_what_has_nowhere_to_go_is_proved_agent_by_agent(of: Carried, other: NetworkAgent, why: str) -> None:
    agents = (agent(L3, 1), agent(DHCP, 1), other)

    planned = plan_network([NET[1]], agents, {NET[1]: [of]})
    found = leaving(NET[1], [of], now(*agents), {})

    assert planned.turns == ()
    assert f"{of.kind.noun} r on net1 has nowhere to go" in planned.held[NET[1]]
    assert why in planned.held[NET[1]]
    assert (found.shifts, len(found.stuck)) == ((), 1)


def test_the_snat_of_a_distributed_router_goes_to_an_agent_that_has_snat() -> None:
    agents = (agent(L3, 1, mode="dvr_snat"), agent(L3, 2, mode="dvr"), agent(L3, 3, mode="dvr_snat"))

    found = leaving(NET[1], [router("r", 1, distributed=True)], now(*agents), {})

    assert [s.assign and s.assign.host for s in found.shifts] == [NET[3]]


def test_the_proof_that_nothing_is_missed_is_where_it_is_active_and_not_where_it_is_assigned() -> None:
    still = router("r", 1, 2, ha=True)
    over = replace(still, on={"l31": True, "l32": True})

    assert missed(NET[1], [still, network("n", 1, 2)], now(*THREE)) == ("r",)
    assert missed(NET[1], [over, network("n", 1, 2)], now(*THREE)) == ()


def test_two_hosts_are_not_emptied_together_if_a_router_is_on_just_these_two() -> None:
    things = {NET[1]: [router("r", 1, 2, ha=True)], NET[2]: [router("r", 1, 2, ha=True)]}
    more = {NET[1]: [router("r", 1, 3, ha=True)], NET[2]: [router("q", 2)]}

    assert not may_leave(NET[1], things, now(*THREE, out=(2,)))
    assert may_leave(NET[1], more, now(*THREE, out=(2,)))
    assert may_leave(NET[1], things, now(*THREE, out=()))


def test_hosts_that_carry_least_go_first_and_canaries_before_them() -> None:
    things = {NET[1]: [router("a", 1), router("b", 1)], NET[2]: [router("c", 2)], NET[3]: []}

    plan = plan_network(NET[1:], THREE, things)
    canary = plan_network(NET[1:], THREE, things, [NET[1]])

    assert [turn.host for turn in plan.turns] == [NET[3], NET[2], NET[1]]
    assert [turn.host for turn in canary.turns] == [NET[1], NET[3], NET[2]]
    assert plan.turns[1].moves == (("c", "router", NET[3]),)


def test_what_was_given_to_a_host_that_is_yet_to_be_done_moves_in_its_turn_too() -> None:
    pair = tuple(a for a in THREE if a.host != NET[3])
    things = {NET[1]: [router("a", 1)], NET[2]: [router("b", 2), network("n", 2)]}

    plan = plan_network(NET[1:3], pair, things)

    assert plan.turns[0].moves == (("a", "router", NET[2]),)
    assert set(plan.turns[1].moves) == {
        ("a", "router", NET[1]),
        ("b", "router", NET[1]),
        ("n", "network", NET[1]),
    }


def test_a_host_is_held_for_what_would_come_to_it_and_could_not_leave_it_again() -> None:
    """Its operator has closed the agent that the router was on: nobody gives it back there."""
    agents = (agent(L3, 1, is_open=False), agent(L3, 2))

    plan = plan_network(NET[1:3], agents, {NET[1]: [router("a", 1)], NET[2]: []}, [NET[1]])

    assert [turn.host for turn in plan.turns] == [NET[1]]
    assert "router a on net2 has nowhere to go" in plan.held[NET[2]]


def test_a_gateway_of_ovn_is_refused_as_no_api_moves_what_it_carries() -> None:
    gateway = NetworkAgent("g", AgentKind.GATEWAY, NET[1], alive=True, open=True)

    assert "gateway of OVN" in plan_network([NET[1]], [gateway], {}).held[NET[1]]


def test_an_agent_that_is_down_holds_its_host() -> None:
    plan = plan_network([NET[1]], [agent(L3, 1, alive=False), agent(L3, 2)], {})

    assert "L3 agent on net1 does not report" in plan.held[NET[1]]


@pytest.mark.parametrize("before", ["", "rack 7; do not touch", "a; before: b"])
def test_a_description_says_whose_closing_it_is_and_keeps_what_was_there(before: str) -> None:
    written = closed_description("run-1", Epoch(1_795_597_530.7), before)
    closed = replace(agent(L3, 1, is_open=False), description=written)

    assert (agent_label(closed), described_before(closed)) == ("run-1", before)
    assert agent_closed_at(closed) == Epoch(1_795_597_530.0)
    assert agent_is_ours(closed, ["run-0", "run-1"])
    assert not agent_is_ours(closed, ["", "run-2"])
    assert not agent_is_ours(replace(closed, open=True), ["run-1"])
    assert not agent_is_ours(replace(closed, description=before), ["run-1"])
