"""The first agent that goes back is told of no port that changes until its servers know what it understands.

Seen in the lab on 2026-11-28: a server booted on its host just then, and Nova gave it up after two minutes.
On the way up nobody misses anything: servers always send their own form, which is that of the newest agents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from tests.rollback.half_way import CATALOG, SHAPE, back_from, before_the_end
from tests.verifier.test_verify import drop_step

from skylift.actions.action import Done, Pending
from skylift.actions.await_heard import AwaitHeard
from skylift.catalog.catalog import documents
from skylift.model.cloud import Cloud
from skylift.model.ids import ComponentName, HostName, Seconds, ServiceName
from skylift.model.record import Policy, Record
from skylift.planning.plan import Plan
from skylift.planning.rollback import Undone
from skylift.planning.text import plan_document, write_plan
from skylift.testing.fake_ports import ports_of
from skylift.testing.whole_clouds import whole_cloud, whole_fake
from skylift.verifier.verify import verify

AGENT, NEUTRON = ServiceName("neutron-openvswitch-agent"), ComponentName("neutron")
HEARD = f"{AGENT}:heard@net1"
SWITCHES = {"net1", "cmp1", "cmp2"}


@cache
def upgraded() -> tuple[Record, Cloud, Undone]:
    """A cloud that is new, with Open vSwitch agents on its compute hosts and on one without instances."""
    _, record = whole_cloud(
        CATALOG, ("keystone", "placement", "neutron", "nova"), SHAPE, policy=Policy(batch=2)
    )
    neutron = record.components[NEUTRON]
    own = dict(neutron.services) | {AGENT: replace(neutron.services[AGENT], role="switch")}
    hosts = {
        n: replace(h, roles=h.roles | {"switch"} if n in SWITCHES else h.roles)
        for n, h in record.hosts.items()
    }
    record = replace(
        record, hosts=hosts, components=dict(record.components) | {NEUTRON: replace(neutron, services=own)}
    )
    return record, *before_the_end(record, SHAPE)


def way_back() -> Plan:
    record, cloud, undone = upgraded()
    return back_from(cloud, record, undone)


def told_against(document: dict[str, Any]) -> tuple[str, ...]:
    return verify(document, documents())


def test_a_host_without_instances_goes_back_first_and_others_when_it_is_known() -> None:
    plan = way_back()

    turned = [step.id.partition("@")[2] for step in plan.steps if step.id.startswith(f"{AGENT}:stop@")]
    waits = {edge.after for edge in plan.edges if edge.before == HEARD}
    assert turned == ["net1", "cmp1", "cmp2"]
    assert {f"{AGENT}:stop@cmp1", f"{AGENT}:stop@cmp2"} <= waits
    assert [step.id for step in plan.steps if step.action.kind == "await-heard"] == [HEARD]
    assert told_against(plan_document(write_plan(plan))) == ()


def test_whoever_approves_it_is_told_why() -> None:
    (note,) = (note for note in way_back().notes if note.startswith(f"{AGENT} goes back on net1 first"))

    assert "90 s later on the others" in note
    assert "version_manager.py" in note


def test_nothing_of_it_is_in_an_upgrade() -> None:
    _, _, undone = upgraded()

    assert not [step for step in undone.plan.steps if step.action.kind == "await-heard"]


def not_waited_for(plan: dict[str, Any]) -> None:
    drop_step(plan, HEARD)


def for_too_short_a_time(plan: dict[str, Any]) -> None:
    next(step for step in plan["steps"] if step["id"] == HEARD)["action"]["for_s"] = 60


def while_others_go(plan: dict[str, Any]) -> None:
    for edge in plan["edges"]:
        if edge["before"] == HEARD:
            edge["before"] = f"{AGENT}:report@net1"


@pytest.mark.parametrize("spoil", [not_waited_for, for_too_short_a_time, while_others_go])
def test_the_verifier_refuses_a_way_back_on_which_two_may_miss_what_they_are_told(
    spoil: Callable[[dict[str, Any]], None],
) -> None:
    plan = plan_document(write_plan(way_back()))

    spoil(plan)

    told = f"{AGENT} may go back on two hosts before one of them was known for 90 s"
    assert told in told_against(plan)


def test_it_is_known_when_it_reports_so_long_after_its_start() -> None:
    """By the clocks of its host and of its row: none of ours is asked, so that a dead process may go on."""
    _, record = whole_cloud(CATALOG, ("keystone", "neutron"), SHAPE, policy=Policy())
    cloud = whole_fake(CATALOG, record, SHAPE)
    entry, host = record.services[AGENT], HostName("cmp1")
    neutron = record.components[NEUTRON]
    rosters = CATALOG.components[NEUTRON].rosters(neutron.databases, neutron.services)
    wait = AwaitHeard(host, AGENT, entry.unit, entry.link, rosters, Seconds(90))
    ports = ports_of(cloud).under("run.heard.1")
    ports.services.stop(host, entry.unit)
    cloud.pass_time(60)
    ports.jobs.start(host, ports.services.start_command(entry.unit))
    cloud.pass_time(60)

    early = wait.observe(ports)
    cloud.pass_time(90)

    assert early == Pending(f"{AGENT} has not reported 90 s after its start yet")
    assert wait.observe(ports) == Done()
