"""The control run: the same probes over an upgrade as one does it by hand, which stops users.

Of each component, all services are stopped, the schema is synced with the new artifact, the links are
switched and the services started again. Artifacts are staged before, so that the outage is that of the
method and not of a download. A probe that sees nothing here would prove nothing anywhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from skylift.app.record_file import load_record
from skylift.drivers.artifacts import SshArtifacts
from skylift.drivers.ssh import Ssh
from skylift.drivers.vantage import SshVantage
from skylift.gate.lab.commands import poll
from skylift.gate.lab.host import LabProblem
from skylift.model.availability import Availability, Span, availability
from skylift.model.ids import ComponentName, HostName
from skylift.model.problem import Problem
from skylift.model.record import Artifact, Record, ServiceEntry
from skylift.model.release import Release
from skylift.model.sample import Sample, read_samples

BASELINE_S = 60
AFTER_S = 20
_STAGE_LIMIT_S = 900
_COMMAND_LIMIT_S = 300

_SYNC: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "keystone": ("keystone-manage", "db_sync"),
        "glance": ("glance-manage", "db_sync"),
        "placement": ("placement-manage", "db", "sync"),
    }
)

Tell = Callable[[str], None]


@dataclass(slots=True)
class ByHand:
    """An administrator with a shell on every host, and a clock."""

    record: Record
    ssh: Ssh
    tell: Tell
    spans: list[Span] = field(default_factory=list)

    def stage(self, artifact: Artifact) -> None:
        """Bring the artifact to every controller, before anything stops."""
        command = SshArtifacts(self.ssh).stage_command(artifact)
        for host in self._hosts(self.record.services.values()):
            self.tell(f"stage {artifact.name} on {host}")
            self._run(host, command.argv, _STAGE_LIMIT_S)

    def upgrade(self, name: ComponentName, artifact: Artifact) -> None:
        """Stop all services of a component, sync, switch, start."""
        component = self.record.components[name]
        services = tuple(component.services.values())
        hosts = self._hosts(services)
        with self._step(f"{name}: stop on all hosts"):
            self._everywhere(hosts, ("systemctl", "stop", *(service.unit for service in services)))
        with self._step(f"{name}: sync the schema"):
            program, *words = _SYNC[name]
            manage = ("runuser", "-u", component.user, "--", f"{artifact.path}/bin/{program}", *words)
            self._run(hosts[0], manage, _COMMAND_LIMIT_S)
        with self._step(f"{name}: switch and start on all hosts"):
            for service in services:
                self._everywhere(hosts, ("ln", "-sfn", str(artifact.path), str(service.link)))
            self._everywhere(hosts, ("systemctl", "start", *(service.unit for service in services)))

    def _hosts(self, entries: Iterable[ServiceEntry]) -> list[HostName]:
        roles = {entry.role for entry in entries}
        return sorted({host.name for role in roles for host in self.record.hosts_in(role)})

    def _everywhere(self, hosts: list[HostName], argv: tuple[str, ...]) -> None:
        for host, said in self.ssh.on_each(hosts, argv, changes=True).items():
            if isinstance(said, Problem):
                raise said
            if said.code != 0:
                raise LabProblem(f"{' '.join(argv)} on {host} failed: {said.complaint}")

    def _run(self, host: HostName, argv: tuple[str, ...], limit_s: float) -> None:
        said = self.ssh.run(host, argv, changes=True, limit_s=limit_s)
        if said.code != 0:
            raise LabProblem(f"{argv[0]} on {host} failed: {said.complaint}")

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        self.tell(what)
        began = time.time()
        yield
        self.spans.append(Span(what, began, time.time()))


def outage(record: Record, ssh: Ssh, goal: Release, tell: Tell) -> Availability:
    """Upgrade by hand under the probes, and say what users got.

    Raises:
        LabProblem: the record has no artifact of ``goal``, or a command failed.
    """
    artifact = record.artifact_for(goal)
    if artifact is None:
        raise LabProblem(f"the record has no artifact of {goal}")
    vantage = SshVantage(ssh, record.vantage, addresses(record), held_s=record.longest_wait)
    label = f"naive-{int(time.time())}"
    hand = ByHand(record, ssh, tell)
    hand.stage(artifact)
    vantage.start_probes(label)
    try:
        tell(f"measure for {BASELINE_S} s what users get before")
        _wait(BASELINE_S)
        for name in record.components:
            hand.upgrade(name, artifact)
        tell(f"measure for {AFTER_S} s what users get after")
        _wait(AFTER_S)
    finally:
        vantage.stop_probes(label)
    return availability(_samples(vantage, label), hand.spans, changed_from=hand.spans[0].began)


def run(path: Path, goal: Release, tell: Tell) -> Availability:
    """``outage`` on the cloud that the record at ``path`` declares, which may be interrupted."""
    record = load_record(path)
    with Ssh(record.ssh, addresses(record)) as ssh:
        return outage(record, ssh, goal, tell)


def addresses(record: Record) -> dict[HostName, str]:
    """Where each host is reached."""
    return {name: entry.address for name, entry in record.hosts.items()}


def summary(seen: Availability) -> str:
    """One line for a log."""
    boots = [str(seen.boots)] if seen.boots.asked else []
    told = [f"{seen.failed} failed of {seen.requests} requests", *boots, *map(str, seen.guests)]
    return ", ".join([*told, f"longest gap {seen.longest_gap_ms / 1000:.1f} s"])


def _samples(vantage: SshVantage, label: str) -> list[Sample]:
    text = b""
    while piece := vantage.samples(label, offset=len(text)):
        text += piece
    return list(read_samples(text.decode().splitlines(keepends=True)))


def _wait(seconds: float) -> None:
    poll(lambda: False, limit_s=seconds, every_s=1.0)
