"""A rolling reboot of both network hosts, killed in the middle of a router's move.

Behind that router is a guest that its users reach by a floating address; DHCP of its network is carried by
one agent. Everything is told by those who are not the run: Neutron's own word of who carries what, pings
and counts of the guest from the client host, and the hosts' boot ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.lab.core_cloud import NEUTRON, CoreCloud
from tests.lab.operating import Ended, Operator, await_event, events, own_record
from tests.lab.pinged import Away, Pinger
from tests.lab.routed import (
    Carriers,
    CarriersSeen,
    Routed,
    a_guest_inside,
    a_network_with_a_way_out,
    carriers,
    last_before,
)
from tests.lab.scenes import scene_of

from skylift.app.record_file import load_record
from skylift.app.wiring import ports_for
from skylift.engine.journal import Event, MovesAsked, StepDone, StepStarted
from skylift.fleet.document import network_document
from skylift.gate.lab.commands import poll
from skylift.gate.lab.faults import boot_id
from skylift.gate.lab.host import Lab
from skylift.model.codec import encode
from skylift.testing.contracts import NetworkContract, Scene
from skylift.verifier.network.journal import verify_network_run

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(5400)]

HOSTS = ("net1", "net2")
RUN_S, BASELINE_S, CONTRACT_S = 2400, 30, 300
GAP_MAX_MS = 20_000
AWAY_MAX_S = 240.0
"""For one release of the router, with the death of the process and the start of the next in it: beyond that
it was no move. How long it really was is told."""
KEPT = "rack 7, Rey's"
"""What the operator wrote beside an agent."""


@pytest.fixture(scope="module")
def cloud(network_lab: Lab) -> CoreCloud:
    return CoreCloud(network_lab)


@pytest.fixture(scope="module")
def routed(cloud: CoreCloud) -> Routed:
    return a_network_with_a_way_out(cloud)


@pytest.fixture(scope="module")
def address(cloud: CoreCloud, routed: Routed) -> str:
    """The floating address of a guest that counts."""
    return a_guest_inside(cloud, routed, 1)


@pytest.fixture(scope="module")
def scene(network_lab: Lab, routed: Routed) -> Iterator[Scene]:
    """With something to carry: the router and the network of the guest."""
    del routed
    with scene_of(load_record(network_lab.folder / "cloud.yaml"), limit_s=CONTRACT_S) as scene:
        yield scene


class TestApiNetwork(NetworkContract):
    """Neutron's agents on two hosts, asked by the agent on the client host."""


@dataclass
class Rolled:
    """A run over both hosts, and what others say of it."""

    ended: Ended
    events: tuple[Event, ...]
    leaving: str
    """The host that the guest's router was leaving when the process was killed."""
    killed_after: int
    """How many events the journal had just then."""
    killed_while: Carriers
    """Who carried the router just then."""
    report: dict[str, Any]
    boots: dict[str, tuple[str, str]]
    """By host, its boot id before and after."""
    away: Away
    """The guest at its floating address."""
    seen: tuple[Carriers, ...]
    before: dict[str, Any]
    """What Neutron told of its agents and of what they carry."""
    after: dict[str, Any]

    @property
    def told(self) -> str:
        """All that helps to see what happened."""
        return json.dumps(
            {
                "left": self.report.get("left"),
                "asked": [encode(event) for event in self.events if isinstance(event, MovesAsked)],
                "killed while": sorted(self.killed_while.hosts),
                "remarks": self.ended.remarks[-4000:],
            },
            indent=1,
            default=str,
        )

    def begun(self, step: str) -> float:
        """When a step was begun, in seconds since 1970."""
        (at_ms,) = (e.at_ms for e in self.events if isinstance(e, StepStarted) and e.step == step)
        return at_ms / 1000


def agents(cloud: CoreCloud) -> dict[tuple[str, str], dict[str, Any]]:
    """By kind and host, those of Neutron that carry routers and networks."""
    listed = cloud.ask("GET", f"{NEUTRON}/agents")["agents"]
    return {(a["agent_type"], a["host"]): a for a in listed if a["agent_type"] in {"L3 agent", "DHCP agent"}}


