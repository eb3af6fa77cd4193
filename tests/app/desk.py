"""An operator at her desk: a fake cloud, a site on it, and a run that she may interrupt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from skylift.app.approvals import Approval
from skylift.app.bench import Bench
from skylift.app.conduct import apply
from skylift.app.plan_seal import seal_plan
from skylift.app.propose import propose
from skylift.app.runs import Runs
from skylift.app.site import Site
from skylift.catalog.catalog import load
from skylift.engine.drive import View
from skylift.engine.fold import Run
from skylift.engine.operate import Asked
from skylift.model.goal import Upgrade
from skylift.model.ids import RunId, Seconds
from skylift.model.record import Policy
from skylift.model.release import Release
from skylift.planning.plan import Plan
from skylift.planning.text import digest_of
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.samples import sample_record

GOAL = Upgrade(Release(2024, 1))
RUN = RunId("20260101-000000-run-0001")


@dataclass
class Desk:
    """A cloud, a site on it, and an operator who may press Ctrl-C."""

    cloud: FakeCloud
    site: Site
    asked: bool = False
    remarks: list[str] = field(default_factory=list)
    at_each_look: Callable[[Run], None] = lambda _run: None

    @property
    def bench(self) -> Bench:
        def view(_plan: Plan, _begun: Run) -> View:
            return lambda run, _left: self.at_each_look(run)

        return Bench(lambda: self.cloud.pass_time(1), lambda: self.asked, view, self.remarks.append)

    @property
    def asked_now(self) -> Asked:
        return Asked(self.site.actor, self.cloud.now)

    def plan(self) -> bytes:
        return propose(self.site, GOAL).text

    def seal(self) -> bytes:
        """Of whoever's key is here, on the plan."""
        assert self.site.signer is not None
        digest = digest_of(propose(self.site, GOAL).plan)
        return seal_plan(digest, self.site.signer, now=self.cloud.now, valid_h=72)

    def apply(self, text: bytes) -> Run:
        return apply(self.site, RUN, text, self.bench, approval=Approval.ALL)


def desk_at(tmp_path: Path) -> Desk:
    """A cloud at 2023.1, with 2024.1 staged on it."""
    record = sample_record(policy=Policy(baseline=Seconds(10)))
    cloud = FakeCloud(record)
    cloud.stage(GOAL.to)
    site = Site(
        record=record,
        catalog=load(),
        ports=ports_of(cloud),
        runs=Runs(tmp_path / ".skylift"),
        clock=lambda: cloud.now,
        actor="rey@console",
    )
    return Desk(cloud, site)


def automatic_desk_at(tmp_path: Path) -> Desk:
    """The same, where the policy takes a run back by itself."""
    desk = desk_at(tmp_path)
    policy = replace(desk.site.record.policy, rollback="automatic")
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))
    return desk
