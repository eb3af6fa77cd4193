"""What a service's host needs before its new release starts is run there, on the hops that need it alone.

Rows 36 and 87 of the requirements: users of what exists notice nothing. Seen in a lab: a guest lost a ping
in the moment in which a new Open vSwitch agent wrote its first flows.
"""

from __future__ import annotations

import pytest
from tests.roster.shown import CATALOG
from tests.verifier.test_verify import Document, add_edge, drop_edges, drop_step

from skylift.actions.run_before_start import RunBeforeStart
from skylift.catalog.catalog import documents
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest
from skylift.model.record import Policy
from skylift.model.release import Release
from skylift.planning.plan import Plan
from skylift.planning.text import plan_document, write_plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.whole_clouds import Shape, whole_cloud
from skylift.verifier.verify import verify

AGENT = "neutron-openvswitch-agent"
R2024_1, R2024_2 = Release(2024, 1), Release(2024, 2)
R2025_1, R2026_1 = Release(2025, 1), Release(2026, 1)


def planned(source: Release, goal: Release) -> Plan:
    shape = Shape(source=source, goal=goal, computes=2)
    cloud, record = whole_cloud(CATALOG, ("keystone", "neutron"), shape, policy=Policy())
    return plan_upgrade(cloud, record, Upgrade(goal), CATALOG, record_digest=Digest("sha256:" + "a" * 64))


def refused(document: Document) -> tuple[str, ...]:
    return verify(document, documents())


@pytest.mark.parametrize("source", [R2024_1, R2024_2])
def test_every_host_of_the_agent_is_made_ready_between_its_stop_and_its_start(source: Release) -> None:
    plan = planned(source, R2025_1)

    order = [str(step.id) for step in plan.steps]
    ready = {step.action.host: step.action for step in plan.steps if isinstance(step.action, RunBeforeStart)}
    assert set(ready) == {name.partition("@")[2] for name in order if name.startswith(f"{AGENT}:start@")}
    for host, action in ready.items():
        turn = [f"{AGENT}:{verb}@{host}" for verb in ("stop", "before-start", "start")]
        assert sorted(turn, key=order.index) == turn
        assert action.command.user == "root"
        assert action.command.argv[0] == "ovs-ofctl"
    assert refused(plan_document(write_plan(plan))) == ()


@pytest.mark.parametrize(("source", "goal"), [(R2024_1, R2024_2), (R2025_1, R2026_1)])
def test_a_hop_that_does_not_need_it_has_no_such_step(source: Release, goal: Release) -> None:
    plan = planned(source, goal)

    assert [step for step in plan.steps if isinstance(step.action, RunBeforeStart)] == []
    assert refused(plan_document(write_plan(plan))) == ()


def test_a_plan_without_it_is_refused() -> None:
    document = plan_document(write_plan(planned(R2024_1, R2025_1)))

    drop_step(document, f"{AGENT}:before-start@cmp1")

    assert any(f"{AGENT} on cmp1 is never made ready" in said for said in refused(document))


def test_a_plan_that_may_start_before_it_is_refused() -> None:
    document = plan_document(write_plan(planned(R2024_1, R2025_1)))
    name = f"{AGENT}:before-start@cmp1"

    document["edges"] = [e for e in document["edges"] if e["before"] != name]
    drop_edges(document, into=f"{AGENT}:start@cmp1")
    add_edge(document, f"{AGENT}:switch@cmp1", f"{AGENT}:start@cmp1")
    add_edge(document, name, f"{AGENT}:report@cmp1")

    assert any("may be started before it is made ready" in said for said in refused(document))


def test_a_plan_that_makes_ready_what_needs_it_not_is_refused() -> None:
    document = plan_document(write_plan(planned(R2024_1, R2025_1)))

    document["source"] = str(R2025_1)

    assert any(f"{AGENT}:before-start@cmp1 has no place there" in said for said in refused(document))
