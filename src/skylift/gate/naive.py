"""The control runs: the same probes over an upgrade as one does it by hand, which costs users something.

Of the APIs, all services of a component are stopped, the schema is synced with the new artifact, the links
are switched and the services started again. Of a whole core, as a plain rolling restart does it, schemas are
brought further and each service is restarted on one host after another: no backend is drained, no request
waits, no compute host is closed. Artifacts are staged before, so that the outage is that of the method and
not of a download. A probe that sees nothing here would prove nothing anywhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from skylift.actions.migrate_schema import MigrateSchema
from skylift.app.propose import propose
from skylift.app.record_file import load_record
from skylift.app.wiring import open_site
from skylift.drivers.artifacts import SshArtifacts
from skylift.drivers.ssh import Said, Ssh
from skylift.drivers.vantage import SshVantage
from skylift.gate.lab.commands import poll
from skylift.gate.lab.host import LabProblem
from skylift.model.availability import Availability, Span, availability
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, HostName
from skylift.model.problem import Problem, Transient, Uncertain
from skylift.model.record import Artifact, Record, ServiceEntry
from skylift.model.release import Release
from skylift.model.sample import Sample, read_samples
from skylift.planning.plan import Plan, Stage

BASELINE_S = 60
AFTER_S = 20
_STAGE_LIMIT_S = 900
_COMMAND_LIMIT_S = 300
_WITNESS_LIMIT_S = 900
_STOP_LIMIT_S = 120

_SYNC: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "keystone": ("keystone-manage", "db_sync"),
        "glance": ("glance-manage", "db_sync"),
        "placement": ("placement-manage", "db", "sync"),
    }
)

Tell = Callable[[str], None]
Way = Callable[["ByHand", Artifact], None]
"""A way to upgrade by hand, once the artifact lies everywhere."""


class Shells(Protocol):
    """A shell on every host, such as ``Ssh``."""

    def run(self, host: HostName, argv: Sequence[str], *, changes: bool, limit_s: float) -> Said:
        """Run ``argv`` on one host."""
        ...

    def on_each(
        self, hosts: Iterable[HostName], argv: Sequence[str], *, changes: bool
    ) -> Mapping[HostName, Said | Problem]:
        """Run ``argv`` on all hosts at once."""
        ...


@dataclass(slots=True)
class ByHand:
    """An administrator with a shell on every host, and a clock."""

    record: Record
    shells: Shells
    tell: Tell
    spans: list[Span] = field(default_factory=list)

    def stage(self, artifact: Artifact, argv: tuple[str, ...]) -> None:
        """Bring the artifact to every host of a service by ``argv``, before anything stops."""
        for host in self._hosts(self.record.services.values()):
            self.tell(f"stage {artifact.name} on {host}")
            self._run(host, argv, _STAGE_LIMIT_S)

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

    def roll(self, name: ComponentName, artifact: Artifact, phases: Iterable[MigrateSchema]) -> None:
        """Bring a component's schemas further, and restart each of its services on one host after another."""
        for phase in phases:
            with self._step(f"{name}: {phase.phase}"):
                command = phase.command
                env = ("env", *(f"{key}={value}" for key, value in command.env))
                argv = ("runuser", "-u", command.user, "--", *env, *command.argv)
                self._run(phase.host, argv, _COMMAND_LIMIT_S)
        for service, entry in self.record.components[name].services.items():
            for host in self._hosts([entry]):
                with self._step(f"{service}: restart on {host}"):
                    self._run(host, ("ln", "-sfn", str(artifact.path), str(entry.link)), _COMMAND_LIMIT_S)
                    self._run(host, ("systemctl", "restart", entry.unit), _COMMAND_LIMIT_S)

    def _hosts(self, entries: Iterable[ServiceEntry]) -> list[HostName]:
        roles = {entry.role for entry in entries}
        return sorted({host.name for role in roles for host in self.record.hosts_in(role)})

    def _everywhere(self, hosts: list[HostName], argv: tuple[str, ...]) -> None:
        for host, said in self.shells.on_each(hosts, argv, changes=True).items():
            if isinstance(said, Problem):
                raise said
            if said.code != 0:
                raise LabProblem(f"{' '.join(argv)} on {host} failed: {said.complaint}")

    def _run(self, host: HostName, argv: tuple[str, ...], limit_s: float) -> None:
        said = self.shells.run(host, argv, changes=True, limit_s=limit_s)
        if said.code != 0:
            raise LabProblem(f"{argv[0]} on {host} failed: {said.complaint}")

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        self.tell(what)
        began = time.time()
        yield
        self.spans.append(Span(what, began, time.time()))


