"""What each port promises, as tests: run on the fakes always, and on real drivers on a real cloud.

A module that runs them has a fixture ``scene`` and a subclass of each contract that it keeps::

    class TestJobs(JobsContract):
        ...

The cloud must be whole, and is whole again after each test.
"""

from __future__ import annotations

from skylift.testing.contracts.on_cloud import (
    BackupsContract,
    BalancerContract,
    BrokerContract,
    DatabaseContract,
    IntakeContract,
    RosterContract,
    VantageContract,
)
from skylift.testing.contracts.on_compute import CanariesContract, ComputeContract
from skylift.testing.contracts.on_hosts import (
    ArtifactsContract,
    HostsContract,
    JobsContract,
    ServicesContract,
)
from skylift.testing.contracts.on_journals import JournalContract
from skylift.testing.contracts.on_network import NetworkContract
from skylift.testing.contracts.on_storage import StorageContract
from skylift.testing.contracts.on_volumes import VolumesContract
from skylift.testing.contracts.scene import Scene

__all__ = [
    "ArtifactsContract",
    "BackupsContract",
    "BalancerContract",
    "BrokerContract",
    "CanariesContract",
    "ComputeContract",
    "DatabaseContract",
    "HostsContract",
    "IntakeContract",
    "JobsContract",
    "JournalContract",
    "NetworkContract",
    "RosterContract",
    "Scene",
    "ServicesContract",
    "StorageContract",
    "VantageContract",
    "VolumesContract",
]
