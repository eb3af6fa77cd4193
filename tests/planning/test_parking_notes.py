"""A plan says where requests should wait, and cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from tests.planning.planned import RECORD_DIGEST

from skylift.actions.parking import ParkPool
from skylift.catalog.catalog import Catalog, load
from skylift.model.goal import Upgrade
from skylift.model.ids import Seconds, ServiceName
from skylift.model.record import Policy, Record
from skylift.planning.plan import Plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.samples import PLACEMENT, R2024_1, sample_cloud, sample_record

CANNOT = "cannot wait during a restart of placement-api"


def where_placement_loses_work() -> Catalog:
    """As if placement could not hand over what glance asks of it."""
    catalog = load()
    known = catalog.components[PLACEMENT]
    services = tuple(replace(service, park=(ServiceName("glance-api"),)) for service in known.services)
    return replace(catalog, components={**catalog.components, PLACEMENT: replace(known, services=services)})


def planned(record: Record, catalog: Catalog) -> Plan:
    cloud = sample_cloud(record)
    return plan_upgrade(cloud, record, Upgrade(R2024_1), catalog, record_digest=RECORD_DIGEST)


def test_a_plan_says_that_requests_cannot_wait_if_the_balancers_cannot_hold_them() -> None:
    record = sample_record()

    plan = planned(record, where_placement_loses_work())

    (told,) = [note for note in plan.notes if CANNOT in note]
    assert told.startswith("requests to glance-api cannot wait")
    assert "policy park_s" not in plan.facts


def test_it_says_nothing_where_they_can_or_nothing_would_have_to_wait() -> None:
    record = sample_record()
    balancer = replace(record.balancer, parking=PurePosixPath("/etc/haproxy/parked.map"))
    able = planned(replace(record, balancer=balancer), where_placement_loses_work())
    without = planned(record, load())

    assert not [note for plan in (able, without) for note in plan.notes if CANNOT in note]
    assert able.facts["policy park_s"] == "20"


def test_it_says_so_if_the_record_lets_them_wait_for_less_than_a_restart_takes() -> None:
    """The plan is made all the same: an operator who allows too little is told, not stopped."""
    record = sample_record(policy=Policy(park_s=Seconds(5)))
    balancer = replace(record.balancer, parking=PurePosixPath("/etc/haproxy/parked.map"))

    plan = planned(replace(record, balancer=balancer), where_placement_loses_work())

    (told,) = [note for note in plan.notes if CANNOT in note]
    assert told.endswith("the record lets them wait 5 s (policy.park_s)")
    assert not [step for step in plan.steps if isinstance(step.action, ParkPool)]
