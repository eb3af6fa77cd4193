"""The sections of ``cloud.yaml``: which keys each has, and what may stand under them.

Reads one section into one value of the model. Whether names that refer to each other exist is
``record_references``' work.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import PurePosixPath

from skylift.app.record_gates import read_gates
from skylift.app.record_maintenance import read_maintenance
from skylift.app.record_notify import read_notify
from skylift.app.yaml_section import Section, file_of, files_of
from skylift.model.ids import (
    ArtifactName,
    ComponentName,
    Digest,
    HostName,
    PoolName,
    Seconds,
    ServiceName,
    UnitName,
)
from skylift.model.record import (
    Artifact,
    BalancerEntry,
    BrokerEntry,
    ComponentEntry,
    DatabaseEntry,
    HostEntry,
    LossBudget,
    Policy,
    Record,
    ServiceEntry,
    SshAccess,
    StorageEntry,
    Timeouts,
    VantageEntry,
)
from skylift.model.release import Release
from skylift.model.seal import PublicKey
from skylift.model.store_reference import why_not
from skylift.planning.plan import Stage

FORMAT = 1
"""Version of the record's format; any other is refused."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_NAME_MEANS = "a name of letters, digits, dots, dashes and underscores"
_ADDRESS = r"[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}"
_DATABASE = r"[A-Za-z0-9_]{1,64}"
_RELEASE = r"20\d\d\.[12]"
_RELEASE_MEANS = 'a year and a half, such as "2024.1"'
_SHA256 = r"sha256:[0-9a-f]{64}"
_URL = r"https?://[^\s/]+/\S+"
_PATH = r"/[^\s\x00]+"
_PATH_MEANS = "an absolute path on the hosts, without spaces"
_UNIT = r"[A-Za-z0-9:_.@\\-]+\.service"
_MAP = r"(?:/[A-Za-z0-9._-]+)+"
"""A path that HAProxy's admin socket takes as one word."""
_ED25519 = r"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}(?: .*)?"
_STAGE = "|".join(stage.value for stage in Stage)
_WINDOW = r"(?:daily|mon|tue|wed|thu|fri|sat|sun) \d\d:\d\d-\d\d:\d\d"
_FREEZE = r"\d{4}-\d\d-\d\d(?:/\d{4}-\d\d-\d\d)?"
_EVERY = "never|week|month|quarter|half-year"
_ROLLBACK = "ask|automatic"
_ZONE = r"[A-Za-z0-9_+/-]+"
_PORT_MAX = 65_535
_DAY_S = 86_400
_PARK_MAX_S = 60
"""As ``LONGEST_S`` in ``drivers/park.lua``."""
_YEAR_H = 8_760


def read_record(top: Section) -> Record:
    """The whole file as a record; to be used only if the file had no mistakes."""
    top.number("skylift", FORMAT, FORMAT)
    hosts, artifacts, components = (top.section(key) for key in ("hosts", "artifacts", "components"))
    record = Record(
        name=_name(top, "name"),
        ssh=_ssh(top.section("ssh")),
        hosts={HostName(n): _host(n, entry) for n, entry in _named(hosts)},
        artifacts={ArtifactName(n): _artifact(n, entry) for n, entry in _named(artifacts)},
        components={ComponentName(n): _component(n, entry) for n, entry in _named(components)},
        balancer=_balancer(top.section("balancer")),
        database=_database(top.section("database")),
        vantage=_vantage(top.section("vantage")),
        broker=_broker(top.section("broker", optional=True)) if "broker" in top.sheet.lines else None,
        storage=_storage(top.section("storage", optional=True)) if "storage" in top.sheet.lines else None,
        policy=_policy(top.section("policy", optional=True)),
        catalog=tuple(PurePosixPath(file) for file in files_of(top, "catalog")),
        gates=read_gates(top.section("gates", optional=True)),
        notify=read_notify(top.section("notify", optional=True)),
        maintenance=read_maintenance(top.section("maintenance", optional=True)),
        signers=_signers(top.section("signers", optional=True)),
        store=_store(top),
    )
    top.close()
    return record


def _store(top: Section) -> str:
    named = top.text("store", default="")
    if named and (why := why_not(named)):
        top.wrong("store", why, "name it so: postgresql://USER@HOST/DATABASE")
    return named


def _ssh(section: Section) -> SshAccess:
    key, known_hosts = file_of(section, "key"), file_of(section, "known_hosts")
    access = SshAccess(
        user=_name(section, "user"),
        key=PurePosixPath(key or ""),
        known_hosts=PurePosixPath(known_hosts or ""),
        port=section.number("port", 1, _PORT_MAX, default=22),
        proxy_command=section.text("proxy_command", default="") or None,
    )
    section.close()
    return access


