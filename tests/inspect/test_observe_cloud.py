"""Inspection: everything a cloud holds is read, and what cannot be read is said, never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from skylift.app.inspect import observe_cloud
from skylift.catalog.catalog import load
from skylift.checks.finding import blocked
from skylift.checks.registry import check_all
from skylift.model.cloud import Answer, Cloud, HostSeen, UnitSeen, Unreached
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, Epoch, HostName, UnitName
from skylift.model.problem import Refused
from skylift.model.record import Record
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import FakeArtifacts, FakeHosts, FakeServices, ports_of
from skylift.testing.samples import (
    COMPONENTS,
    GLANCE,
    GLANCE_API,
    KEYSTONE,
    KEYSTONE_SERVICE,
    MIGRATIONS,
    NOW,
    PLACEMENT,
    R2023_1,
    R2024_1,
    ROWS,
    artifact_name,
    sample_record,
)

RECORD = sample_record()
SOURCE, TARGET = artifact_name(R2023_1), artifact_name(R2024_1)
CTL1, CTL2, CTL3 = (HostName(f"ctl{n}") for n in (1, 2, 3))
GOAL = Upgrade(R2024_1)


def _whole() -> FakeCloud:
    """A cloud at 2023.1 with fresh backups, and the target staged on the bootstrap host."""
    fake = FakeCloud(RECORD)
    target = RECORD.artifacts[TARGET]
    fake.hosts[CTL1].staged[target.path] = target.digest
    fake.backups = {
        (CTL1, RECORD.database.backups / f"{n}-old.sql.zst"): Epoch(NOW - 60) for n in RECORD.databases
    }
    return fake


def _observed(fake: FakeCloud, goal: Upgrade | None = None, record: Record = RECORD) -> Cloud:
    return observe_cloud(record, load(), ports_of(fake), now=NOW, goal=goal)


def test_a_healthy_cloud_is_read_without_a_gap() -> None:
    cloud = _observed(_whole())

    assert cloud.unread == {}
    assert cloud.observed_at == NOW
    assert {h for h, seen in cloud.hosts.items() if isinstance(seen, HostSeen)} == set(RECORD.hosts)
    assert cloud.units.keys() == {(name, host) for name in RECORD.services for host in (CTL1, CTL2, CTL3)}
    assert cloud.units[GLANCE_API, CTL2].running == str(RECORD.artifacts[SOURCE].path)
    assert set(cloud.answers.values()) == {200}
    assert {name: seen.rows for name, seen in cloud.schemas.items()} == dict(ROWS[R2023_1])
    assert cloud.galera.keys() == {CTL1, CTL2, CTL3}
    assert len(cloud.backends) == 27
    assert {endpoint.service for endpoint in cloud.endpoints} == {"identity", "image", "placement"}
    assert cloud.grants[KEYSTONE][0].startswith("GRANT ALL")
    assert set(cloud.backups.values()) == {NOW - 60}
    assert cloud.staged[SOURCE, CTL3] == RECORD.artifacts[SOURCE].digest
    assert cloud.staged[TARGET, CTL3] is None


def test_without_a_goal_only_what_runs_is_asked_for_its_migrations() -> None:
    cloud = _observed(_whole())

    assert cloud.migrations.keys() == {(name, "", SOURCE) for name in COMPONENTS}
    assert cloud.upgrade_checks == {}
    assert cloud.doctor is None
    assert cloud.obtainable == {}


def test_with_a_goal_the_target_artifact_is_asked_as_well() -> None:
    cloud = _observed(_whole(), GOAL)

    assert cloud.unread == {}
    assert cloud.migrations[GLANCE, "", TARGET][-1].id == MIGRATIONS[R2024_1][GLANCE][-1].id
    assert cloud.upgrade_checks == dict.fromkeys(COMPONENTS, Answer(0, "Upgrade Check Results"))
    assert cloud.doctor == Answer(0, "")
    assert cloud.obtainable == {(TARGET, CTL2): True, (TARGET, CTL3): True}


def test_what_was_inspected_passes_every_check() -> None:
    """Inspection and checks agree on every name: nothing that was read is looked for elsewhere."""
    findings = check_all(_observed(_whole(), GOAL), RECORD, GOAL, load())

    assert not blocked(findings), [f.sentence for f in findings if f.blocks]


def test_a_host_out_of_reach_hides_only_itself() -> None:
    fake = _whole()
    fake.hosts[CTL2].reachable = False

    cloud = _observed(fake, GOAL)

    assert cloud.hosts[CTL2] == Unreached(CTL2, "ctl2 could not be reached: no answer on port 22")
    assert (KEYSTONE_SERVICE, CTL1) in cloud.units
    assert (KEYSTONE_SERVICE, CTL2) not in cloud.units
    assert {
        f"{kind} {name} ctl2" for kind in ("unit", "answer") for name in RECORD.services
    } <= cloud.unread.keys()
    assert {f"staged {name} ctl2" for name in RECORD.artifacts} <= cloud.unread.keys()
    assert "backends ctl2" in cloud.unread
    assert {view.balancer for view in cloud.backends} == {"ctl1", "ctl3"}, "the others are heard"
    assert cloud.schemas.keys() == set(COMPONENTS)


class Locked(Refused):
    """A subject that its owner does not show."""

    code = "test.locked"


@dataclass(frozen=True, slots=True)
class LockedServices(FakeServices):
    """Services of which nothing may be read."""

    def unit(self, host: HostName, unit: UnitName, link: PurePosixPath) -> UnitSeen:
        raise Locked(f"{unit} on {host} is not shown, nor is {link}")

    def answers(self, host: HostName, port: int, path: str) -> int | None:
        raise Locked(f"port {port} on {host} is filtered for {path}")


@dataclass(frozen=True, slots=True)
class LockedArtifacts(FakeArtifacts):
    """Artifacts in a folder that may not be read."""

    def staged(self, host: HostName, path: PurePosixPath) -> Digest | None:
        raise Locked(f"{path} on {host} is not readable")


def test_each_subject_of_a_host_is_read_though_another_cannot_be() -> None:
    fake = _whole()
    ports = replace(ports_of(fake), services=LockedServices(fake), artifacts=LockedArtifacts(fake))

    cloud = observe_cloud(RECORD, load(), ports, now=NOW)

    assert isinstance(cloud.hosts[CTL2], HostSeen)
    assert cloud.unread["unit glance-api ctl2"].startswith("glance-api.service on ctl2 is not shown")
    assert cloud.unread["answer glance-api ctl2"] == "port 9292 on ctl2 is filtered for /healthcheck"
    assert cloud.unread[f"staged {SOURCE} ctl2"].endswith("on ctl2 is not readable")
    assert len(cloud.backends) == 27


def test_a_cloud_that_is_down_is_a_list_of_gaps_and_no_crash() -> None:
    fake = _whole()
    for host in fake.hosts.values():
        host.reachable = False

    cloud = _observed(fake, GOAL)

    assert all(isinstance(seen, Unreached) for seen in cloud.hosts.values())
    kinds = {subject.partition(" ")[0] for subject in cloud.unread}
    assert kinds >= {"unit", "answer", "staged", "schema", "galera", "backends", "endpoints", "grants"}
    assert kinds >= {"backup", "upgrade-check", "doctor"}
    assert cloud.galera == {}
    assert cloud.units == {}


def test_a_target_that_is_staged_nowhere_can_answer_nothing() -> None:
    fake = _whole()
    del fake.hosts[CTL1].staged[RECORD.artifacts[TARGET].path]

    cloud = _observed(fake, GOAL)

    told = "artifact openstack-2024.1 is not staged on any host that answers"
    assert cloud.unread["upgrade-check keystone"] == told
    assert cloud.unread["migrations glance openstack-2024.1"] == told
    assert cloud.obtainable == {(TARGET, host): True for host in (CTL1, CTL2, CTL3)}


def test_a_goal_without_an_artifact_is_said_once_per_question() -> None:
    artifacts = {n: a for n, a in RECORD.artifacts.items() if n != TARGET}

    cloud = _observed(_whole(), GOAL, replace(RECORD, artifacts=artifacts))

    assert cloud.unread["upgrade-check placement"] == "the record has no artifact of 2024.1"
    assert cloud.obtainable == {}


def test_a_service_on_an_unknown_artifact_leaves_its_doctor_unasked() -> None:
    fake = _whole()
    unit = RECORD.services[KEYSTONE_SERVICE].unit
    for host in (CTL1, CTL2, CTL3):
        fake.hosts[host].units[unit].running = PurePosixPath("/srv/by-hand")

    cloud = _observed(fake, GOAL)

    assert "no artifact at the path that keystone runs from" in cloud.unread["doctor"]
    assert (KEYSTONE, "", SOURCE) not in cloud.migrations


def test_an_artifact_with_another_digest_is_not_asked() -> None:
    """What was altered must not answer for what was approved (row 78)."""
    fake = _whole()
    fake.hosts[CTL1].staged[RECORD.artifacts[TARGET].path] = RECORD.artifacts[SOURCE].digest

    cloud = _observed(fake, GOAL)

    assert "upgrade-check keystone" in cloud.unread
    assert cloud.obtainable[TARGET, CTL1]


@dataclass(frozen=True, slots=True)
class RecordingHosts(FakeHosts):
    """The fake's hosts, which also remember what they were asked, and by whom."""

    asked: list[tuple[HostName, tuple[str, ...], str]] = field(default_factory=list)

    def ask(self, host: HostName, argv: Sequence[str], *, user: str = "root") -> Answer:
        self.asked.append((host, tuple(argv), user))
        return Answer(1, "a warning")


def test_questions_are_asked_as_the_service_itself_from_the_right_artifact() -> None:
    """A question as root would leave files that the service cannot read."""
    fake = _whole()
    hosts = RecordingHosts(fake)
    ports = replace(ports_of(fake), hosts=hosts)

    cloud = observe_cloud(RECORD, load(), ports, now=NOW, goal=GOAL)

    quiet = ("env", "PYTHONWARNINGS=ignore")
    source, target = RECORD.artifacts[SOURCE].path, RECORD.artifacts[TARGET].path
    assert (CTL1, (*quiet, f"{target}/bin/glance-status", "upgrade", "check"), "glance") in hosts.asked
    assert (CTL1, (*quiet, f"{source}/bin/keystone-manage", "doctor"), "keystone") in hosts.asked
    assert cloud.upgrade_checks[PLACEMENT] == Answer(1, "a warning")


def test_a_second_look_at_a_cloud_that_did_not_change_sees_the_same() -> None:
    fake = _whole()

    assert _observed(fake, GOAL) == _observed(fake, GOAL)
