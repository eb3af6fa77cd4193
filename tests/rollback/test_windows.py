"""How far a run leads back is told by what a component itself has passed, before what stands in its way."""

from __future__ import annotations

from dataclasses import replace

from tests.rollback.half_way import CATALOG, SHAPE, before_the_end

from skylift.model.ids import ArtifactName, ComponentName, ServiceName, StepId
from skylift.model.record import Policy
from skylift.model.release import Release
from skylift.planning.rollback import rollback_goal
from skylift.planning.window import windows
from skylift.testing.whole_clouds import Shape, whole_cloud

KEYSTONE, NEUTRON = ComponentName("keystone"), ComponentName("neutron")


def test_a_component_is_closed_by_its_own_step_though_anothers_began_before() -> None:
    """The pins of nova are lifted first; keystone's contract is what no other way back undoes."""
    _, record = whole_cloud(CATALOG, ("keystone", "placement", "nova"), SHAPE, policy=Policy())
    plan = before_the_end(record, SHAPE)[1].plan

    every = {window.component: window for window in windows(plan, CATALOG, {step.id for step in plan.steps})}

    assert every[KEYSTONE].closed_by == StepId("keystone:contract")
    assert every[KEYSTONE].ended_by == KEYSTONE


def test_the_link_of_a_service_that_has_ended_says_nothing_of_what_a_run_found() -> None:
    """It points to the last release that had the service, for ever after."""
    shape = Shape(source=Release(2025, 1), goal=Release(2025, 2), controllers=2)
    _, record = whole_cloud(CATALOG, ("keystone", "neutron"), shape, policy=Policy())
    now = record.artifact_for(shape.source)
    assert now is not None
    older = replace(now, name=ArtifactName("older"), release=Release(2024, 2), path=now.path.parent / "older")
    record = replace(record, artifacts={**record.artifacts, older.name: older})
    undone = before_the_end(record, shape)[1]
    ended, plan = ServiceName("neutron-linuxbridge-agent"), undone.plan
    left = {f"link {ended} net1": str(older.path), f"artifact {ended} net1": "nothing"}
    there = replace(plan, services={**plan.services, ended: NEUTRON}, facts={**plan.facts, **left})
    undone = replace(undone, plan=there)

    goal = rollback_goal(record, undone, CATALOG, ())

    assert NEUTRON in goal.components
    assert goal.to == shape.source
