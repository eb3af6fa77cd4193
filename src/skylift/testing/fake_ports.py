"""The fake cloud behind the ports that work on hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from skylift.model.cloud import Answer, HostSeen, Revision, UnitSeen, UnitState
from skylift.model.ids import Digest, Epoch, HostName, UnitName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.record import Artifact
from skylift.ports import Command, Jobs, JobState, NoJob, Ports, Running
from skylift.testing.fake_broker import FakeBroker
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_compute import FakeCanaries, FakeCompute
from skylift.testing.fake_intake import FakeIntake
from skylift.testing.fake_network import FakeNetwork
from skylift.testing.fake_services import FakeBackups, FakeBalancer, FakeDatabase, FakeVantage
from skylift.testing.fake_storage import FakeStorage
from skylift.testing.fake_volumes import FakeVolumes
from skylift.testing.fake_work import AUTOMATION, FETCH, NOT_FOUND, boot_id, start_job, stop_unit

_TAIL_BYTES = 2**20
_OK = 200


class NothingThere(Refused):
    """A path was named at which the fake host has nothing."""

    code = "fake.nothing-there"

    def __init__(self, host: HostName, path: PurePosixPath) -> None:
        super().__init__(
            f"{path} on {host} could not be used: nothing is there", Remedy(Fix.REPAIR, "stage it first")
        )


def ports_of(cloud: FakeCloud) -> Ports:
    """All ports, in front of one cloud."""
    return Ports(
        hosts=FakeHosts(cloud),
        jobs=FakeJobs(cloud, "unbound"),
        services=FakeServices(cloud),
        artifacts=FakeArtifacts(cloud),
        balancer=FakeBalancer(cloud),
        database=FakeDatabase(cloud),
        backups=FakeBackups(cloud),
        broker=FakeBroker(cloud),
        vantage=FakeVantage(cloud),
        intake=FakeIntake(cloud),
        compute=FakeCompute(cloud),
        canaries=FakeCanaries(cloud),
        network=FakeNetwork(cloud),
        storage=FakeStorage(cloud),
        volumes=FakeVolumes(cloud),
    )


@dataclass(frozen=True, slots=True)
class FakeHosts:
    """Machines that answer, unless they are down or cut off."""

    cloud: FakeCloud

    def look(self, host: HostName) -> HostSeen:
        found = self.cloud.reach(host)
        return HostSeen(
            host=host,
            boot_id=boot_id(found),
            clock_offset_ms=found.clock_offset_ms,
            disk_free_bytes=found.disk_free_bytes,
            os_release="Debian GNU/Linux 12 (bookworm)",
            key_digests=dict(found.key_digests),
        )

    def ask(self, host: HostName, argv: Sequence[str], *, user: str = "root") -> Answer:
        self.cloud.reach(host)
        if argv[0] == AUTOMATION and argv[-1] in self.cloud.automation:
            return Answer(0 if self.cloud.automation[argv[-1]] else 1, "")
        if any(word.endswith("-status") for word in argv):
            return Answer(self.cloud.upgrade_check_code, "Upgrade Check Results")
        if argv[-1] in {"doctor", "list_unset_machine_type"} or argv[0] == "true":
            return Answer(0, "")
        return Answer(NOT_FOUND, f"{argv[0]}: command not found by {user}")

    def tail(self, host: HostName, path: PurePosixPath, *, offset: int) -> bytes:
        return self.cloud.reach(host).files.get(path, b"")[offset : offset + _TAIL_BYTES]


@dataclass(frozen=True, slots=True)
class FakeJobs:
    """Jobs that take virtual time."""

    cloud: FakeCloud
    key: str

    def under(self, key: str) -> Jobs:
        return FakeJobs(self.cloud, key)

    def start(self, host: HostName, command: Command) -> None:
        found = self.cloud.reach(host)
        if self.key not in found.jobs:
            start_job(self.cloud, found, self.key, command)
        self.cloud.answer("jobs.start", host)

    def state(self, host: HostName) -> JobState:
        job = self.cloud.reach(host).jobs.get(self.key)
        return job.state if job else NoJob()

    def known(self, host: HostName) -> Mapping[str, bool]:
        jobs = self.cloud.reach(host).jobs
        return {key: isinstance(job.state, Running) for key, job in jobs.items()}

    def forget(self, host: HostName, keys: Iterable[str]) -> None:
        found = self.cloud.reach(host)
        for key in keys:
            found.jobs.pop(key, None)
        self.cloud.answer("jobs.forget", host)


@dataclass(frozen=True, slots=True)
class FakeServices:
    """Units and the links that say what they run next."""

    cloud: FakeCloud

    def unit(self, host: HostName, unit: UnitName, link: PurePosixPath) -> UnitSeen:
        found = self.cloud.reach(host)
        linked = found.links.get(link)
        said = str(linked) if linked else None
        own = found.units.get(unit)
        if own is None:
            return UnitSeen(host, unit, UnitState.ABSENT, linked=said)
        running = str(own.running) if own.running else None
        started = None if own.started_at is None or own.pid is None else Epoch(own.started_at)
        return UnitSeen(host, unit, own.state, own.pid, started, running, said)

    def last_words(self, host: HostName, unit: UnitName) -> str:
        own = self.cloud.reach(host).units.get(unit)
        return own.words if own else ""

    def stop(self, host: HostName, unit: UnitName) -> None:
        found = self.cloud.reach(host)
        if unit in found.units:
            stop_unit(self.cloud, found, unit)
        self.cloud.answer("services.stop", host)

    def start_command(self, unit: UnitName) -> Command:
        return Command(("systemctl", "start", unit))

    def starts_with_host(self, host: HostName, unit: UnitName) -> bool | None:
        own = self.cloud.reach(host).units.get(unit)
        return own is not None and own.enabled

    def let_start_with_host(self, host: HostName, unit: UnitName, *, wanted: bool) -> None:
        found = self.cloud.reach(host)
        if unit not in found.units:
            raise NothingThere(host, PurePosixPath("/etc/systemd/system") / unit)
        found.units[unit].enabled = wanted
        self.cloud.answer("services.let_start_with_host", host)

    def linked(self, host: HostName, link: PurePosixPath) -> PurePosixPath | None:
        return self.cloud.reach(host).links.get(link)

    def point(self, host: HostName, link: PurePosixPath, path: PurePosixPath) -> None:
        found = self.cloud.reach(host)
        if path not in found.staged:
            raise NothingThere(host, path)
        found.links[link] = path
        self.cloud.answer("services.point", host)

    def answers(self, host: HostName, port: int, path: str) -> int | None:
        found = self.cloud.reach(host)
        entry = next((e for e in self.cloud.record.services.values() if e.port == port), None)
        unit = found.units.get(entry.unit) if entry else None
        return _OK if unit and unit.state is UnitState.ACTIVE and path.startswith("/") else None


@dataclass(frozen=True, slots=True)
class FakeArtifacts:
    """Artifacts by path; each has the migrations of its release."""

    cloud: FakeCloud

    def staged(self, host: HostName, path: PurePosixPath) -> Digest | None:
        return self.cloud.reach(host).staged.get(path)

    def obtainable(self, host: HostName, artifact: Artifact) -> bool:
        self.cloud.reach(host)
        return artifact.name in self.cloud.record.artifacts

    def stage_command(self, artifact: Artifact) -> Command:
        return Command((FETCH, str(artifact.path), artifact.digest, artifact.source))

    def migrations(self, host: HostName, folder: PurePosixPath) -> tuple[Revision, ...]:
        found = self.cloud.reach(host)
        for artifact in self.cloud.record.artifacts.values():
            if folder.is_relative_to(artifact.path) and artifact.path in found.staged:
                there = self.cloud.schemas.in_folder(artifact.release, folder)
                if there is not None:
                    return there
        raise NothingThere(host, folder)
