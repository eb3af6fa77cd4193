"""Steps around actions: each with the deadline, estimate and impact of its kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from skylift.actions.action import Action
from skylift.actions.await_ended import AwaitEnded
from skylift.actions.await_heard import AwaitHeard
from skylift.actions.await_report import AwaitReport
from skylift.actions.backend_traffic import AwaitQuiet, DrainBackend, UndrainBackend
from skylift.actions.backups import BackUpDatabase, RehearseRestore, RestoreDatabase
from skylift.actions.closing import AwaitIdle, CloseService, OpenService
from skylift.actions.lower_version import LowerVersion
from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.parking import ParkPool, UnparkPool
from skylift.actions.prepare import CheckReadiness, StageArtifact
from skylift.actions.prove import CreateWitnesses, Placed, VerifyComponent, VerifyWitnesses
from skylift.actions.run_before_start import RunBeforeStart
from skylift.actions.run_command import RunCommand
from skylift.actions.service_run import AwaitHealthy, StartService, StopService, WarmUpBackend
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.actions.unit_start import DisableUnit, EnableUnit
from skylift.actions.verify_pin import VerifyPin
from skylift.catalog.catalog import Catalog, filled
from skylift.catalog.component import Phase
from skylift.model.goal import Restored
from skylift.model.ids import HostName, Seconds, StepId
from skylift.model.record import Artifact, Record, Timeouts
from skylift.model.schema import SchemaHead
from skylift.planning.plan import Estimate, Impact, Notice, Stage, Step
from skylift.planning.schema import PhaseLeft
from skylift.planning.survey import Left, ServiceLeft
from skylift.ports import Command

_AGAIN = 'while "$@"; rc=$?; [ $rc = "$AGAIN" ]; do sleep 1; done; exit $rc'
"""Batches until one says that no row is left, with a pause in between for users' writes."""


_SEVERAL = 2


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a phase runs, what tells its step from those in other cells, and the heads it leaves."""

    host: HostName
    suffix: str
    heads: tuple[SchemaHead, ...]
    config_files: tuple[PurePosixPath, ...] = ()
    """What its command reads instead of what it finds by itself."""


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

    def create_witnesses(self, stage: Stage = Stage.PREPARE) -> Step:
        """The step that makes what the run is judged by."""
        return self.step("witnesses:create", stage, CreateWitnesses(self.label))

    def look_at_witnesses(self, stage: Stage, number: int = 0) -> Step:
        """The step that sees them intact: before what has no way back, or after all else.

        One with a number comes when something is new, and before anything more becomes so.
        """
        verb = "verify" if stage is Stage.VERIFY else f"look-{number}" if number else "look"
        return self.step(f"witnesses:{verb}", stage, VerifyWitnesses(self.label))

    def stage(self, artifact: Artifact, host: HostName) -> Step:
        """The step that brings ``artifact`` to ``host``."""
        return self.step(f"stage:{artifact.name}@{host}", Stage.PREPARE, StageArtifact(host, artifact))

    def readiness(self, left: Left) -> Step:
        """The step that asks the component's own check."""
        check = _command(self.record, left, left.known.commands.upgrade_check)
        action = CheckReadiness(left.bootstrap, left.name, check)
        return self.step(f"readiness:{left.name}", Stage.PREPARE, action)

    def backups(self, left: Left) -> tuple[tuple[Step, Step], ...]:
        """The steps that save its databases, each with the one that rehearses the restore."""
        return tuple(_backup(self, left, database) for database in left.entry.databases.values())

    def restores(self, left: Left) -> tuple[tuple[Step, Step], ...]:
        """The steps that put backups in the place of its databases, each with what saves these before."""
        return tuple(_restore(self, left, each) for each in left.restored)

    def phases(
        self, left: Left, stage: Literal["expand", "cold", "converge"]
    ) -> tuple[tuple[Phase, Step], ...]:
        """The steps of the phases that are left of one stage, in their order."""
        return tuple(
            (found.phase, self._phase(left, found.phase, place))
            for found in left.phases
            if found.phase.stage == stage
            for place in _places(self.record, left, found)
        )

    def _phase(self, left: Left, phase: Phase, place: _Place) -> Step:
        command = _command(self.record, left, phase.argv, place.config_files)
        if phase.again is not None:
            looped = ("sh", "-c", _AGAIN, "batches", *command.argv)
            command = Command(looped, command.user, (("AGAIN", str(phase.again)),))
        action = MigrateSchema(
            host=place.host,
            component=left.name,
            phase=phase.name,
            command=command,
            heads=place.heads,
            destructive=phase.destructive,
            cold=phase.stage == "cold",
        )
        noticed = Notice.DOWN if left.cold and phase.stage == "cold" else Notice.SLOW
        impact = Impact(noticed, left.name) if phase.branch else None
        stage = _stage(self.catalog, f"run {left.name}:{phase.name}", phase)
        return self.step(f"{left.name}:{phase.name}{place.suffix}", stage, action, impact)

    def commands(self, left: Left) -> tuple[Step, ...]:
        """What is due when every service of the component is new."""
        return tuple(
            self.step(
                f"{left.name}:{after.name}",
                Stage.CONVERGE,
                RunCommand(
                    left.bootstrap,
                    left.name,
                    after.name,
                    _command(self.record, left, after.argv),
                    after.because,
                ),
            )
            for after in left.known.after
        )

    def verify(self, left: Left) -> Step:
        """The step that sees the component whole."""
        action = VerifyComponent(
            component=left.name,
            services=tuple(Placed(s.entry.unit, s.entry.link, s.hosts) for s in left.staying),
            path=left.target.path,
            heads=left.heads,
        )
        return self.step(f"{left.name}:verify", Stage.VERIFY, action)

    def undrain(self, service: ServiceLeft, host: HostName) -> Step:
        """The step that lets the balancers use a backend again that something left out."""
        action = UndrainBackend(service.entry.pool, host)
        return self.step(f"{service.name}:undrain@{host}", Stage.CONTROL_PLANE, action)


