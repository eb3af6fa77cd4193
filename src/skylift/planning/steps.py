"""Steps around actions: each with the deadline, estimate and impact of its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from skylift.actions.action import Action
from skylift.actions.backend_traffic import AwaitQuiet, DrainBackend, UndrainBackend
from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.prepare import BackUpDatabase, CheckReadiness, StageArtifact
from skylift.actions.prove import CreateWitnesses, Placed, VerifyComponent, VerifyWitnesses
from skylift.actions.run_command import RunCommand
from skylift.actions.service_run import AwaitHealthy, StartService, StopService, WarmUpBackend
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.catalog.catalog import Catalog, filled
from skylift.catalog.component import Phase
from skylift.model.ids import HostName, Seconds, StepId
from skylift.model.record import Artifact, Record, Timeouts
from skylift.planning.plan import Estimate, Impact, Notice, Stage, Step
from skylift.planning.schema import PhaseLeft
from skylift.planning.survey import Left, ServiceLeft
from skylift.ports import Command

_STAGES = {"expand": Stage.EXPAND, "cold": Stage.CONTROL_PLANE, "converge": Stage.CONVERGE}
_AGAIN = 'while "$@"; rc=$?; [ $rc = "$AGAIN" ]; do sleep 1; done; exit $rc'
"""Batches until one says that no row is left, with a pause in between for users' writes."""


@dataclass(frozen=True, slots=True)
class StepMaker:
    """Makes steps for one record; ``label`` names the witnesses and backups of the plan."""

    record: Record
    catalog: Catalog
    label: str

    def step(self, name: str, stage: Stage, action: Action, impact: Impact | None = None) -> Step:
        """A step around ``action``."""
        figure = self.catalog.duration(action.kind, name)
        return Step(
            id=StepId(name),
            stage=stage,
            action=action,
            impact=impact or Impact(Notice.NONE),
            estimate=Estimate(figure.low, figure.likely, figure.high, figure.origin),
            deadline=_deadline(self.record.policy.timeouts, action),
        )

    def create_witnesses(self) -> Step:
        """The step that makes what the run is judged by."""
        return self.step("witnesses:create", Stage.PREPARE, CreateWitnesses(self.label))

    def look_at_witnesses(self, stage: Stage) -> Step:
        """The step that sees them intact, before what has no way back or after all else."""
        name = "witnesses:verify" if stage is Stage.VERIFY else "witnesses:look"
        return self.step(name, stage, VerifyWitnesses(self.label))

    def stage(self, artifact: Artifact, host: HostName) -> Step:
        """The step that brings ``artifact`` to ``host``."""
        return self.step(f"stage:{artifact.name}@{host}", Stage.PREPARE, StageArtifact(host, artifact))

    def readiness(self, left: Left) -> Step:
        """The step that asks the component's own check."""
        check = self._command(left, left.known.commands.upgrade_check)
        action = CheckReadiness(left.bootstrap, left.name, check)
        return self.step(f"readiness:{left.name}", Stage.PREPARE, action)

    def backups(self, left: Left) -> tuple[Step, ...]:
        """The steps that save its databases."""
        folder, host = self.record.database.backups, self.record.hosts_in(self.record.database.role)[0].name
        several = len(left.entry.databases) > 1
        return tuple(
            self.step(
                f"backup:{database if several else left.name}",
                Stage.PREPARE,
                BackUpDatabase(host, database, folder, self.label),
            )
            for database in left.entry.databases.values()
        )

    def phases(
        self, left: Left, stage: Literal["expand", "cold", "converge"]
    ) -> tuple[tuple[Phase, Step], ...]:
        """The steps of the phases that are left of one stage, in their order."""
        return tuple((f.phase, self._phase(left, f)) for f in left.phases if f.phase.stage == stage)

    def _phase(self, left: Left, found: PhaseLeft) -> Step:
        phase = found.phase
        command = self._command(left, phase.argv)
        if phase.again is not None:
            looped = ("sh", "-c", _AGAIN, "batches", *command.argv)
            command = Command(looped, command.user, (("AGAIN", str(phase.again)),))
        action = MigrateSchema(
            host=left.bootstrap,
            component=left.name,
            phase=phase.name,
            command=command,
            heads=found.heads,
            destructive=phase.destructive,
        )
        noticed = Notice.DOWN if left.cold and phase.stage == "cold" else Notice.SLOW
        impact = Impact(noticed, left.name) if phase.branch else None
        return self.step(f"{left.name}:{phase.name}", _STAGES[phase.stage], action, impact)

    def commands(self, left: Left) -> tuple[Step, ...]:
        """What is due when every service of the component is new."""
        return tuple(
            self.step(
                f"{left.name}:{after.name}",
                Stage.CONVERGE,
                RunCommand(
                    left.bootstrap, left.name, after.name, self._command(left, after.argv), after.because
                ),
            )
            for after in left.known.after
        )

    def verify(self, left: Left) -> Step:
        """The step that sees the component whole."""
        action = VerifyComponent(
            component=left.name,
            services=tuple(Placed(s.entry.unit, s.entry.link, s.hosts) for s in left.services),
            path=left.target.path,
            heads=left.heads,
        )
        return self.step(f"{left.name}:verify", Stage.VERIFY, action)

    def undrain(
        self,
        service: ServiceLeft,
        host: HostName,
        round_of: str = "",
        stage: Stage = Stage.CONTROL_PLANE,
    ) -> Step:
        """The step that lets the balancers use a backend again."""
        action = UndrainBackend(service.entry.pool, host)
        return self.step(f"{service.name}:{round_of}undrain@{host}", stage, action)

    def _command(self, left: Left, argv: tuple[str, ...]) -> Command:
        rows = str(self.record.policy.online_batch)
        words = tuple(word.replace("{batch}", rows) for word in filled(argv, left.target.path))
        return Command(words, left.entry.user)


def _deadline(timeouts: Timeouts, action: Action) -> Seconds:
    match action:
        case DrainBackend() | AwaitQuiet() | UndrainBackend():
            return timeouts.drain
        case StopService():
            return timeouts.stop
        case SwitchArtifact() | StartService() | AwaitHealthy() | WarmUpBackend() | VerifyComponent():
            return timeouts.start
        case StageArtifact():
            return timeouts.stage
        case _:
            return timeouts.command
