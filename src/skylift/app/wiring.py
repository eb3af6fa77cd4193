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
from skylift.drivers.chain_file import ChainFile, Kind, Row, head_of, read_rows
from skylift.drivers.compute import ApiCanaries, ApiCompute
from skylift.drivers.ed25519 import KeyFile, holds
from skylift.drivers.gate_asker import ask
from skylift.drivers.haproxy import HaproxyBalancer
from skylift.drivers.hosts import SshHosts
from skylift.drivers.intake import ApiIntake
from skylift.drivers.jobs import SshJobs
from skylift.drivers.lease_file import holder_of, lease
from skylift.drivers.mariadb import MariadbDatabase
from skylift.drivers.mariadb_dumps import MariadbBackups
from skylift.drivers.notifier import send
from skylift.drivers.rabbitmq import RabbitmqBroker
from skylift.drivers.sqlite_journal import JOURNAL, SqliteJournal
from skylift.drivers.ssh import Ssh
from skylift.drivers.systemd import SystemdServices
from skylift.drivers.vantage import SshVantage
from skylift.drivers.vantage_line import VantageLine
from skylift.engine.journal import Journal, milliseconds
from skylift.engine.operate import Asked
from skylift.engine.problems import Holder
from skylift.model.ids import HostName, RunId
from skylift.model.record import Record
from skylift.model.seal import Signer
from skylift.ports import Ports

__all__ = ["AUDIT", "Row", "head_of", "holds"]

AUDIT = Kind("audit trail", 1)


@contextmanager
def ports_for(record: Record) -> Iterator[Ports]:
    """The ports of the cloud that ``record`` declares; connections are made as needed, and end here."""
    addresses = {name: entry.address for name, entry in record.hosts.items()}
    homes = sorted({artifact.path.parent for artifact in record.artifacts.values()})
    with Ssh(record.ssh, addresses) as ssh:
        line = VantageLine(ssh, record.vantage)
        database = MariadbDatabase(ssh, _named(record, record.database.role))
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
            database=database,
            backups=MariadbBackups(ssh, database),
            broker=RabbitmqBroker(ssh, _named(record, record.broker.role) if record.broker else ()),
            vantage=SshVantage(ssh, record.vantage, addresses, held_s=record.longest_wait),
            intake=ApiIntake(line, clock.now),
            compute=ApiCompute(line),
            canaries=ApiCanaries(line, record.vantage),
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
            signer=signer(),
            ask=ask,
            send=send,
        )


def signer() -> Signer | None:
    """Whose key is at SKYLIFT_KEY, or where keys usually are; none if there is none there.

    Raises:
        SigningKeyRefused: it cannot be used.
    """
    told = os.environ.get("SKYLIFT_KEY")
    path = Path(told) if told else Path("~/.config/skylift/key").expanduser()
    return KeyFile(path) if told or path.exists() else None


def actor() -> str:
    """Who works here, as ``user@host``."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def asked() -> Asked:
    """Who asks, and that it is now."""
    return Asked(actor(), clock.now())


@contextmanager
def open_journal(folder: RunFolder) -> Iterator[Journal]:
    """The journal of a run, verified row by row; what is added is sealed, if there is a key here.

    Raises:
        JournalDamaged: it is not what was written.
        SigningKeyRefused: the key here cannot be used.
    """
    journal = SqliteJournal(folder.journal, signer())
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def open_audit(runs: Runs) -> Iterator[ChainFile]:
    """The audit trail of a cloud, verified row by row; what is added is sealed, if there is a key here.

    Raises:
        JournalDamaged: it is not what was written.
    """
    trail = ChainFile(runs.audit, AUDIT, signer())
    try:
        yield trail
    finally:
        trail.close()


def journal_rows(folder: RunFolder) -> tuple[Row, ...]:
    """The rows of a run's journal, chained; whose seals they bear is not judged yet.

    Raises:
        JournalDamaged: they are not what was written.
    """
    return read_rows(folder.journal, JOURNAL)


def audit_rows(runs: Runs) -> tuple[Row, ...]:
    """The rows of the audit trail, likewise."""
    return read_rows(runs.audit, AUDIT)


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
