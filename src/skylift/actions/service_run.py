"""Stop a service, start it on an artifact, and see it healthy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal, Undo
from skylift.model.cloud import UnitState
from skylift.model.ids import ComponentName, HostName, UnitName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.record import Record
from skylift.ports import Ended, Ports

_DEAD = {UnitState.INACTIVE, UnitState.FAILED}
_HTTP_SERVER_ERROR = 500
_CUT_SHORT = 255
_SILENT_OK = 0
"""For a service that speaks no HTTP: its unit decides."""


class ServiceDied(Refused):
    """A service that was started ended by itself."""

    code = "service.died"
    job_ended = True

    def __init__(self, unit: UnitName, host: HostName, linked: str | None, words: str) -> None:
        said = f"; its last words: {words}" if words else ""
        super().__init__(
            f"{unit} on {host} could not run: it ended by itself on artifact {linked or 'unknown'}{said}",
            Remedy(Fix.REPAIR, f"read why: skylift ssh {host} journalctl -u {unit} -n 50 --no-pager"),
            Remedy(Fix.RETRY, "repair the artifact or its configuration, then: skylift retry"),
            Remedy(Fix.ROLL_BACK, "or take back what the run has changed: skylift rollback -o back.plan"),
        )


class WrongArtifact(Refused):
    """A service runs, but not what it should run."""

    code = "service.wrong-artifact"

    def __init__(self, unit: UnitName, host: HostName, running: str, wanted: PurePosixPath) -> None:
        super().__init__(
            f"{unit} on {host} is not upgraded: it runs {running}, not {wanted}",
            Remedy(Fix.REPAIR, f"see what starts it: skylift ssh {host} systemctl cat {unit}"),
            Remedy(Fix.RETRY, f"skylift ssh {host} systemctl stop {unit}, then: skylift retry"),
        )


@dataclass(frozen=True, slots=True)
class StopService(Action):
    """Stop ``unit``; it ends what it has in hand first (row 96)."""

    kind: ClassVar[str] = "stop-service"

    host: HostName
    unit: UnitName
    link: PurePosixPath

    @property
    def title(self) -> str:
        return f"stop {self.unit} on {self.host}"

    @property
    def cuts(self) -> bool:
        return True

    def observe(self, ports: Ports) -> Progress:
        """Done when it is inactive; a failure that systemd remembers is cleared by ``advance``."""
        seen = ports.services.unit(self.host, self.unit, self.link)
        return Done() if seen.state is UnitState.INACTIVE else Pending(f"{self.unit} is {seen.state.value}")

    def advance(self, ports: Ports) -> None:
        ports.services.stop(self.host, self.unit)

    def reversal(self) -> Reversal:
        return Undo(StartService(self.host, self.unit, self.link))


@dataclass(frozen=True, slots=True)
class StartService(Action):
    """Start ``unit`` on whatever its link points to, once."""

    kind: ClassVar[str] = "start-service"

    host: HostName
    unit: UnitName
    link: PurePosixPath

    @property
    def title(self) -> str:
        return f"start {self.unit} on {self.host}"

    @property
    def runs_on(self) -> HostName | None:
        return self.host

    def observe(self, ports: Ports) -> Progress:
        """Done when the unit is active.

        Raises:
            ServiceDied: it was started under this step, and ended.
        """
        return observe_started(ports, self.host, self.unit, self.link)

    def advance(self, ports: Ports) -> None:
        """A job, so that an artifact that cannot run is started once and not in a loop."""
        ports.jobs.start(self.host, ports.services.start_command(self.unit))

    def by_hand(self, record: Record) -> tuple[str, ...]:
        """It runs what its link points to then."""
        del record
        return (f"skylift ssh {self.host} systemctl start {self.unit}",)

    def reversal(self) -> Reversal:
        return Undo(StopService(self.host, self.unit, self.link))


@dataclass(frozen=True, slots=True)
class AwaitHealthy(Action):
    """Wait until ``unit`` runs the artifact at ``path``, and answers on its host's address if it listens."""

    kind: ClassVar[str] = "await-healthy"

    host: HostName
    unit: UnitName
    link: PurePosixPath
    path: PurePosixPath
    port: int = 0
    """Where it listens for HTTP; 0 if it does not."""
    health: str = ""
    """Path of the URL asked; any status below 500 is an answer, for an API may want a token."""

    @property
    def title(self) -> str:
        return f"wait until {self.unit} on {self.host} {'answers' if self.port else 'runs'}"

    @property
    def runs_on(self) -> HostName | None:
        return self.host

    def observe(self, ports: Ports) -> Progress:
        """Done when the process itself, not the link, shows the artifact.

        Raises:
            ServiceDied: the unit ended by itself, and again when this step started it once more.
            WrongArtifact: the unit answers, but runs something else.
        """
        started = observe_started(ports, self.host, self.unit, self.link)
        if isinstance(started, Pending):
            return started
        status = ports.services.answers(self.host, self.port, self.health) if self.port else _SILENT_OK
        if status is None or status >= _HTTP_SERVER_ERROR:
            return Pending(f"{self.unit} answers {status or 'nothing'}")
        running = ports.services.unit(self.host, self.unit, self.link).running
        if running is None:
            # What was started a moment ago has loaded nothing yet (seen of Neutron's agents, 2026.1).
            return Pending(f"{self.unit} runs nothing of any artifact yet")
        if running != str(self.path):
            raise WrongArtifact(self.unit, self.host, running, self.path)
        return Done()

    def advance(self, ports: Ports) -> None:
        """Start it once more if it ended since; otherwise it gets there by itself."""
        if ports.services.unit(self.host, self.unit, self.link).state in _DEAD:
            ports.jobs.start(self.host, ports.services.start_command(self.unit))

    def reversal(self) -> Reversal:
        return NothingToUndo("waiting changes nothing")


