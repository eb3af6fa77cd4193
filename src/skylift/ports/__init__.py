"""What Skylift needs of the world, as Protocols; ``Ports`` holds them all.

Every call but those that read long lists answers within 30 seconds or raises, and none waits for the cloud to
finish something.
All raise ``Transient`` when the host or service cannot be reached and nothing was changed, and
``Uncertain`` when the connection broke after the request was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from skylift.ports.artifacts import Artifacts
from skylift.ports.backups import Backups
from skylift.ports.balancer import Balancer
from skylift.ports.broker import Broker
from skylift.ports.canaries import Canaries, CanarySeen
from skylift.ports.compute import Changes, Compute, ComputeSeen, MigrationSeen, Tell
from skylift.ports.database import Database
from skylift.ports.hosts import Hosts
from skylift.ports.intake import Intake
from skylift.ports.jobs import Command, Ended, Jobs, JobState, NoJob, Running
from skylift.ports.network import Network
from skylift.ports.services import Services
from skylift.ports.storage import Storage
from skylift.ports.vantage import ProbeTally, Vantage, WitnessSeen
from skylift.ports.volumes import Volumes

__all__ = [
    "Artifacts",
    "Backups",
    "Balancer",
    "Broker",
    "Canaries",
    "CanarySeen",
    "Changes",
    "Command",
    "Compute",
    "ComputeSeen",
    "Database",
    "Ended",
    "Hosts",
    "Intake",
    "JobState",
    "Jobs",
    "MigrationSeen",
    "Network",
    "NoJob",
    "Ports",
    "ProbeTally",
    "Running",
    "Services",
    "Storage",
    "Tell",
    "Vantage",
    "Volumes",
    "WitnessSeen",
]


@dataclass(frozen=True, slots=True)
class Ports:
    """All that an action may use."""

    hosts: Hosts
    jobs: Jobs
    services: Services
    artifacts: Artifacts
    balancer: Balancer
    database: Database
    backups: Backups
    broker: Broker
    vantage: Vantage
    intake: Intake
    compute: Compute
    canaries: Canaries
    network: Network
    storage: Storage
    volumes: Volumes

    def under(self, key: str) -> Ports:
        """The same ports, with ``jobs`` bound to a step's key: how the engine lends them to a step."""
        return replace(self, jobs=self.jobs.under(key))