def _host(name: str, section: Section) -> HostEntry:
    entry = HostEntry(
        name=HostName(name),
        address=_address(section, "address"),
        roles=frozenset(section.texts("roles", form=_NAME, means=_NAME_MEANS)),
        zone=section.text("zone", default="", form=_NAME, means=_NAME_MEANS) or None,
        cell=section.text("cell", default="", form=_NAME, means=_NAME_MEANS) or None,
    )
    section.close()
    return entry


def _artifact(name: str, section: Section) -> Artifact:
    release = section.text("release", form=_RELEASE, means=_RELEASE_MEANS)
    entry = Artifact(
        name=ArtifactName(name),
        release=Release.parse(release or "2000.1"),
        digest=Digest(section.text("digest", form=_SHA256, means="sha256: and 64 hexadecimal digits")),
        source=section.text("source", form=_URL, means="the http or https URL of the archive"),
        path=_path(section, "path"),
    )
    section.close()
    return entry


def _component(name: str, section: Section) -> ComponentEntry:
    entry = ComponentEntry(
        name=ComponentName(name),
        artifact=ArtifactName(_name(section, "artifact")),
        user=_name(section, "user"),
        databases=_databases(section),
        services={
            ServiceName(n): _service(ComponentName(name), n, entry)
            for n, entry in _named(section.section("services"))
        },
        config_files=_config_files(section.section("config_files", optional=True)),
    )
    section.close()
    return entry


def _databases(section: Section) -> dict[str, str]:
    """``database:`` where a component has one, ``databases:`` where it has several; it may have none."""
    means = "the name of a database"
    several = section.section("databases", optional=True)
    one = section.text("database", default="", form=_DATABASE, means=means)
    found = {name: several.text(name, form=_DATABASE, means=means) for name in several.names(form=_NAME)}
    several.close()
    return found | ({"": one} if one else {})


def _config_files(section: Section) -> dict[str, tuple[PurePosixPath, ...]]:
    files = {
        name: tuple(PurePosixPath(path) for path in section.texts(name, form=_PATH, means=_PATH_MEANS))
        for name in section.names(form=_NAME)
    }
    section.close()
    return files


def _service(component: ComponentName, name: str, section: Section) -> ServiceEntry:
    entry = ServiceEntry(
        name=ServiceName(name),
        component=component,
        role=_name(section, "role"),
        unit=UnitName(section.text("unit", form=_UNIT, means="a systemd unit that ends in .service")),
        link=_path(section, "link"),
        port=section.number("port", 1, _PORT_MAX, default=0),
        pool=PoolName(section.text("pool", default="", form=_NAME, means=_NAME_MEANS)),
        since=_release(section, "since"),
        until=_release(section, "until"),
    )
    section.close()
    return entry


def _release(section: Section, key: str) -> Release | None:
    told = section.text(key, default="", form=_RELEASE, means=_RELEASE_MEANS)
    return Release.parse(told) if told else None


def _balancer(section: Section) -> BalancerEntry:
    parking = section.text("parking", default="", form=_MAP, means="the absolute path of a map on the hosts")
    entry = BalancerEntry(
        kind=section.text("kind", default="haproxy", form="haproxy", means="haproxy: the one kind supported"),
        role=_name(section, "role"),
        socket=_path(section, "socket"),
        vip=_address(section, "vip"),
        parking=PurePosixPath(parking) if parking else None,
    )
    section.close()
    return entry


def _database(section: Section) -> DatabaseEntry:
    entry = DatabaseEntry(
        kind=section.text("kind", default="galera", form="galera", means="galera: the one kind supported"),
        role=_name(section, "role"),
        size=section.number("size", 1, 99),
        backups=_path(section, "backups"),
    )
    section.close()
    return entry


def _broker(section: Section) -> BrokerEntry:
    kind = section.text("kind", default="rabbitmq", form="rabbitmq", means="rabbitmq: the one kind supported")
    entry = BrokerEntry(role=_name(section, "role"), size=section.number("size", 1, 99), kind=kind)
    section.close()
    return entry


def _storage(section: Section) -> StorageEntry:
    usual = StorageEntry("")
    tool = section.texts("tool", form=r".+", means="a word of a command", optional=True)
    entry = StorageEntry(
        role=_name(section, "role"),
        kind=section.text("kind", default="ceph", form="ceph", means="ceph: the one kind supported"),
        tool=tool or usual.tool,
        whole=_seconds(section, "whole", usual.whole),
    )
    section.close()
    return entry


