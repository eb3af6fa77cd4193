"""The one module that knows concrete drivers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from skylift.drivers.artifacts import SshArtifacts
from skylift.drivers.haproxy import HaproxyBalancer
from skylift.drivers.hosts import SshHosts
from skylift.drivers.jobs import SshJobs
from skylift.drivers.mariadb import MariadbDatabase
from skylift.drivers.ssh import Ssh
from skylift.drivers.systemd import SystemdServices
from skylift.drivers.vantage import SshVantage
from skylift.model.ids import HostName
from skylift.model.record import Record
from skylift.ports import Ports


@contextmanager
def ports_for(record: Record) -> Iterator[Ports]:
    """The ports of the cloud that ``record`` declares; connections are made as needed, and end here."""
    addresses = {name: entry.address for name, entry in record.hosts.items()}
    homes = sorted({artifact.path.parent for artifact in record.artifacts.values()})
    with Ssh(record.ssh, addresses) as ssh:
        yield Ports(
            hosts=SshHosts(ssh, next(iter(homes), PurePosixPath("/"))),
            jobs=SshJobs(ssh),
            services=SystemdServices(ssh, addresses, homes),
            artifacts=SshArtifacts(ssh),
            balancer=HaproxyBalancer(ssh, _named(record, record.balancer.role), record.balancer.socket),
            database=MariadbDatabase(ssh, _named(record, record.database.role)),
            vantage=SshVantage(ssh, record.vantage),
        )


def _named(record: Record, role: str) -> tuple[HostName, ...]:
    return tuple(host.name for host in record.hosts_in(role))
