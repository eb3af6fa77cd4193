"""The row of a service that goes back is lowered once it is stopped, and no other row, and never upwards."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.rollback.half_way import CATALOG, SHAPE, core

from skylift.actions.action import Done, NothingToUndo, Pending
from skylift.actions.lower_version import LowerVersion
from skylift.model.ids import ComponentName, HostName, ServiceName
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of

NOVA, CTL1 = ComponentName("nova"), HostName("ctl1")
NEW, OLD = 68, 67


@pytest.fixture
def cloud() -> FakeCloud:
    """A cloud that is new."""
    return core(("keystone", "placement", "nova"), replace(SHAPE, source=SHAPE.goal))


@pytest.fixture
def ports(cloud: FakeCloud) -> Ports:
    return ports_of(cloud)


def lowering(cloud: FakeCloud, name: str) -> LowerVersion:
    entry = cloud.record.components[NOVA]
    service, known = ServiceName(name), CATALOG.components[NOVA]
    rosters = (
        *known.rosters(entry.databases, entry.services),
        *known.rows_at_start(entry.databases, {service}),
    )
    own = entry.services[service]
    return LowerVersion(CTL1, service, own.unit, own.link, rosters, OLD)


def versions(cloud: FakeCloud, name: str) -> dict[str, int | None]:
    return {row.host: row.version for row in cloud.roster.every if row.service == name}


@pytest.mark.parametrize("name", ["nova-conductor", "nova-super-conductor", "nova-api"])
def test_a_stopped_services_row_is_lowered_and_no_other(cloud: FakeCloud, ports: Ports, name: str) -> None:
    action = lowering(cloud, name)
    ports.services.stop(CTL1, action.unit)
    cloud.pass_time(2)

    before = action.observe(ports)
    action.advance(ports)
    action.advance(ports)

    assert before == Pending(f"its row tells of version {NEW}")
    assert action.observe(ports) == Done()
    assert versions(cloud, name) == {"ctl1": OLD, "ctl2": NEW}


def test_a_row_of_a_service_that_runs_is_not_touched(cloud: FakeCloud, ports: Ports) -> None:
    """It would write its own version again."""
    action = lowering(cloud, "nova-scheduler")

    action.advance(ports)

    assert isinstance(action.observe(ports), Pending)
    assert versions(cloud, "nova-scheduler") == {"ctl1": NEW, "ctl2": NEW}


def test_a_service_that_never_wrote_a_row_is_barred_by_none(cloud: FakeCloud, ports: Ports) -> None:
    action = replace(lowering(cloud, "nova-scheduler"), host=HostName("net1"))

    assert action.observe(ports) == Done()
    assert isinstance(action.reversal(), NothingToUndo)
