"""Plans made by hand, for tests of what comes after planning, and runs of them on the fake cloud."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from skylift.actions.action import Action
from skylift.actions.backend_traffic import AwaitQuiet, DrainBackend, UndrainBackend
from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.prepare import BackUpDatabase, CheckReadiness, StageArtifact
from skylift.actions.prove import CreateWitnesses, VerifyComponent, VerifyWitnesses
from skylift.actions.service_run import AwaitHealthy, StartService, StopService
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.engine.drive import Guard, Surroundings, View, drive
from skylift.engine.execute import Execution, Limits
from skylift.engine.fold import Run
from skylift.engine.journal import Journal
from skylift.engine.operate import Asked, open_run, resume
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, Digest, HostName, RunId, Seconds, StepId
from skylift.model.record import Artifact, ComponentEntry, Record
from skylift.model.release import Release
from skylift.model.schema import rows_after
from skylift.planning.plan import FORMAT, Edge, Estimate, Impact, Notice, Plan, Stage, Step
from skylift.ports import Command, Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.samples import R2023_1, R2024_1

PLAN_DIGEST = Digest("sha256:" + "9" * 64)
RUN = RunId("run-1")


def step_of(
    action: Action, *, name: str | None = None, stage: Stage = Stage.PREPARE, deadline: int = 600
) -> Step:
    """A step around ``action``, named after its title if not otherwise."""
    return Step(
        id=StepId(name or action.title.replace(" ", "-")),
        stage=stage,
        action=action,
        impact=Impact(Notice.NONE),
        estimate=Estimate(Seconds(1), Seconds(2), Seconds(3), "a test"),
        deadline=Seconds(deadline),
    )


def plan_of(steps: Sequence[Step], edges: Iterable[tuple[Step, Step]] = ()) -> Plan:
    """A plan of these steps; each edge is a pair of before and after."""
    return Plan(
        format=FORMAT,
        cloud="sample",
        goal=Upgrade(R2024_1),
        source=R2023_1,
        record=Digest("sha256:" + "0" * 64),
        facts={},
        notes=(),
        steps=tuple(steps),
        edges=tuple(Edge(a.id, b.id, "a test says so", "the test") for a, b in edges),
    )


def host_chain(record: Record, name: ComponentName, host: HostName, new: Artifact) -> list[Action]:
    """What takes one service of one host to ``new``, in its order."""
    entry = record.components[name]
    old = record.artifact_of(name)
    return [
        DrainBackend(entry.pool, host),
        AwaitQuiet(entry.pool, host),
        StopService(host, entry.unit, entry.link),
        SwitchArtifact(host, name, entry.link, old.path, new.path),
        StartService(host, entry.unit, entry.link),
        AwaitHealthy(host, entry.unit, entry.link, new.path, entry.port, "/"),
        UndrainBackend(entry.pool, host),
    ]


@dataclass(slots=True)
class _Draft:
    """Steps in the order they were added, each after those named."""

    steps: list[Step] = field(default_factory=list)
    edges: list[tuple[Step, Step]] = field(default_factory=list)

    def add(self, action: Action, stage: Stage, *after: Step) -> Step:
        step = step_of(action, stage=stage)
        self.steps.append(step)
        self.edges += [(before, step) for before in after]
        return step


def upgrade_by_hand(cloud: FakeCloud, to: Release) -> Plan:
    """An upgrade of all the record's components on all its controllers, one host of each at a time."""
    record, draft = cloud.record, _Draft()
    new = record.artifact_for(to)
    if new is None:
        msg = f"the record has no artifact of {to}"
        raise ValueError(msg)
    hosts = [h.name for h in cloud.controllers]
    witnesses = draft.add(CreateWitnesses("w"), Stage.PREPARE)
    staged = [draft.add(StageArtifact(host, new), Stage.PREPARE) for host in hosts]
    for name, entry in record.components.items():
        backup = BackUpDatabase(hosts[0], entry.database, record.database.backups, "before")
        ready = CheckReadiness(
            hosts[0], name, Command((str(new.path / "bin" / f"{name}-status"), "upgrade", "check"))
        )
        safe = draft.add(backup, Stage.PREPARE, witnesses)
        fit = draft.add(ready, Stage.PREPARE, *staged)
        first, *rest = _migrations(cloud, entry, new)
        last = draft.add(first, Stage.EXPAND, safe, fit)
        for host in hosts:
            for action in host_chain(record, name, host, new):
                last = draft.add(action, Stage.CONTROL_PLANE, last)
        for migration in rest:
            last = draft.add(migration, Stage.CONVERGE, last)
        whole = rows_after(cloud.migrations[to, name], cloud.rows[entry.database])
        verify = VerifyComponent(name, tuple(hosts), entry.unit, entry.link, new.path, entry.database, whole)
        last = draft.add(verify, Stage.VERIFY, last)
    ends = [s for s in draft.steps if isinstance(s.action, VerifyComponent)]
    draft.add(VerifyWitnesses("w"), Stage.VERIFY, *ends)
    return plan_of(draft.steps, draft.edges)


def _migrations(cloud: FakeCloud, entry: ComponentEntry, new: Artifact) -> list[MigrateSchema]:
    """Expand and contract, or one sync where a component knows no branches."""
    own, rows = cloud.migrations[new.release, entry.name], cloud.rows[entry.database]
    found: list[MigrateSchema] = []
    branches = ("expand", "contract") if any(r.branch == "expand" for r in own) else ("",)
    for branch in branches:
        rows = rows_after(own, rows, branch)
        argv = (str(new.path / "bin" / f"{entry.name}-manage"), "db_sync", f"--{branch}")
        found.append(
            MigrateSchema(
                host=cloud.controllers[0].name,
                component=entry.name,
                phase=branch or "sync",
                command=Command(argv if branch else argv[:2], entry.user),
                database=entry.database,
                rows=rows,
                destructive=branch == "contract",
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs plans on a fake cloud, whose time passes whenever the engine waits."""

    cloud: FakeCloud
    journal: Journal
    ports: Ports | None = None
    """To be used instead of the cloud's own, such as ports with a fuse."""
    limits: Limits = Limits(at_once=6, unreachable=Seconds(300))
    guard: Guard | None = None
    view: View | None = None

    def run(self, plan: Plan) -> Run:
        """Run ``plan`` until there is nothing to do, from the start or from where the journal ends."""
        asked = Asked("rey@console", self.cloud.now)
        if self.journal.events():
            resume(self.journal, asked)
        else:
            open_run(
                self.journal, RUN, cloud="sample", plan=PLAN_DIGEST, approved=plan.no_returns, asked=asked
            )
        return self.go_on(plan)

    def go_on(self, plan: Plan) -> Run:
        """Run on without a word to the journal first, as after a retry."""
        execution = Execution(plan, self.journal, self.ports or ports_of(self.cloud), limits=self.limits)
        around = Surroundings(
            clock=lambda: self.cloud.now,
            pause=lambda: self.cloud.pass_time(1),
            guard=self.guard or (lambda _run, _now: None),
            view=self.view or (lambda _run, _left: None),
        )
        return drive(execution, around)