def stop_all(hand: ByHand, artifact: Artifact) -> None:
    """One component after another, each stopped as a whole."""
    for name in hand.record.components:
        hand.upgrade(name, artifact)


def rolling(plan: Callable[[], Plan]) -> Way:
    """One component after another, each restarted host by host; its schema commands are those of ``plan``.

    It is asked for when the artifact lies everywhere, for only then can it be made.
    """

    def way(hand: ByHand, artifact: Artifact) -> None:
        early = [step.action for step in plan().steps if step.stage is not Stage.CONVERGE]
        phases = [action for action in early if isinstance(action, MigrateSchema)]
        for name in hand.record.components:
            hand.roll(name, artifact, [phase for phase in phases if phase.component == name])

    return way


def outage(record: Record, ssh: Ssh, goal: Release, tell: Tell, *, way: Way = stop_all) -> Availability:
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
    hand.stage(artifact, SshArtifacts(ssh).stage_command(artifact).argv)
    tell("make witnesses")
    if not poll(lambda: _witnessed(vantage, label), limit_s=_WITNESS_LIMIT_S, every_s=2.0):
        raise LabProblem("the witnesses could not all be made")
    vantage.start_probes(label, witnesses=label)
    try:
        tell(f"measure for {BASELINE_S} s what users get before")
        _wait(BASELINE_S)
        way(hand, artifact)
        tell(f"measure for {AFTER_S} s what users get after")
        _wait(AFTER_S)
    finally:
        poll(lambda: _stopped(vantage, label), limit_s=_STOP_LIMIT_S, every_s=1.0)
    for seen in vantage.witnesses(label):
        tell(f"witness {seen.name}: {'intact' if seen.intact else 'HURT'}: {seen.detail}")
    return availability(_samples(vantage, label), hand.spans, changed_from=hand.spans[0].began)


def run(path: Path, goal: Release, tell: Tell) -> Availability:
    """``outage`` on the cloud that the record at ``path`` declares, which may be interrupted.

    A cloud with services on a message bus is restarted host by host.
    """
    record = load_record(path)
    with open_site(path) as site, Ssh(record.ssh, addresses(record)) as ssh:
        way = rolling(lambda: propose(site, Upgrade(goal)).plan) if record.broker else stop_all
        return outage(record, ssh, goal, tell, way=way)


def addresses(record: Record) -> dict[HostName, str]:
    """Where each host is reached."""
    return {name: entry.address for name, entry in record.hosts.items()}


def summary(seen: Availability) -> str:
    """One line for a log."""
    boots = [str(seen.boots)] if seen.boots.asked else []
    told = [f"{seen.failed} failed of {seen.requests} requests", *boots, *map(str, seen.guests)]
    return ", ".join([*told, f"longest gap {seen.longest_gap_ms / 1000:.1f} s"])


def _stopped(vantage: SshVantage, label: str) -> bool:
    """Whether the probes are over; they wait for answers as long as users would."""
    try:
        vantage.stop_probes(label)
    except (Transient, Uncertain):
        return False
    return True


def _witnessed(vantage: SshVantage, label: str) -> bool:
    """Whether all witnesses are made and intact; makes what is missing."""
    try:
        seen = vantage.witnesses(label)
        if not seen:
            vantage.create_witnesses(label)
    except Transient:
        return False
    return bool(seen) and all(witness.intact for witness in seen)


def _samples(vantage: SshVantage, label: str) -> list[Sample]:
    text = b""
    while piece := vantage.samples(label, offset=len(text)):
        text += piece
    return list(read_samples(text.decode().splitlines(keepends=True)))


def _wait(seconds: float) -> None:
    poll(lambda: False, limit_s=seconds, every_s=1.0)
