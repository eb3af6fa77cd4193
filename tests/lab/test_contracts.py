"""The real drivers keep the ports' promises on a real cloud: the same tests that the fakes pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.lab.scenes import scene_of

from skylift.model.record import Record
from skylift.testing.contracts import (
    ArtifactsContract,
    BackupsContract,
    BalancerContract,
    DatabaseContract,
    HostsContract,
    JobsContract,
    Scene,
    ServicesContract,
    VantageContract,
)

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def scene(record: Record) -> Iterator[Scene]:
    with scene_of(record) as scene:
        yield scene


class TestSshHosts(HostsContract):
    """Over SSH."""


class TestSshJobs(JobsContract):
    """Transient units."""


class TestSystemdServices(ServicesContract):
    """Units and links."""


class TestSshArtifacts(ArtifactsContract):
    """Folders with manifests."""


class TestHaproxyBalancer(BalancerContract):
    """Three admin sockets."""


class TestMariadbDatabase(DatabaseContract):
    """Galera of three."""


class TestMariadbBackups(BackupsContract):
    """On one of its hosts, with a scratch server there."""


class TestSshVantage(VantageContract):
    """The agent on the client host."""