@dataclass(frozen=True, slots=True)
class WarmUpBackend(Action):
    """Ask the service on ``host``, past the balancers, a user's request, alone, until it answers well.

    A service that is asked for the first time loads its policy and opens its connections. Keystone
    refuses requests that come side by side while it does (measured on 2024.1: oslo.policy loads its
    rules unguarded), so the first request must not be a user's.
    """

    kind: ClassVar[str] = "warm-up-backend"

    host: HostName
    component: ComponentName
    port: int
    path: str
    """Path of a URL that a user with a token may read."""

    @property
    def title(self) -> str:
        return f"warm {self.component} on {self.host} up with a request of ours"

    def observe(self, ports: Ports) -> Progress:
        complaint = ports.vantage.ask_backend(self.component, self.host, self.port, self.path)
        return Pending(complaint) if complaint else Done()

    def advance(self, ports: Ports) -> None:
        """Nothing to push: each look is a request."""

    def reversal(self) -> Reversal:
        return NothingToUndo("a question changes nothing")


def observe_started(ports: Ports, host: HostName, unit: UnitName, link: PurePosixPath) -> Progress:
    """Done if ``unit`` is active; pending if it still may become so.

    Raises:
        ServiceDied: this step's own start of it has failed, or has ended, and so has the unit.
    """
    seen = ports.services.unit(host, unit, link)
    if seen.state is UnitState.ACTIVE:
        return Done()
    job = ports.jobs.state(host)
    if isinstance(job, Ended):
        # A start that ended between the two looks would be taken for a death.
        seen = ports.services.unit(host, unit, link)
        if seen.state is UnitState.ACTIVE:
            return Done()
    # systemd may be told to start a unit again for ever: what our start came to is what counts, unless
    # a reboot cut it short, after which the unit starts with the host.
    if isinstance(job, Ended) and (seen.state in _DEAD or job.code not in {0, _CUT_SHORT}):
        raise ServiceDied(unit, host, seen.linked, ports.services.last_words(host, unit))
    return Pending(f"{unit} is {seen.state.value}")
