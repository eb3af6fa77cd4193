"""A cloud whose services report, and one row in it that nobody stands behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from skylift.catalog.catalog import load
from skylift.checks.finding import Finding
from skylift.checks.registry import check_all
from skylift.model.cloud import Cloud
from skylift.model.goal import Upgrade
from skylift.model.ids import Epoch
from skylift.model.record import Policy, Record
from skylift.model.release import Release
from skylift.model.roster import ServiceReport
from skylift.testing.samples import NOW
from skylift.testing.whole_clouds import Shape, whole_cloud

CATALOG = load()
SOURCE, GOAL = Release(2024, 1), Release(2025, 1)
UNPROVED = Release(2023, 1), Release(2024, 1)
"""Over this hop nothing proves that cinder or neutron may serve in both."""
COMPONENTS = ("keystone", "placement", "nova", "cinder", "neutron", "heat")
STRAY = "cmp9"


def cloud_and_record(*, cells: tuple[str, ...] = ("cell1",)) -> tuple[Cloud, Record]:
    policy = Policy(outages=frozenset(COMPONENTS))
    return whole_cloud(CATALOG, COMPONENTS, Shape(source=SOURCE, goal=GOAL, cells=cells), policy=policy)


def stopped_as_a_whole() -> tuple[Cloud, Record]:
    """A cloud whose cinder is upgraded cold over the hop ``UNPROVED``, as its operator accepts."""
    shape = Shape(source=UNPROVED[0], goal=UNPROVED[1])
    policy = Policy(outages=frozenset({"cinder"}))
    return whole_cloud(CATALOG, ("keystone", "placement", "nova", "cinder"), shape, policy=policy)


def stray(cloud: Cloud, **changed: Any) -> ServiceReport:
    """A nova-compute's row whose host is gone, as one of those that are there."""
    like = next(r for r in cloud.reports if r.service == "nova-compute")
    usual: dict[str, Any] = {"host": STRAY, "id": "stray-1", "seen_at": Epoch(NOW - 9_000_000)}
    return replace(like, **(usual | changed))


def findings(check: str, cloud: Cloud, record: Record) -> list[Finding]:
    return [f for f in check_all(cloud, record, Upgrade(GOAL), CATALOG) if f.check == check]