def _vantage(section: Section) -> VantageEntry:
    entry = VantageEntry(
        host=HostName(_name(section, "host")),
        clouds_yaml=PurePosixPath(file_of(section, "clouds_yaml") or ""),
        cloud=_name(section, "cloud"),
        image=section.text("image", default="") or None,
        network=section.text("network", default="") or None,
        pace=section.number("pace", 1, 100, default=100),
    )
    section.close()
    return entry


def _policy(section: Section) -> Policy:
    usual = Policy()
    policy = Policy(
        batch=section.number("batch", 1, 1000, default=usual.batch),
        at_once=section.number("at_once", 1, 64, default=usual.at_once),
        backup_max_age_h=section.number("backup_max_age_h", 1, _YEAR_H, default=usual.backup_max_age_h),
        clock_skew_max_ms=section.number("clock_skew_max_ms", 1, 60_000, default=usual.clock_skew_max_ms),
        disk_free_min_gib=section.number("disk_free_min_gib", 1, 100_000, default=usual.disk_free_min_gib),
        park_s=Seconds(section.number("park_s", 1, _PARK_MAX_S, default=usual.park_s)),
        baseline=_seconds(section, "baseline", usual.baseline),
        outages=frozenset(section.texts("outages", form=_NAME, means=_NAME_MEANS, optional=True)),
        online_batch=section.number("online_batch", 1, 1_000_000, default=usual.online_batch),
        stale_after_h=section.number("stale_after_h", 1, _YEAR_H, default=usual.stale_after_h),
        plan_valid_h=section.number("plan_valid_h", 1, _YEAR_H, default=usual.plan_valid_h),
        windows=section.texts("windows", form=_WINDOW, means="such as sat 01:00-05:00", optional=True),
        freezes=section.texts("freezes", form=_FREEZE, means="such as 2026-12-20/2027-01-06", optional=True),
        time_zone=section.text(
            "time_zone", default=usual.time_zone, form=_ZONE, means="such as Europe/Berlin"
        )
        or usual.time_zone,
        every=section.text("every", default=usual.every, form=_EVERY, means=f"one of {_EVERY}"),
        approvals=section.texts("approvals", form=_STAGE, means=f"one of {_STAGE}", optional=True),
        second_person=section.text("second_person", default="false", form="true|false", means="true or false")
        == "true",
        rollback=section.text(
            "rollback", default=usual.rollback, form=_ROLLBACK, means=f"one of {_ROLLBACK}"
        ),
        loss=_loss(section.section("loss", optional=True)),
        timeouts=_timeouts(section.section("timeouts", optional=True)),
    )
    section.close()
    return policy


def _signers(section: Section) -> dict[str, PublicKey]:
    means = "the public half of an ed25519 key, as ssh-keygen writes it: ssh-ed25519 AAAAC3Nza…"
    lines = {name: section.text(name, form=_ED25519, means=means) for name in section.names(form=_NAME)}
    section.close()
    return {name: _public(line) for name, line in lines.items() if line}


def _public(line: str) -> PublicKey:
    """The key itself is the end of what OpenSSH writes in base64."""
    return PublicKey(base64.b64decode(line.split()[1])[-32:].hex())


def _loss(section: Section) -> LossBudget:
    usual = LossBudget()
    budget = LossBudget(
        failed_requests=section.number("failed_requests", 0, 1_000_000, default=usual.failed_requests),
        gap=_seconds(section, "gap", usual.gap),
    )
    section.close()
    return budget


def _timeouts(section: Section) -> Timeouts:
    usual = Timeouts()
    timeouts = Timeouts(
        drain=_seconds(section, "drain", usual.drain),
        idle=_seconds(section, "idle", usual.idle),
        stop=_seconds(section, "stop", usual.stop),
        start=_seconds(section, "start", usual.start),
        command=_seconds(section, "command", usual.command),
        stage=_seconds(section, "stage", usual.stage),
        unreachable=_seconds(section, "unreachable", usual.unreachable),
    )
    section.close()
    return timeouts


def _named(section: Section) -> Iterator[tuple[str, Section]]:
    return section.sections(form=_NAME, means=_NAME_MEANS)


def _name(section: Section, key: str) -> str:
    return section.text(key, form=_NAME, means=_NAME_MEANS)


def _address(section: Section, key: str) -> str:
    return section.text(key, form=_ADDRESS, means="an IP address or a host name")


def _path(section: Section, key: str) -> PurePosixPath:
    return PurePosixPath(section.text(key, form=_PATH, means=_PATH_MEANS))


def _seconds(section: Section, key: str, usual: Seconds) -> Seconds:
    return Seconds(section.number(key, 1, _DAY_S, default=usual))