def _backup(maker: StepMaker, left: Left, database: str) -> tuple[Step, Step]:
    folder, host = maker.record.database.backups, maker.record.hosts_in(maker.record.database.role)[0].name
    subject = database if len(left.entry.databases) > 1 else left.name
    dump = BackUpDatabase(host, database, folder, maker.label)
    return (
        maker.step(f"backup:{subject}", Stage.PREPARE, dump),
        maker.step(f"rehearse:{subject}", Stage.PREPARE, RehearseRestore(dump.backup)),
    )


def _restore(maker: StepMaker, left: Left, restored: Restored) -> tuple[Step, Step]:
    backup = restored.backup
    suffix = f"-{backup.database}" if len(left.restored) > 1 else ""
    down = Impact(Notice.DOWN, left.name)
    save = BackUpDatabase(backup.host, backup.database, backup.folder, maker.label)
    restore = RestoreDatabase(
        backup=backup,
        finished=restored.finished,
        head=next(head for head in left.heads if head.database == backup.database),
        services=tuple(Placed(s.entry.unit, s.entry.link, s.hosts) for s in left.services),
        kept=save.backup,
    )
    stage, name = Stage.CONTROL_PLANE, left.name
    return (
        maker.step(f"{name}:save{suffix}", stage, save, down),
        maker.step(f"{name}:restore{suffix}", stage, restore, down),
    )


def _command(
    record: Record, left: Left, argv: tuple[str, ...], config_files: tuple[PurePosixPath, ...] = ()
) -> Command:
    rows = str(record.policy.online_batch)
    program, *rest = (word.replace("{batch}", rows) for word in filled(argv, left.target.path))
    files = [word for file in config_files for word in ("--config-file", str(file))]
    return Command((program, *files, *rest), left.entry.user)


def _places(record: Record, left: Left, found: PhaseLeft) -> Iterator[_Place]:
    """Where a phase runs: once, or once in every cell, so that it knows that cell's database.

    A command knows it from the host it runs on, or from the configuration files that it is given.
    Source: nova, admin guide, Upgrades: ``db sync`` for every cell; it brings cell0 along.
    """
    files = left.entry.config_files
    name_of = {database: name for name, database in left.entry.databases.items()}
    hosts = [host for host in record.hosts_of(left.name) if host.cell]
    first = {host.cell: host.name for host in reversed(hosts)}
    own = {name_of[head.database]: head for head in found.heads}
    own = {name: head for name, head in own.items() if name in first or name in files}
    if len(own) < _SEVERAL:
        yield _Place(left.bootstrap, "", found.heads, files.get(next(iter(own), ""), ()))
        return
    rest = tuple(head for head in found.heads if head not in own.values())
    for number, (name, head) in enumerate(own.items()):
        heads = (head, *(rest if number == 0 else ()))
        yield _Place(first.get(name, left.bootstrap), f"-{name}", heads, files.get(name, ()))


def _stage(catalog: Catalog, event: str, phase: Phase) -> Stage:
    """Where a phase belongs: one that waits for another component's new code comes beside the turns."""
    if phase.stage == "converge":
        return Stage.CONVERGE
    late = any(r.after == event and r.before.startswith("upgrade ") for r in catalog.order)
    return Stage.CONTROL_PLANE if late or phase.stage == "cold" else Stage.EXPAND


def _deadline(timeouts: Timeouts, action: Action) -> Seconds:
    match action:
        case AwaitIdle() | AwaitEnded(limit=0):
            return timeouts.idle
        case DrainBackend() | AwaitQuiet() | UndrainBackend() | UnparkPool() | CloseService() | OpenService():
            return timeouts.drain
        case ParkPool(limit=limit) | AwaitEnded(limit=limit):
            return limit
        case StopService() | DisableUnit():
            return timeouts.stop
        case SwitchArtifact() | RunBeforeStart() | StartService() | AwaitHealthy():
            return timeouts.start
        case AwaitHeard(for_s=for_s):
            return Seconds(timeouts.start + for_s)
        case AwaitReport() | WarmUpBackend() | EnableUnit() | LowerVersion():
            return timeouts.start
        case VerifyComponent() | VerifyPin():
            return timeouts.start
        case StageArtifact():
            return timeouts.stage
        case _:
            return timeouts.command
