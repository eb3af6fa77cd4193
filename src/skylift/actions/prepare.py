"""What is done before anything stops: stage artifacts, ask each service whether it is ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal
from skylift.actions.job import observe_job
from skylift.model.cloud import Verdict
from skylift.model.ids import ComponentName, HostName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.record import Artifact
from skylift.ports import Command, Ended, Ports


class NotReady(Refused):
    """A service's own upgrade check, run from the target artifact, speaks against the upgrade."""

    code = "service.not-ready"
    job_ended = True

    def __init__(self, component: ComponentName, host: HostName, ended: Ended) -> None:
        meaning = {2: "a failure", 255: "an unexpected error"}.get(ended.code, "a code it does not document")
        super().__init__(
            f"{component} is not ready for the new release: its own upgrade check on {host} ended with "
            f"{ended.code}, {meaning}",
            Remedy(
                Fix.REPAIR, f"read its table: skylift ssh {host} 'tail -n 50 /var/lib/skylift/jobs/*/output'"
            ),
            Remedy(Fix.RETRY, "repair what it names, then: skylift retry"),
        )


@dataclass(frozen=True, slots=True)
class StageArtifact(Action):
    """Fetch an artifact to a host and verify each of its files there (row 78)."""

    kind: ClassVar[str] = "stage-artifact"

    host: HostName
    artifact: Artifact

    @property
    def title(self) -> str:
        return f"stage artifact {self.artifact.name} on {self.host} and verify it"

    @property
    def runs_on(self) -> HostName | None:
        return self.host

    def observe(self, ports: Ports) -> Progress:
        return observe_job(ports, self.host, self.title)

    def advance(self, ports: Ports) -> None:
        ports.jobs.start(self.host, ports.artifacts.stage_command(self.artifact))

    def reversal(self) -> Reversal:
        return NothingToUndo("a staged artifact is not used until a link points to it")


@dataclass(frozen=True, slots=True)
class CheckReadiness(Action):
    """Run ``COMPONENT-status upgrade check`` from the target artifact, after it is staged.

    The check before the plan may be hours old; this one is run again inside the run. Return codes:
    oslo.upgradecheck (0 ready, 1 warning, 2 failure, 255 error); any other fails closed.
    """

    kind: ClassVar[str] = "check-readiness"

    host: HostName
    component: ComponentName
    command: Command

    @property
    def title(self) -> str:
        return f"ask {self.component} on {self.host} whether it is ready for the new release"

    @property
    def runs_on(self) -> HostName | None:
        return self.host

    def observe(self, ports: Ports) -> Progress:
        """Done on ready or warning.

        Raises:
            NotReady: any other verdict.
        """
        ended = ports.jobs.state(self.host)
        if not isinstance(ended, Ended):
            return Pending("the check runs")
        if ended.code not in {Verdict.READY.value, Verdict.WARNING.value}:
            raise NotReady(self.component, self.host, ended)
        return Done()

    def advance(self, ports: Ports) -> None:
        ports.jobs.start(self.host, self.command)

    def reversal(self) -> Reversal:
        return NothingToUndo("a question changes nothing")
