"""Plans made by hand, for tests of what comes after planning, and runs of them on the fake cloud."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skylift.actions.action import Action
from skylift.actions.backend_traffic import AwaitQuiet, DrainBackend, UndrainBackend
from skylift.actions.service_run import AwaitHealthy, StartService, StopService
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.catalog.catalog import load
from skylift.engine.drive import Guard, Surroundings, View, drive
from skylift.engine.execute import Execution, Limits
from skylift.engine.fold import Run
from skylift.engine.journal import Journal
from skylift.engine.operate import Asked, open_run, resume
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, Digest, HostName, RunId, Seconds, StepId
from skylift.model.record import Artifact, Record
from skylift.model.release import Release
from skylift.planning.plan import FORMAT, Edge, Estimate, Impact, Notice, Plan, Stage, Step
from skylift.planning.upgrade import plan_upgrade
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.samples import R2023_1, R2024_1, sample_cloud, service_name

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
        services={},
        facts={},
        notes=(),
        steps=tuple(steps),
        edges=tuple(Edge(a.id, b.id, "a test says so", "the test") for a, b in edges),
    )


def host_chain(record: Record, name: ComponentName, host: HostName, new: Artifact) -> list[Action]:
    """What takes one service of one host to ``new``, in its order."""
    entry = record.services[service_name(name)]
    old = record.artifact_of(name)
    return [
        DrainBackend(entry.pool, host),
        AwaitQuiet(entry.pool, host),
        StopService(host, entry.unit, entry.link),
        SwitchArtifact(host, entry.name, entry.link, old.path, new.path),
        StartService(host, entry.unit, entry.link),
        AwaitHealthy(host, entry.unit, entry.link, new.path, entry.port, "/"),
        UndrainBackend(entry.pool, host),
    ]


def planned(record: Record, to: Release = R2024_1) -> Plan:
    """The planner's own plan for a whole cloud as ``record`` declares it."""
    start = min(artifact.release for artifact in (record.artifact_of(name) for name in record.components))
    cloud = sample_cloud(record, release=start, goal=to)
    return plan_upgrade(cloud, record, Upgrade(to), load(), record_digest=Digest("sha256:" + "1" * 64))


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
    id: RunId = RUN
    """Another one for each run on the same cloud: jobs are known by it."""

    def run(self, plan: Plan) -> Run:
        """Run ``plan`` until there is nothing to do, from the start or from where the journal ends."""
        asked = Asked("rey@console", self.cloud.now)
        if self.journal.events():
            resume(self.journal, asked)
        else:
            open_run(
                self.journal, self.id, cloud="sample", plan=PLAN_DIGEST, approved=plan.no_returns, asked=asked
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
