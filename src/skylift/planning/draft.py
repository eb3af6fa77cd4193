"""The steps that a survey asks for, before anything is said of their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from skylift.actions.action import Action
from skylift.actions.backend_traffic import AwaitQuiet, DrainBackend, UndrainBackend
from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.prepare import BackUpDatabase, CheckReadiness, StageArtifact
from skylift.actions.prove import CreateWitnesses, VerifyComponent, VerifyWitnesses
from skylift.actions.service_run import AwaitHealthy, StartService, StopService, WarmUpBackend
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.catalog.catalog import Catalog, filled
from skylift.catalog.component import Phase
from skylift.model.ids import HostName, Seconds, StepId
from skylift.model.record import Record, Timeouts
from skylift.planning.plan import Estimate, Impact, Notice, Stage, Step
from skylift.planning.schema import PhaseLeft
from skylift.planning.survey import Left, Survey
from skylift.ports import Command


@dataclass(frozen=True, slots=True)
class Turn:
    """One component on one host, from serving old code to serving new code."""

    host: HostName
    drain: Step
    quiet: Step
    stop: Step
    switch: Step
    start: Step
    healthy: Step
    warm_up: Step
    undrain: Step

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of it, in order."""
        return (
            self.drain,
            self.quiet,
            self.stop,
            self.switch,
            self.start,
            self.healthy,
            self.warm_up,
            self.undrain,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """All steps of one component."""

    left: Left
    readiness: Step | None
    """None if all its code is new already."""
    backup: Step | None
    """None if nothing can damage its database."""
    before: tuple[tuple[Phase, Step], ...]
    """Phases that run while old code serves."""
    returns: tuple[Step, ...]
    turns: tuple[Turn, ...]
    after: tuple[tuple[Phase, Step], ...]
    """Phases that run when no old code is left."""
    verify: Step


@dataclass(frozen=True, slots=True)
class Draft:
    """All steps of a plan, by what they are for."""

    create_witnesses: Step
    stages: Mapping[HostName, Step]
    parts: tuple[Part, ...]
    """Components with something left, in their order."""
    look_at_witnesses: Step | None
    """Before the first step that cannot be taken back; none if there is no such step."""
    verify_witnesses: Step
    batch: int

    @property
    def questions(self) -> tuple[Step, ...]:
        """What asks each service whether it is ready."""
        return tuple(p.readiness for p in self.parts if p.readiness)

    @property
    def backups(self) -> tuple[Step, ...]:
        """What saves each database."""
        return tuple(p.backup for p in self.parts if p.backup)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Every component's hosts, in their order."""
        return tuple(turn for part in self.parts for turn in part.turns)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in an order that their edges allow."""
        return (
            self.create_witnesses,
            *self.stages.values(),
            *self.questions,
            *self.backups,
            *(step for p in self.parts for _, step in p.before),
            *(step for p in self.parts for step in (*p.returns, *(s for t in p.turns for s in t.steps))),
            *((self.look_at_witnesses,) if self.look_at_witnesses else ()),
            *(step for p in self.parts for _, step in p.after),
            *(p.verify for p in self.parts),
            self.verify_witnesses,
        )


def draft(found: Survey, record: Record, catalog: Catalog, label: str) -> Draft:
    """The steps for what is left; ``label`` names the witnesses and backups of this plan.

    Raises:
        ValueError: nothing is left.
    """
    maker = _Maker(record, catalog, label)
    parts = tuple(maker.part(left) for left in found.components if not left.whole)
    if not parts:
        msg = "nothing is left to plan"
        raise ValueError(msg)
    hosts = {host for p in parts for host in p.left.turns}
    destructive = any(phase.destructive for p in parts for phase, _ in p.after)
    return Draft(
        create_witnesses=maker.step("witnesses:create", Stage.PREPARE, CreateWitnesses(label)),
        stages={host: maker.stage(found, host) for host in sorted(hosts)},
        parts=parts,
        look_at_witnesses=(
            maker.step("witnesses:look", Stage.CONVERGE, VerifyWitnesses(label)) if destructive else None
        ),
        verify_witnesses=maker.step("witnesses:verify", Stage.VERIFY, VerifyWitnesses(label)),
        batch=record.policy.batch,
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes steps with the deadline, estimate and impact of their kind."""

    record: Record
    catalog: Catalog
    label: str

    def step(self, name: str, stage: Stage, action: Action, impact: Impact | None = None) -> Step:
        figure = self.catalog.duration(action.kind, name)
        return Step(
            id=StepId(name),
            stage=stage,
            action=action,
            impact=impact or Impact(Notice.NONE),
            estimate=Estimate(figure.low, figure.likely, figure.high, figure.origin),
            deadline=_deadline(self.record.policy.timeouts, action),
        )

    def stage(self, found: Survey, host: HostName) -> Step:
        name = f"stage:{found.target.name}@{host}"
        return self.step(name, Stage.PREPARE, StageArtifact(host, found.target))

    def part(self, left: Left) -> Part:
        entry = left.entry
        return Part(
            left=left,
            readiness=self._readiness(left) if left.turns else None,
            backup=self._backup(left) if left.turns or left.phases else None,
            before=self._phases(left, Stage.EXPAND),
            returns=tuple(self._undrain(left, host) for host in left.returns),
            turns=tuple(self._turn(left, host) for host in left.turns),
            after=self._phases(left, Stage.CONVERGE),
            verify=self.step(
                f"{left.name}:verify",
                Stage.VERIFY,
                VerifyComponent(
                    component=left.name,
                    hosts=left.hosts,
                    unit=entry.unit,
                    link=entry.link,
                    path=left.target.path,
                    database=entry.database,
                    rows=left.rows,
                ),
            ),
        )

    def _readiness(self, left: Left) -> Step:
        check = Command(filled(left.known.commands.upgrade_check, left.target.path), left.entry.user)
        action = CheckReadiness(left.bootstrap, left.name, check)
        return self.step(f"readiness:{left.name}", Stage.PREPARE, action)

    def _backup(self, left: Left) -> Step:
        folder = self.record.database.backups
        action = BackUpDatabase(left.bootstrap, left.entry.database, folder, self.label)
        return self.step(f"backup:{left.name}", Stage.PREPARE, action)

    def _phases(self, left: Left, stage: Stage) -> tuple[tuple[Phase, Step], ...]:
        return tuple(
            (found.phase, self._phase(left, found, stage))
            for found in left.phases
            if found.phase.stage == stage.value
        )

    def _phase(self, left: Left, found: PhaseLeft, stage: Stage) -> Step:
        phase = found.phase
        action = MigrateSchema(
            host=left.bootstrap,
            component=left.name,
            phase=phase.name,
            command=Command(filled(phase.argv, left.target.path), left.entry.user),
            database=left.entry.database,
            rows=found.rows,
            destructive=phase.destructive,
        )
        slow = Impact(Notice.SLOW, left.name) if phase.branch else None
        return self.step(f"{left.name}:{phase.name}", stage, action, slow)

    def _turn(self, left: Left, host: HostName) -> Turn:
        entry, path = left.entry, left.target.path
        start = StartService(host, entry.unit, entry.link)
        switch = SwitchArtifact(host, left.name, entry.link, old=left.running[host].path, new=path)
        healthy = AwaitHealthy(host, entry.unit, entry.link, path, entry.port, left.known.services[0].health)
        fewer = Impact(Notice.FEWER_BACKENDS, left.name)

        def step(verb: str, action: Action) -> Step:
            return self.step(f"{left.name}:{verb}@{host}", Stage.CONTROL_PLANE, action, fewer)

        return Turn(
            host=host,
            drain=step("drain", DrainBackend(entry.pool, host)),
            quiet=step("quiet", AwaitQuiet(entry.pool, host)),
            stop=step("stop", StopService(host, entry.unit, entry.link)),
            switch=step("switch", switch),
            start=step("start", start),
            healthy=step("healthy", healthy),
            warm_up=step("warm-up", WarmUpBackend(host, left.name, entry.port, left.known.services[0].ask)),
            undrain=self._undrain(left, host),
        )

    def _undrain(self, left: Left, host: HostName) -> Step:
        action = UndrainBackend(left.entry.pool, host)
        return self.step(f"{left.name}:undrain@{host}", Stage.CONTROL_PLANE, action)


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
