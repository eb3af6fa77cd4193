"""Upgrades on the fake cloud that stopped somewhere, and what takes them back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

from tests.crash.worlds import frozen, thawed

from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.service_run import StartService, StopService
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.app.inspect import observe_cloud
from skylift.app.taken_back import undone_by
from skylift.catalog.catalog import documents, load
from skylift.engine.fold import Run, fold
from skylift.engine.journal import StepStarted
from skylift.engine.operate import Asked, pause
from skylift.model.cloud import Cloud, UnitState
from skylift.model.goal import Rollback, Upgrade
from skylift.model.ids import ComponentName, Digest, HostName, RunId, ServiceName
from skylift.model.record import Policy, Record
from skylift.model.release import Release
from skylift.planning.plan import Plan
from skylift.planning.rollback import Undone, plan_rollback, rollback_goal
from skylift.planning.text import digest_of, plan_document, write_plan
from skylift.planning.upgrade import plan_upgrade
from skylift.planning.window import windows
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import RUN, Runner
from skylift.testing.samples import NOW, R2024_1, sample_record
from skylift.testing.whole_clouds import Shape, cloud_of, whole_cloud, whole_fake
from skylift.verifier.verify import verify

CATALOG = load()
RECORD_DIGEST = Digest("sha256:" + "1" * 64)
BACK = RunId("back-1")
CORE = ("keystone", "placement", "nova", "cinder")
SHAPE = Shape(source=Release(2024, 2), goal=Release(2025, 1), controllers=2, networks=1, computes=2)


@dataclass
class HalfWay:
    """A cloud whose upgrade came to rest, with the journal of that run."""

    cloud: FakeCloud
    journal: MemoryJournal
    plan: Plan

    @property
    def run(self) -> Run:
        return fold(self.journal.events())

    @property
    def undone(self) -> Undone:
        told = undone_by(self.plan, self.run)
        return Undone(told.run, told.plan, digest_of(self.plan), told.begun, told.ended_ms)

    def goal(self, components: Collection[ComponentName] = ()) -> Rollback:
        return rollback_goal(self.cloud.record, self.undone, CATALOG, components)

    def way_back(self, *components: str) -> Plan:
        """The plan that takes it back, from what is seen of the cloud now."""
        wanted = tuple(map(ComponentName, components))
        cloud, record = self.cloud, self.cloud.record
        seen = observe_cloud(record, CATALOG, ports_of(cloud), now=cloud.now, goal=self.goal(wanted))
        return plan_rollback(
            seen, record, self.undone, CATALOG, record_digest=RECORD_DIGEST, components=wanted
        )

    def take_back(self, plan: Plan) -> Run:
        return Runner(cloud=self.cloud, journal=MemoryJournal(), id=BACK).run(plan)


@dataclass
class Upgrading:
    """An upgrade that is kept as it was whenever a step had begun."""

    cloud: FakeCloud
    plan: Plan
    worlds: dict[int, bytes] = field(default_factory=dict)
    """By how many steps had begun, the world just then; several may begin at once."""
    journal: MemoryJournal = field(default_factory=MemoryJournal)

    def run(self) -> Run:
        def look(run: Run, _: object) -> None:
            begun = sum(at.begun for at in run.steps.values())
            if begun not in self.worlds:
                self.worlds[begun] = frozen((self.cloud, self.journal))

        return Runner(cloud=self.cloud, journal=self.journal, view=look).run(self.plan)

    def stopped_after(self, begun: int) -> HalfWay:
        """The same upgrade, paused when no more steps than that had begun, and come to rest."""
        there = max(number for number in self.worlds if number <= begun)
        cloud, journal = thawed(self.worlds[there])
        if fold(journal.events()).closed is None:
            pause(journal, Asked("rey@console", cloud.now))
            Runner(cloud=cloud, journal=journal).go_on(self.plan)
        return HalfWay(cloud, journal, self.plan)

    def before_the_end(self) -> int:
        """How many steps had begun before the first that ended any way back."""
        ends = {step for window in windows(self.plan, CATALOG) for step in window.until}
        return min(self.begun_before(step) for step in ends)

    def begun_before(self, step: str) -> int:
        """How many steps had begun before the first of this name, or of this beginning."""
        started = [event.step for event in self.journal.events() if isinstance(event, StepStarted)]
        return next(n for n, name in enumerate(started) if name.startswith(step))


def upgrading(cloud: FakeCloud, goal: Release) -> Upgrading:
    """An upgrade of ``cloud``, planned from what is seen of it."""
    cloud.stage(goal)
    seen = observe_cloud(cloud.record, CATALOG, ports_of(cloud), now=cloud.now, goal=Upgrade(goal))
    plan = plan_upgrade(seen, cloud.record, Upgrade(goal), CATALOG, record_digest=RECORD_DIGEST)
    return Upgrading(cloud, plan)


def sample(*, controllers: int = 2, components: Collection[ComponentName] = ()) -> Upgrading:
    """Of Keystone, Glance and Placement from 2023.1 to 2024.1."""
    record = (
        sample_record(controllers=controllers, components=components)
        if components
        else sample_record(controllers=controllers)
    )
    return upgrading(FakeCloud(record), R2024_1)


def core(components: Collection[str] = CORE, shape: Shape = SHAPE) -> FakeCloud:
    """A cloud with what users boot servers by, at the source release."""
    _, record = whole_cloud(CATALOG, components, shape, policy=Policy())
    return whole_fake(CATALOG, record, shape)


def before_the_end(record: Record, shape: Shape) -> tuple[Cloud, Undone]:
    """A cloud that was upgraded until the first step that ends a way back, as an inspection would see it."""
    before, after = (cloud_of(CATALOG, record, s) for s in (shape, replace(shape, source=shape.goal)))
    plan = plan_upgrade(before, record, Upgrade(shape.goal), CATALOG, record_digest=RECORD_DIGEST)
    ends = {step for window in windows(plan, CATALOG) for step in window.until}
    begun = list(takewhile(lambda step: step.id not in ends, plan.steps))
    schemas, units = dict(before.schemas), dict(before.units)
    new: set[tuple[str, HostName]] = set()
    for step in begun:
        service = ServiceName(step.id.partition(":")[0])
        match step.action:
            case MigrateSchema(heads=heads):
                schemas |= {h.database: replace(schemas[h.database], rows=h.rows) for h in heads}
            case StopService(host=host):
                units[service, host] = replace(
                    units[service, host], state=UnitState.INACTIVE, pid=None, started_at=None, running=None
                )
            case SwitchArtifact(host=host, new=path):
                units[service, host] = replace(units[service, host], linked=str(path))
            case StartService(host=host):
                units[service, host] = after.units[service, host]
                new.add((service, host))
            case _:
                pass
    newer = {(r.database, r.service, r.host): r for r in after.reports}
    reports = [
        newer[r.database, r.service, r.host]
        if any(r.service == s and r.is_from(host) for s, host in new)
        else r
        for r in before.reports
    ]
    undone = Undone(
        run=RUN,
        plan=plan,
        digest=digest_of(plan),
        begun=frozenset(step.id for step in begun),
        ended_ms={step.id: int(NOW * 1000) for step in begun},
    )
    return replace(before, schemas=schemas, units=units, reports=tuple(reports)), undone


def back_from(cloud: Cloud, record: Record, undone: Undone, *components: str) -> Plan:
    """The plan that takes back what such a cloud was upgraded by."""
    wanted = tuple(map(ComponentName, components))
    return plan_rollback(cloud, record, undone, CATALOG, record_digest=RECORD_DIGEST, components=wanted)


def state(cloud: FakeCloud) -> tuple[Any, ...]:
    """All that a run turns over: what runs and would run, who serves or is closed, and what rows tell."""
    return (
        {(host.name, str(link)): path for host in cloud.hosts.values() for link, path in host.links.items()},
        {
            (host.name, name): (unit.state, unit.running, unit.enabled)
            for host in cloud.hosts.values()
            for name, unit in host.units.items()
        },
        {(b.balancer, b.pool, b.server): b.state for b in cloud.traffic.views()},
        dict(cloud.roster.closed),
        {parking: dict(held.left(cloud.now)) for parking, held in cloud.traffic.parking.items()},
        {(row.database, row.id): row.version for row in cloud.roster.every},
    )


def told_against(plan: Plan) -> tuple[str, ...]:
    """What the verifier has against a plan."""
    return verify(plan_document(write_plan(plan)), documents())
