"""A service that is started: two looks tell of it, and time passes between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import pytest

from skylift.actions.action import Done, Pending
from skylift.actions.service_run import AwaitHealthy, ServiceDied, StartService, WrongArtifact
from skylift.model.cloud import UnitSeen
from skylift.model.ids import HostName, UnitName
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import FakeServices, ports_of
from skylift.testing.fake_work import START_S
from skylift.testing.samples import GLANCE, sample_record, service_name

RECORD = sample_record()
HOST = HostName("ctl1")
ENTRY = RECORD.services[service_name(GLANCE)]
START = StartService(HOST, ENTRY.unit, ENTRY.link)


@dataclass(frozen=True, slots=True)
class SlowToTell(FakeServices):
    """What it says of a unit is older than a start takes when it arrives."""

    def unit(self, host: HostName, unit: UnitName, link: PurePosixPath) -> UnitSeen:
        seen = FakeServices.unit(self, host, unit, link)
        self.cloud.pass_time(START_S + 1)
        return seen


def starting(cloud: FakeCloud) -> Ports:
    """The ports of a step that has just told a stopped service to start; what they tell is old."""
    ports = ports_of(cloud).under("run.start.1")
    ports.services.stop(HOST, ENTRY.unit)
    cloud.pass_time(60)
    START.advance(ports)
    return replace(ports, services=SlowToTell(cloud))


def test_a_service_that_starts_between_two_looks_is_not_taken_for_dead() -> None:
    """Measured: services on the message bus start within half a second, while a host is being asked."""
    ports = starting(FakeCloud(RECORD))

    assert START.observe(ports) == Done()


def test_a_service_that_ends_at_its_start_is_dead_however_long_the_looks_take() -> None:
    cloud = FakeCloud(RECORD)
    cloud.broken.update(artifact.path for artifact in RECORD.artifacts.values())
    ports = starting(cloud)

    with pytest.raises(ServiceDied):
        START.observe(ports)


@dataclass(frozen=True, slots=True)
class Loaded(FakeServices):
    """What its unit has loaded is told by the test."""

    what: str | None = None

    def unit(self, host: HostName, unit: UnitName, link: PurePosixPath) -> UnitSeen:
        return replace(FakeServices.unit(self, host, unit, link), running=self.what)


def test_a_service_that_has_loaded_nothing_yet_is_waited_for() -> None:
    """Measured: Neutron's agents are active before Python has loaded anything of their artifact."""
    cloud = FakeCloud(RECORD)
    ports = ports_of(cloud)
    wanted = PurePosixPath("/opt/openstack/artifacts/new")
    healthy = AwaitHealthy(HOST, ENTRY.unit, ENTRY.link, wanted)

    nothing = healthy.observe(replace(ports, services=Loaded(cloud)))
    whole = healthy.observe(replace(ports, services=Loaded(cloud, str(wanted))))

    assert (nothing, whole) == (Pending(f"{ENTRY.unit} runs nothing of any artifact yet"), Done())
    with pytest.raises(WrongArtifact):
        healthy.observe(replace(ports, services=Loaded(cloud, "/opt/other")))
