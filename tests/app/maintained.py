"""A fake cloud with compute hosts, and a site on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from skylift.app.runs import Runs
from skylift.app.site import Site
from skylift.catalog.catalog import load
from skylift.model.ids import Seconds
from skylift.model.maintenance import Maintenance
from skylift.model.record import Policy
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.samples import R2024_1, R2025_1
from skylift.testing.whole_clouds import Shape, whole_cloud

COMPONENTS = ("keystone", "placement", "nova", "neutron")
QUICK = Maintenance(settle=Seconds(4), look=Seconds(1), back=Seconds(120), move=Seconds(60))


@dataclass
class SiteOf:
    """A cloud, a site on it, and an operator who may press Ctrl-C."""

    cloud: FakeCloud
    site: Site
    asked: bool = False
    remarks: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    """What happens each time the run waits."""


def site_of(folder: Path, *, computes: int, maintenance: Maintenance = QUICK) -> SiteOf:
    """A cloud at 2024.1; nothing is to be upgraded."""
    shape = Shape(source=R2024_1, goal=R2025_1, computes=computes)
    policy = Policy(baseline=Seconds(2))
    record = whole_cloud(load(), COMPONENTS, shape, policy=policy)[1]
    record = replace(record, maintenance=maintenance)
    cloud = FakeCloud(record)
    site = Site(
        record=record,
        catalog=load(),
        ports=ports_of(cloud),
        runs=Runs(folder / ".skylift"),
        clock=lambda: cloud.now,
        actor="rey@console",
    )
    return SiteOf(cloud, site)