def neutron_now(lab: Lab) -> dict[str, Any]:
    """Agents and what they carry, as the verifier reads them."""
    with ports_for(load_record(lab.folder / "cloud.yaml")) as ports:
        found = ports.network.agents()
        return network_document(found, (of for agent in found for of in ports.network.carried(agent)))


@pytest.fixture(scope="module")
def operator(network_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    def change(record: dict[str, Any]) -> None:
        # What users lose is judged here, past the run.
        record["policy"] |= {"baseline": BASELINE_S, "loss": {"failed_requests": 900, "gap": 900}}
        record["maintenance"] = {
            "settle": 30,
            "look": 5,
            "back": 900,
            "move": 300,
            "failures": 0,
            "limits": {"host_s": 300},
        }

    return own_record(network_lab, tmp_path_factory.mktemp("network"), change)


@pytest.fixture(scope="module")
def rolled(
    cloud: CoreCloud,
    routed: Routed,
    address: str,
    operator: Operator,
) -> Rolled:
    lab = cloud.lab
    described = agents(cloud)["L3 agent", HOSTS[0]]["id"]
    cloud.ask("PUT", f"{NEUTRON}/agents/{described}", {"agent": {"description": KEPT}})
    plan = operator.record.parent / "network.plan"
    operator.does("plan", "--reboot", *(f"--host={host}" for host in HOSTS), "-o", str(plan))
    before = {**neutron_now(lab), "hosts": list(HOSTS), "drained": False}
    boots = {host: boot_id(lab.host(host)) for host in HOSTS}
    pinger, watcher = Pinger(lab, (address,)), CarriersSeen(cloud, routed, 2 * RUN_S)
    pinger.begin()
    watcher.begin()
    try:
        known = len(operator.runs.known())
        verb = operator.start("apply", str(plan))
        run = operator.new_run(verb, known, limit_s=600)
        asked = await_event(run, verb, lambda event: _source(event, routed) != "")
        source, now = _source(asked, routed), [carriers(cloud, routed)]

        def released() -> bool:
            now[:] = [carriers(cloud, routed)]
            return source not in now[0].router or verb.over()

        assert poll(released, limit_s=120, every_s=0.05), f"the router never left {source}:\n{verb.said}"
        assert not verb.over(), f"the run ended before it could be killed:\n{verb.said}"
        verb.kill()
        killed_after = len(events(run))
        ended = operator.ends("resume", limit_s=RUN_S)
    finally:
        seen, away = watcher.end(), pinger.end()[address]
    return Rolled(
        ended,
        events(run),
        source,
        killed_after,
        now[0],
        json.loads(operator.ends("report", "--json").answer),
        {host: (boots[host], boot_id(lab.host(host))) for host in HOSTS},
        away,
        seen,
        before,
        neutron_now(lab),
    )


def _source(event: Event, routed: Routed) -> str:
    """The host that the guest's router is asked to leave; empty if the event asks for nothing such."""
    moves = event.moves if isinstance(event, MovesAsked) else ()
    return next((str(move.source) for move in moves if move.instance == routed.router), "")


def test_the_run_is_complete_though_it_was_killed_in_the_middle_of_a_routers_move(rolled: Rolled) -> None:
    until_then = rolled.events[: rolled.killed_after]

    assert rolled.leaving not in rolled.killed_while.router, "it had not left its host yet"
    assert not any(isinstance(e, StepDone) and e.step == f"empty@{rolled.leaving}" for e in until_then)
    assert rolled.ended.code == 0, rolled.told
    assert rolled.report["left"] == {}, rolled.told
    assert set(rolled.report["done"]) == set(HOSTS)


def test_each_host_was_rebooted_by_its_own_word_and_once(rolled: Rolled) -> None:
    started = [e.step for e in rolled.events if isinstance(e, StepStarted) and e.step.startswith("reboot@")]

    assert [host for host, (before, after) in rolled.boots.items() if before == after] == [], rolled.told
    assert sorted(started) == [f"reboot@{host}" for host in HOSTS]


@pytest.mark.parametrize("host", HOSTS)
def test_router_and_dhcp_were_elsewhere_before_their_host_went_down(rolled: Rolled, host: str) -> None:
    there = last_before(rolled.seen, rolled.begun(f"reboot@{host}"))

    assert there.router, rolled.told
    assert there.network, rolled.told
    assert host not in there.hosts, rolled.told


def test_dhcp_was_never_without_an_agent(rolled: Rolled) -> None:
    """It is added before it is given up; a router is released first, and its users miss it meanwhile."""
    assert len(rolled.seen) > 100
    assert [one for one in rolled.seen if not one.network] == []


def test_the_verifier_has_nothing_to_say_against_the_run(rolled: Rolled) -> None:
    told = [encode(event) for event in rolled.events]

    assert verify_network_run(rolled.before, told, rolled.after) == (), rolled.told


def test_how_long_the_floating_address_was_away_is_measured_and_told(
    rolled: Rolled, record_property: Any
) -> None:
    away = rolled.away
    gaps = ", ".join(f"{gap:.1f}" for gap in away.gaps_s) or "none"
    told = f"away for {gaps} s, {away.lost} of {away.pings} pings lost"
    record_property("figures", f"{rolled.report['summary']}; the guest behind the router: {told}")

    assert away.pings > 500, told
    assert away.gaps_s, "the router moved, and nobody missed it: the pings went another way"
    assert away.longest_s < AWAY_MAX_S, told
    assert away.anew == []


def test_no_request_of_the_apis_users_failed(rolled: Rolled, record_property: Any) -> None:
    record_property("requests", rolled.report["requests"])
    of_apis = [f for f in rolled.report["failures"] if not f["api"].startswith("guest ")]

    assert of_apis == [], rolled.told
    assert rolled.report["requests"] > 300
    apis = [api for api in rolled.report["apis"] if not api["guest"]]
    gaps = {api["api"]: api["gap"]["length_ms"] for api in apis}
    assert {api: gap for api, gap in gaps.items() if gap > GAP_MAX_MS} == {}


def test_nothing_of_ours_is_left_closed_and_what_the_operator_wrote_is_back(
    cloud: CoreCloud, rolled: Rolled
) -> None:
    now = agents(cloud)

    assert {key for key, agent in now.items() if not (agent["admin_state_up"] and agent["alive"])} == set()
    assert {key: agent["description"] for key, agent in now.items() if agent["description"]} == {
        ("L3 agent", HOSTS[0]): KEPT
    }, rolled.told


@pytest.mark.usefixtures("rolled")
def test_a_new_guest_gets_its_address_and_is_reached_as_the_first_is(
    cloud: CoreCloud, routed: Routed, address: str
) -> None:
    assert cloud.counts(address)
    assert a_guest_inside(cloud, routed, 2)


def test_a_host_that_is_only_to_be_empty_stays_closed_and_up(
    cloud: CoreCloud, rolled: Rolled, operator: Operator, tmp_path: Path
) -> None:
    """Its agents are closed for their operator, who opens them."""
    host, plan = HOSTS[1], tmp_path / "drain.plan"
    booted = rolled.boots[host][1]
    operator.does("plan", "--drain", host, "-o", str(plan))

    ended = operator.ends("apply", str(plan), limit_s=RUN_S)
    closed = {key: a for key, a in agents(cloud).items() if not a["admin_state_up"]}
    for agent in closed.values():
        opened = {"admin_state_up": True, "description": ""}
        cloud.ask("PUT", f"{NEUTRON}/agents/{agent['id']}", {"agent": opened})

    assert ended.code == 0, ended.remarks[-3000:]
    assert {key[1] for key in closed} == {host}
    assert all(a["description"].startswith("closed by Skylift for ") for a in closed.values())
    assert boot_id(cloud.lab.host(host)) == booted
