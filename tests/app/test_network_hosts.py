"""Hosts with L3 and DHCP agents are rebooted by the same kind of run, and nobody misses what these carry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import (
    CMP,
    QUICK,
    RUN,
    SiteOf,
    at_desk,
    bench_of,
    boots,
    folder,
    is_whole,
    planned,
    ran,
    site_of,
)

from skylift.app.fleet_account import fleet_account
from skylift.app.fleet_as_planned import FleetDrifted
from skylift.app.fleet_subject import Maintaining
from skylift.app.maintain import apply_mandate, go_on
from skylift.app.propose_fleet import propose_maintenance
from skylift.app.read_fleet import FleetHostUnknown
from skylift.app.read_network import NetworksStuck
from skylift.app.wiring import open_journal
from skylift.cli.views import fleet as fleet_view
from skylift.cli.views import fleet_run as run_view
from skylift.engine.fold import Standing
from skylift.engine.journal import StepStarted
from skylift.engine.operate import abort, retry
from skylift.fleet.mandate import Purpose, read_mandate
from skylift.fleet.reasons import turning
from skylift.model.ids import HostName, Seconds, StepId
from skylift.model.network_agent import AgentKind
from skylift.testing.watched_network import WatchedNetwork

NET = [HostName(f"net{n}") for n in range(1, 4)]
AWAY_S = 6
"""How long a router may be away: it is released, taken up by its new agent, and up there."""


@pytest.fixture
def at(tmp_path: Path) -> Iterator[SiteOf]:
    """Three network hosts: two with plain routers and DHCP, one more, and a router on two of them.

    The verifier looks on at whatever a test does with them.
    """
    made = site_of(tmp_path, computes=2, networks=3)
    neutron = made.cloud.neutron
    for n in (1, 2):
        neutron.router(f"r{n}", f"net{n}")
        neutron.network(f"n{n}", f"net{n}")
    neutron.router("ha", "net1", "net2", ha=True)
    neutron.network("both", "net1", "net2")
    made.cloud.pass_time(3)
    assert not +neutron.away
    with watched(made, NET):
        yield made


@contextmanager
def watched(at: SiteOf, hosts: Collection[HostName]) -> Iterator[None]:
    """Let the verifier look on at a run, and judge it in the end; ``hosts`` only carry networks."""
    eyes = WatchedNetwork(at.cloud, RUN, hosts)
    at.site = replace(at.site, ports=eyes.ports(at.site.ports))
    yield
    at.cloud.pass_time(AWAY_S)
    if at.site.runs.known():
        account = fleet_account(at.site.runs, folder(at))
        drained = account.mandate.purpose is Purpose.DRAIN
        eyes.begin()
        eyes.before |= {"hosts": list(account.mandate.network_hosts), "drained": drained}
        assert eyes.judged(account.events) == ()


def events(at: SiteOf) -> list[str]:
    account = fleet_account(at.site.runs, folder(at))
    return [e.step for e in account.events if isinstance(e, StepStarted)]


def is_given_back(at: SiteOf) -> bool:
    agents = at.cloud.neutron.agents.values()
    return all(agent.open and not agent.description for agent in agents)


def rebooted(at: SiteOf) -> list[int]:
    return [at.cloud.hosts[host].boots - 1 for host in NET]


def test_a_network_host_is_emptied_closed_rebooted_and_open_again(at: SiteOf) -> None:
    run = ran(at, Purpose.REBOOT, NET[0])

    neutron = at.cloud.neutron
    assert run.standing is Standing.COMPLETED
    assert (rebooted(at), boots(at)) == ([1, 0, 0], dict.fromkeys(CMP[:2], 1))
    assert is_given_back(at)
    assert is_whole(at)
    assert neutron.away["n1"] == neutron.away["n2"] == neutron.away["both"] == 0
    assert 0 < neutron.away["r1"] <= AWAY_S
    assert 0 < neutron.away["ha"] <= AWAY_S
    assert neutron.away["r2"] == 0
    assert list(neutron.things["r1"].on) == ["l3-net3"]
    assert list(neutron.things["n1"].on) == ["dhcp-net3"]
    assert sorted(neutron.things["ha"].on) == ["l3-net1", "l3-net2"]
    more = ("neutron-metadata-agent", "neutron-metering-agent")
    assert events(at) == [
        f"{step}@net1"
        for step in ("empty", "reboot", "neutron-l3-agent", "neutron-dhcp-agent", *more, "agents", "carry")
    ]


def test_network_hosts_go_one_after_another_and_compute_hosts_before_them(at: SiteOf) -> None:
    run = ran(at, Purpose.REBOOT, *NET, CMP[0])

    assert run.standing is Standing.COMPLETED
    assert (rebooted(at), at.cloud.hosts[CMP[0]].boots) == ([1, 1, 1], 2)
    order = [step for step in events(at) if step.partition("@")[0] in {"empty", "carry", "clean"}]
    assert order[0] == "empty@cmp1"
    assert [step.partition("@")[2] for step in order[2::2]] == [s.partition("@")[2] for s in order[3::2]]
    assert not {"n1", "n2", "both"} & (+at.cloud.neutron.away).keys()
    assert is_given_back(at)
    assert is_whole(at)


def test_the_plan_tells_what_goes_where_and_what_users_notice(at: SiteOf) -> None:
    proposal = propose_maintenance(at.site, Purpose.REBOOT, (NET[0],), frontier=False)
    assert proposal.mandate
    told = "\n".join(fleet_view.lines(proposal))

    assert "network agents of net1: 1 networks go to net3; 1 routers go to net3; 2 are carried" in told
    assert fleet_view.document(proposal)["network"]["turns"][0]["host"] == "net1"
    again = read_mandate(planned(at, Purpose.REBOOT, NET[0]))
    assert (again.hosts, again.network_hosts, again.left_out) == ((NET[0],), (NET[0],), ())
    assert again.again == "skylift plan --reboot --host net1 -o reboot.plan"
    subject = Maintaining(again)
    assert subject.what == "1 network hosts for reboot"
    assert subject.noticed[0] == "1 routers are given to other agents, each away for seconds"
    assert Maintaining(read_mandate(planned(at, Purpose.REBOOT, NET[0], CMP[0]))).what == (
        "1 compute hosts and 1 network hosts for reboot"
    )


def test_status_counts_routers_and_networks_apart_from_instances(at: SiteOf) -> None:
    ran(at, Purpose.REBOOT, NET[0])

    account = fleet_account(at.site.runs, folder(at))
    assert (dict(account.asked), dict(account.carried)) == ({}, {"router": 1, "network": 1})
    assert account.done == (NET[0],)
    assert "  1 routers were given to other agents" in run_view.lines(account)


def test_drained_it_stays_closed_for_its_operator(at: SiteOf) -> None:
    run = ran(at, Purpose.DRAIN, NET[0])

    assert run.standing is Standing.COMPLETED
    assert at.cloud.neutron.on("net1") == []
    assert [a.open for a in at.cloud.neutron.agents.values() if a.host == NET[0]] == [False, False]
    assert rebooted(at) == [0, 0, 0]


def test_a_host_that_nobody_knows_is_still_refused(at: SiteOf) -> None:
    with pytest.raises(FleetHostUnknown, match="nova has no host net9"):
        planned(at, Purpose.REBOOT, HostName("net9"))
    maintained = replace(QUICK, hypervisor=("true",))
    at.site = replace(at.site, record=replace(at.site.record, maintenance=maintained))
    with pytest.raises(FleetHostUnknown, match="nova has no host net1"):
        planned(at, Purpose.HYPERVISOR, NET[0])


def test_a_router_with_nowhere_to_go_refuses_its_host_with_the_proof(at: SiteOf) -> None:
    for name in ("l3-net2", "l3-net3"):
        at.cloud.neutron.agents[name].open = False

    with pytest.raises(NetworksStuck, match=r"r1 on net1 has nowhere to go: .*net2 is closed"):
        planned(at, Purpose.REBOOT, NET[0])
    proposal = propose_maintenance(at.site, Purpose.REBOOT, (NET[0], CMP[0]), frontier=False)
    assert proposal.mandate
    assert proposal.blocked
    assert (proposal.mandate.hosts, proposal.mandate.left_out) == ((CMP[0],), (NET[0],))
    assert any("left alone until this is settled: net1" in line for line in fleet_view.lines(proposal))


def test_what_changed_since_the_plan_is_told_before_anything_begins(at: SiteOf) -> None:
    text = planned(at, Purpose.REBOOT, NET[0])
    for name in ("l3-net2", "l3-net3"):
        at.cloud.neutron.agents[name].open = False

    with pytest.raises(FleetDrifted, match="r1 on net1 has nowhere to go"):
        apply_mandate(at.site, RUN, text, bench_of(at))


def after(at: SiteOf, holds: Callable[[], bool], then: Callable[[], object]) -> None:
    def look() -> None:
        if not at.said and holds():
            at.said = True
            then()

    at.meanwhile = look


def is_under_way(at: SiteOf, step: str) -> Callable[[], bool]:
    def holds() -> bool:
        account = fleet_account(at.site.runs, folder(at))
        return StepId(step) in account.run.steps

    return holds


def test_one_that_neutron_refuses_everywhere_is_given_back_with_what_it_said(at: SiteOf) -> None:
    neutron = at.cloud.neutron
    neutron.refuses = {("r1", "l3-net2"), ("r1", "l3-net3")}

    run = ran(at, Purpose.REBOOT, NET[0])

    assert run.standing is Standing.HALTED
    problem = run.steps[StepId("empty@net1")].problem
    assert problem is not None
    assert "nowhere to go" in problem.sentence
    assert "refused" in problem.sentence
    assert list(neutron.things["r1"].on) == ["l3-net1"], "rather where it was than nowhere"
    assert is_given_back(at)
    assert rebooted(at) == [0, 0, 0]

    neutron.refuses = set()
    done = go_on(
        at.site, folder(at), bench_of(at), lambda journal, asked: retry(journal, asked, StepId("empty@net1"))
    )
    assert (done.standing, rebooted(at)) == (Standing.COMPLETED, [1, 0, 0])


def test_a_failover_that_does_not_come_gives_the_host_back(at: SiteOf) -> None:
    at.cloud.neutron.keeps = True

    run = ran(at, Purpose.REBOOT, NET[0])

    problem = run.steps[StepId("empty@net1")].problem
    assert problem is not None
    assert "not active elsewhere yet, such as ha" in problem.sentence
    assert is_given_back(at)
    assert rebooted(at) == [0, 0, 0]
    assert at.cloud.neutron.away["ha"] == 0


def test_a_host_that_does_not_come_back_is_held_closed_and_the_next_is_not_begun(at: SiteOf) -> None:
    at.cloud.stuck = set(NET)
    at.site = replace(at.site, record=replace(at.site.record, maintenance=replace(QUICK, failures=0)))

    run = ran(at, Purpose.REBOOT, NET[0], NET[2])

    assert run.standing is not Standing.COMPLETED
    held = {a.host for a in at.cloud.neutron.agents.values() if not a.open}
    assert len(held) == 1
    assert run.pause is not None
    assert len([step for step in run.steps if step.startswith("empty@")]) == 1


def test_given_up_the_run_gives_back_what_it_was_emptying(at: SiteOf) -> None:
    at.cloud.neutron.keeps = True  # so that it waits for the failover
    at.site = replace(at.site, record=replace(at.site.record, maintenance=replace(QUICK, move=Seconds(600))))
    closed = lambda: not all(a.open for a in at.cloud.neutron.agents.values())  # noqa: E731

    def give_up() -> None:
        with open_journal(folder(at)) as journal:
            abort(journal, at_desk(at), reason="not tonight", leave=False)

    after(at, closed, give_up)
    run = ran(at, Purpose.REBOOT, NET[0])

    assert run.standing is Standing.ABORTED
    assert is_given_back(at)
    assert rebooted(at) == [0, 0, 0]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[SiteOf]:
    """Three compute hosts, each with a DHCP agent: what is on a host is instances and networks."""
    made = site_of(tmp_path, computes=3)
    for n in range(1, 4):
        made.cloud.neutron.agent(AgentKind.DHCP, f"cmp{n}")
        made.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    for n in (1, 2):
        made.cloud.neutron.network(f"n{n}", f"cmp{n}")
    made.cloud.pass_time(3)
    with watched(made, ()):
        yield made


def test_a_compute_host_that_serves_networks_is_emptied_of_these_too(both: SiteOf) -> None:
    run = ran(both)

    assert run.standing is Standing.COMPLETED
    assert set(boots(both).values()) == {2}
    assert not +both.cloud.neutron.away
    assert is_given_back(both)
    assert is_whole(both)
    own = [step for step in events(both) if step.endswith("@cmp1")]
    assert own == [
        f"{step}@cmp1"
        for step in (
            "empty",
            "reboot",
            "nova-compute",
            *_AGENTS_OF_COMPUTES,
            "agents",
            "carry",
            "try",
            "clean",
        )
    ]


_AGENTS_OF_COMPUTES = tuple(
    f"neutron-{kind}-agent" for kind in ("openvswitch", "linuxbridge", "sriov-nic", "macvtap")
)


def test_computes_whose_agents_carry_just_each_others_are_not_out_together(both: SiteOf) -> None:
    for agent in [a for a in both.cloud.neutron.agents.values() if a.host.startswith("net")]:
        agent.open = False
    both.cloud.neutron.network("pair", "cmp1", "cmp2")
    both.cloud.pass_time(3)

    run = ran(both)

    assert run.standing is Standing.COMPLETED
    assert not +both.cloud.neutron.away


def test_a_compute_host_whose_networks_stay_is_given_back_with_the_reason(both: SiteOf) -> None:
    neutron = both.cloud.neutron
    neutron.refuses = {("n1", agent) for agent in neutron.agents if agent != "dhcp-cmp1"}

    run = ran(both, Purpose.REBOOT, CMP[0])

    problem = run.steps[StepId("empty@cmp1")].problem
    assert problem is not None
    assert "network n1 on cmp1 has nowhere to go" in problem.sentence
    assert both.cloud.hosts[CMP[0]].boots == 1
    assert is_given_back(both)
    assert is_whole(both)
    assert not +neutron.away


def test_why_tells_where_what_a_network_host_carries_goes(at: SiteOf) -> None:
    mandate = read_mandate(planned(at, Purpose.REBOOT, NET[0]))

    told = turning(mandate, StepId("empty@net1"))

    assert told.title == "give what the agents of net1 carry to others, and close them"
    assert (told.onto, told.waits_for, told.then) == ({NET[2]: 2}, (), ())
    assert turning(mandate, StepId("carry@net1")).title.startswith("open the network agents of net1")
