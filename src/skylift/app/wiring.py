"""The one module that knows concrete drivers."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from skylift.app.record_file import load_record
from skylift.app.runs import RunFolder, Runs
from skylift.app.site import Site
from skylift.catalog.catalog import load as load_catalog
from skylift.drivers import clock
from skylift.drivers.artifacts import SshArtifacts
from skylift.drivers.haproxy import HaproxyBalancer
from skylift.drivers.hosts import SshHosts
from skylift.drivers.intake import ApiIntake
from skylift.drivers.jobs import SshJobs
from skylift.drivers.lease_file import holder_of, lease
from skylift.drivers.mariadb import MariadbDatabase
from skylift.drivers.rabbitmq import RabbitmqBroker
from skylift.drivers.sqlite_journal import SqliteJournal
from skylift.drivers.ssh import Ssh
from skylift.drivers.systemd import SystemdServices
from skylift.drivers.vantage import SshVantage
from skylift.drivers.vantage_line import VantageLine
from skylift.engine.journal import Journal, milliseconds
from skylift.engine.operate import Asked
from skylift.engine.problems import Holder
from skylift.model.ids import HostName, RunId
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
            balancer=HaproxyBalancer(
                ssh,
                _named(record, record.balancer.role),
                record.balancer.socket,
                parking=record.balancer.parking,
            ),
            database=MariadbDatabase(ssh, _named(record, record.database.role)),
            broker=RabbitmqBroker(ssh, _named(record, record.broker.role) if record.broker else ()),
            vantage=SshVantage(ssh, record.vantage, addresses, held_s=record.longest_wait),
            intake=ApiIntake(VantageLine(ssh, record.vantage), clock.now),
        )


def _named(record: Record, role: str) -> tuple[HostName, ...]:
    return tuple(host.name for host in record.hosts_in(role))


@contextmanager
def open_site(record: Path) -> Iterator[Site]:
    """The cloud that the record at this path declares, within reach for as long as the block runs.

    Raises:
        RecordInvalid: the file has mistakes.
    """
    declared = load_record(record)
    with ports_for(declared) as ports:
        yield Site(
            record=declared,
            catalog=load_catalog(declared.catalog),
            ports=ports,
            runs=Runs.beside(record),
            clock=clock.now,
            actor=actor(),
        )


def actor() -> str:
    """Who works here, as ``user@host``."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def asked() -> Asked:
    """Who asks, and that it is now."""
    return Asked(actor(), clock.now())


@contextmanager
def open_journal(folder: RunFolder) -> Iterator[Journal]:
    """The journal of a run, verified row by row.

    Raises:
        JournalDamaged: it is not what was written.
    """
    journal = SqliteJournal(folder.journal)
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def hold(site: Site, run: RunId) -> Iterator[None]:
    """Be the only one who works on the cloud for as long as the block runs; a kill frees it.

    Raises:
        RunHeld: another process works on it; the problem names it.
    """
    site.runs.make_home()
    user, _, host = site.actor.partition("@")
    with lease(site.runs.home, Holder(os.getpid(), host, user, milliseconds(site.clock()), run)):
        yield


def worker_on(runs: Runs) -> Holder | None:
    """Who works on the cloud right now, if anyone does."""
    return holder_of(runs.home) if runs.home.exists() else None
