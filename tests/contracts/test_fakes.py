"""The fakes keep the ports' promises; so what is proved on them holds for whatever keeps them too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from skylift.catalog.catalog import load
from skylift.model.ids import ComponentName, HostName
from skylift.model.record import HostEntry, Policy, Record
from skylift.model.work import InHand, Piece
from skylift.ports import Command, Storage, Volumes
from skylift.testing.contracts import (
    ArtifactsContract,
    BackupsContract,
    BalancerContract,
    BrokerContract,
    CanariesContract,
    ComputeContract,
    DatabaseContract,
    HostsContract,
    IntakeContract,
    JobsContract,
    NetworkContract,
    RosterContract,
    Scene,
    ServicesContract,
    StorageContract,
    VantageContract,
    VolumesContract,
)
from skylift.testing.contracts.on_storage import Until
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fake_work import DUMP
from skylift.testing.samples import PLACEMENT, R2024_1, R2025_1, sample_record, service_name
from skylift.testing.whole_clouds import Shape, whole_cloud

GONE = HostName("ctl9")
LIMIT_S = 60
COMPONENT = ComponentName("nova")


@pytest.fixture
def whole() -> Record:
    """The record of the cloud that the contracts are played on."""
    return sample_record()


@pytest.fixture
def scene(whole: Record) -> Scene:
    lost = HostEntry(GONE, "10.77.0.99", frozenset({"spare"}))
    record = replace(whole, hosts={**whole.hosts, GONE: lost})
    cloud = FakeCloud(record)
    cloud.hosts[GONE].reachable = False

    def until(holds: Callable[[], bool]) -> bool:
        for _ in range(LIMIT_S):
            if holds():
                return True
            cloud.pass_time(1)
        return False

    if cloud.neutron.agents:
        cloud.neutron.router("r", "net1")
        cloud.neutron.network("n", "net1")
    cloud.in_hand.append(InHand(COMPONENT, "nova_cell1", "server", "spawning", 1, (Piece("vm1", cloud.now),)))
    return Scene(
        ports=ports_of(cloud),
        record=record,
        entry=record.services[service_name(PLACEMENT)],
        database=PLACEMENT,
        host=HostName("ctl2"),
        gone=GONE,
        until=until,
        good=Command((DUMP, "nothing", "/dev/null")),
        bad=Command(("/no/such/program",)),
        guest=cloud.nova.boot("guest", "cmp1").id if COMPONENT in record.components else "",
        label="contract",
    )


class TestFakeHosts(HostsContract):
    pass


class TestFakeJobs(JobsContract):
    pass


class TestFakeServices(ServicesContract):
    pass


class TestFakeArtifacts(ArtifactsContract):
    pass


class TestFakeBalancer(BalancerContract):
    pass


class TestFakeDatabase(DatabaseContract):
    pass


class TestFakeBackups(BackupsContract):
    pass


class _OnTheBus:
    @pytest.fixture
    def whole(self) -> Record:
        shape = Shape(source=R2024_1, goal=R2025_1)
        return whole_cloud(load(), ("placement", "nova", "cinder", "heat"), shape, policy=Policy())[1]


class TestFakeRoster(_OnTheBus, RosterContract):
    pass


class TestFakeIntake(_OnTheBus, IntakeContract):
    pass


class TestFakeCompute(_OnTheBus, ComputeContract):
    pass


class TestFakeCanaries(_OnTheBus, CanariesContract):
    pass


class TestFakeNetwork(NetworkContract):
    @pytest.fixture
    def whole(self) -> Record:
        shape = Shape(source=R2024_1, goal=R2025_1)
        return whole_cloud(load(), ("placement", "nova", "neutron"), shape, policy=Policy())[1]


class TestFakeStorage(StorageContract):
    @pytest.fixture
    def cloud(self, whole: Record) -> FakeCloud:
        cloud = FakeCloud(whole)
        for number in range(3):
            cloud.ceph.add(f"ctl{number + 1}", number, monitor=True)
        cloud.ceph.groups = {"1.0": (0, 1, 2), "1.1": (2, 1, 0)}
        return cloud

    @pytest.fixture
    def storage(self, cloud: FakeCloud) -> Storage:
        return ports_of(cloud).storage

    @pytest.fixture
    def until(self) -> Until:
        return lambda holds: holds()


class TestFakeVolumes(VolumesContract):
    @pytest.fixture
    def cloud(self) -> FakeCloud:
        shape = Shape(source=R2024_1, goal=R2025_1)
        cloud = FakeCloud(whole_cloud(load(), ("placement", "nova", "cinder"), shape, policy=Policy())[1])
        cloud.nova.boot("vm", "cmp1")
        cloud.nova.boot("off", "cmp1", vm_state="stopped")
        cloud.disks.attach("of-vm", "cmp2", "vm")
        cloud.disks.attach("of-off", "cmp2", "off")
        return cloud

    @pytest.fixture
    def volumes(self, cloud: FakeCloud) -> Volumes:
        return ports_of(cloud).volumes

    @pytest.fixture
    def serving(self) -> HostName:
        return HostName("cmp2")

    @pytest.fixture
    def boot(self, cloud: FakeCloud) -> Callable[[], None]:
        def boot() -> None:
            cloud.reboot(HostName("cmp2"))
            cloud.pass_time(60)

        return boot


class TestFakeBroker(_OnTheBus, BrokerContract):
    pass


class TestFakeVantage(VantageContract):
    pass
