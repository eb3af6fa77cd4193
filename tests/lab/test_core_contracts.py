"""The ports of what only a cloud with a message bus has keep their promises there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.lab.core_cloud import NOVA, CoreCloud
from tests.lab.scenes import scene_of

from skylift.app.record_file import load_record
from skylift.gate.lab.host import Lab
from skylift.testing.contracts import (
    BrokerContract,
    CanariesContract,
    ComputeContract,
    IntakeContract,
    RosterContract,
    Scene,
)

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(900)]

MOVED_S = 300
"""Emulated guests, moved and booted on a machine that does much else."""


@pytest.fixture(scope="module")
def guest(core_lab: Lab) -> str:
    """A guest that may be moved and stopped: nobody else's."""
    cloud = CoreCloud(core_lab)
    name = "of-the-contracts"
    if name not in cloud.servers():
        port = cloud.port(cloud.network("provider"), address="10.78.9.1")
        cloud.boot(name, zone="real", networks=[{"port": port["id"]}])
    server = cloud.servers()[name]
    assert cloud.settled(f"{NOVA}/servers/{server}", "server") == "ACTIVE"
    return server


@pytest.fixture(scope="module")
def scene(core_lab: Lab, guest: str) -> Iterator[Scene]:
    with scene_of(load_record(core_lab.folder / "cloud.yaml"), guest=guest, limit_s=MOVED_S) as scene:
        yield scene


class TestRabbitmqBroker(BrokerContract):
    """A node on each controller."""


class TestMariadbRoster(RosterContract):
    """The rows that nova, cinder, neutron and heat write."""


class TestApiIntake(IntakeContract):
    """Nova and Cinder, asked by the agent on the client host."""


class TestApiCompute(ComputeContract):
    """Nova and Placement, likewise, with a guest that runs in QEMU."""


class TestApiCanaries(CanariesContract):
    """A guest of ours on the host of that one."""
