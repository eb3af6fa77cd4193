"""The one module that knows concrete drivers."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from skylift.app.record_file import load_record, names_a_store
from skylift.app.runs import RunFolder, Runs, RunStore
from skylift.app.site import Site
from skylift.app.worker import RunQueue
from skylift.catalog.catalog import load as load_catalog
from skylift.drivers import clock
from skylift.drivers.artifacts import SshArtifacts
from skylift.drivers.ceph import CephStorage
from skylift.drivers.chain_file import ChainFile, head_of, read_rows
from skylift.drivers.chain_journal import JOURNAL
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
from skylift.drivers.network import ApiNetwork
from skylift.drivers.notifier import send
from skylift.drivers.rabbitmq import RabbitmqBroker
from skylift.drivers.sqlite_journal import SqliteJournal
from skylift.drivers.ssh import Ssh
from skylift.drivers.systemd import SystemdServices
from skylift.drivers.vantage import SshVantage
from skylift.drivers.vantage_line import VantageLine
from skylift.drivers.volumes import HostVolumes
from skylift.engine.chain import Chain, Kind, Row
from skylift.engine.journal import Journal, milliseconds
from skylift.engine.operate import Asked
from skylift.engine.problems import Holder
from skylift.engine.store_problems import StoreExtra, goes_on
from skylift.model.ids import HostName, RunId
from skylift.model.problem import Problem
from skylift.model.record import Record
from skylift.model.seal import Signer
from skylift.ports import Ports
from skylift.ports.watched import watched

__all__ = ["AUDIT", "holds"]

AUDIT = Kind("audit trail", 1)
_TRAIL = "audit"
"""Its name in a store."""


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
            network=ApiNetwork(line, clock.now),
            storage=_storage(ssh, record),
            volumes=HostVolumes(ssh, line),
        )


def _storage(ssh: Ssh, record: Record) -> CephStorage:
    of = record.storage
    return CephStorage(ssh, _named(record, of.role) if of else (), of.tool if of else ())


def _named(record: Record, role: str) -> tuple[HostName, ...]:
    return tuple(host.name for host in record.hosts_in(role))


def store_at(reference: str, cloud: str, ends: Callable[[Problem], None] = goes_on) -> RunStore:
    """The store that ``reference`` names, of one cloud's runs.

    ``ends`` is called with the problem once the store is gone, or a lease in it is lost.

    Raises:
        StoreReference: the reference cannot be used.
        StoreExtra: what talks to it is not installed.
    """
    try:
        from skylift.drivers.postgres_store import PostgresStore  # noqa: PLC0415 - few need it, and pay for it
    except ImportError as missing:
        raise StoreExtra(missing.name or str(missing)) from None
    return PostgresStore(reference, cloud, ends=ends)


def queue_at(reference: str) -> RunQueue:
    """The queue in the store that ``reference`` names, by which workers share the driving of runs.

    Raises:
        StoreReference, StoreExtra: as ``store_at``.
    """
    try:
        from skylift.drivers.procrastinate_queue import ProcrastinateQueue  # noqa: PLC0415 - as above
    except ImportError as missing:
        raise StoreExtra(missing.name or str(missing)) from None
    return ProcrastinateQueue(reference)


def runs_of(record: Path, store: str | None = None) -> Runs:
    """The runs of the record at this path: in ``store``, or in the one it names, or beside it.

    Raises:
        RecordInvalid: a store is named, and the record does not say of which cloud.
        StoreReference, StoreExtra: the store cannot be used.
    """
    beside = Runs.beside(record)
    try:
        declared = load_record(record)
    except Problem:
        # How a run beside it stands is told without the record, too; but not if it may be kept elsewhere.
        if store or names_a_store(record):
            raise
        return beside
    named = store or declared.store
    return replace(beside, store=store_at(named, declared.name)) if named else beside


@contextmanager
def open_site(record: Path, runs: Runs | None = None) -> Iterator[Site]:
    """The cloud that the record at this path declares, within reach for as long as the block runs.

    Whoever holds it by a lease in a store touches it only while nobody can have taken it over.

    Raises:
        RecordInvalid: the file has mistakes.
    """
    declared = load_record(record)
    kept = runs if runs is not None else runs_of(record)
    store = kept.store
    with ports_for(declared) as ports:
        yield Site(
            record=declared,
            catalog=load_catalog(declared.catalog),
            ports=ports if store is None else watched(ports, lambda _call: store.lease.look()),
            runs=kept,
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
    journal: Journal = (
        SqliteJournal(folder.journal, signer())
        if folder.store is None
        else folder.store.journal(folder.id, signer())
    )
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def open_audit(runs: Runs) -> Iterator[Chain]:
    """The audit trail of a cloud, verified row by row; what is added is sealed, if there is a key here.

    Raises:
        JournalDamaged: it is not what was written.
    """
    trail: Chain = (
        ChainFile(runs.audit, AUDIT, signer())
        if runs.store is None
        else runs.store.chain(_TRAIL, AUDIT, signer())
    )
    try:
        yield trail
    finally:
        trail.close()


def journal_rows(folder: RunFolder) -> tuple[Row, ...]:
    """The rows of a run's journal, chained; whose seals they bear is not judged yet.

    Raises:
        JournalDamaged: they are not what was written.
    """
    if folder.store is not None:
        return folder.store.chain(f"run/{folder.id}", JOURNAL, None).rows()
    return read_rows(folder.journal, JOURNAL)


def audit_rows(runs: Runs) -> tuple[Row, ...]:
    """The rows of the audit trail, likewise."""
    if runs.store is not None:
        return runs.store.chain(_TRAIL, AUDIT, None).rows()
    return read_rows(runs.audit, AUDIT)


def heads_of(runs: Runs) -> dict[RunId, tuple[int, str]]:
    """How many events each journal has, and the chain of the last one; those left out cannot be read."""
    if runs.store is not None:
        return runs.store.heads()
    return {folder.id: found for folder in runs.known() if (found := head_of(folder.journal))}


@contextmanager
def hold(site: Site, run: RunId) -> Iterator[None]:
    """Be the only one who works on the cloud for as long as the block runs; a kill frees it.

    Raises:
        RunHeld: another process works on it; the problem names it.
    """
    site.runs.make_home()
    user, _, host = site.actor.partition("@")
    holder, store = Holder(os.getpid(), host, user, milliseconds(site.clock()), run), site.runs.store
    with lease(site.runs.home, holder) if store is None else store.lease.hold(holder):
        yield


def worker_on(runs: Runs) -> Holder | None:
    """Who works on the cloud right now, if anyone does."""
    if runs.store is not None:
        return runs.store.lease.holder()
    return holder_of(runs.home) if runs.home.exists() else None
