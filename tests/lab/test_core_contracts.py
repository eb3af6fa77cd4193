"""The ports of what only a cloud with a message bus has keep their promises there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.lab.scenes import scene_of

from skylift.app.record_file import load_record
from skylift.gate.lab.host import Lab
from skylift.testing.contracts import BrokerContract, IntakeContract, RosterContract, Scene

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def scene(core_lab: Lab) -> Iterator[Scene]:
    with scene_of(load_record(core_lab.folder / "cloud.yaml")) as scene:
        yield scene


class TestRabbitmqBroker(BrokerContract):
    """A node on each controller."""


class TestMariadbRoster(RosterContract):
    """The rows that nova, cinder, neutron and heat write."""


class TestApiIntake(IntakeContract):
    """Nova and Cinder, asked by the agent on the client host."""
