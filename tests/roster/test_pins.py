"""A service's turn ends when it reports, and an upgrade only when nothing is held back."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.roster.shown import CATALOG, GOAL, cloud_and_record, stray

from skylift.actions.await_report import AwaitReport
from skylift.actions.verify_pin import VerifyPin
from skylift.catalog.catalog import documents
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.journal import Reported
from skylift.engine.operate import Asked, retry
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, Digest, HostName, StepId, UnitName
from skylift.model.problem import Problem
from skylift.model.record import Record
from skylift.planning.plan import Plan
from skylift.planning.refusals import NotRead
from skylift.planning.text import plan_document, write_plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import Fuse, FusedJournal, Killed, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner
from skylift.testing.samples import NOW
from skylift.verifier.verify import verify

CLOUD, RECORD = cloud_and_record()
DIGEST = Digest("sha256:" + "a" * 64)
PLAN = plan_upgrade(CLOUD, RECORD, Upgrade(GOAL), CATALOG, record_digest=DIGEST)
DOCUMENT = plan_document(write_plan(PLAN))
CMP1 = HostName("cmp1")
COMPUTE_UNIT = UnitName("nova-compute.service")

Document = dict[str, Any]


def of_compute(plan: Plan) -> Plan:
    """The part of a plan that upgrades nova-compute, and sees its pin."""
    steps = tuple(s for s in plan.steps if s.id.startswith("nova-compute:") or s.id == "nova:pin")
    kept = {step.id for step in steps}
    edges = tuple(edge for edge in plan.edges if {edge.before, edge.after} <= kept)
    last = [edge for edge in plan.edges if edge.after == "nova:pin-free" and edge.before in kept]
    return replace(plan, steps=steps, edges=(*edges, *(replace(e, after=StepId("nova:pin")) for e in last)))


COMPUTES = of_compute(PLAN)


def fake(record: Record = RECORD) -> FakeCloud:
    cloud = FakeCloud(record)
    cloud.stage(GOAL)
    return cloud


def versions(cloud: FakeCloud) -> list[int | None]:
    nova = RECORD.components[ComponentName("nova")]
    rosters = CATALOG.components[nova.name].rosters(nova.databases, nova.services)
    rows = [row for roster in rosters for row in ports_of(cloud).database.reports(roster)]
    return sorted((row.version for row in rows if row.service == "nova-compute"), key=lambda v: v or 0)


def failed_with(run: Run) -> tuple[StepId, Reported]:
    (step,) = run.within(Phase.FAILED)
    problem = run.steps[step].problem
    assert problem is not None
    return step, problem


def test_the_computes_end_on_the_version_of_the_target() -> None:
    cloud = fake()

    run = Runner(cloud=cloud, journal=MemoryJournal()).run(COMPUTES)

    assert run.standing is Standing.COMPLETED
    assert versions(cloud) == [68, 68]


def test_a_turn_waits_for_a_report_that_is_younger_than_its_start() -> None:
    cloud = fake()
    ports = ports_of(cloud)
    step = next(s for s in COMPUTES.steps if isinstance(s.action, AwaitReport) and s.action.host == CMP1)
    host = cloud.hosts[CMP1]
    host.units[COMPUTE_UNIT].started_at = cloud.now

    told = str(step.action.observe(ports))

    assert "nova-compute has not reported since it was started" in told


def test_a_report_of_old_code_does_not_end_a_turn_of_new_code() -> None:
    cloud = fake()
    step = next(s for s in COMPUTES.steps if isinstance(s.action, AwaitReport) and s.action.host == CMP1)
    cloud.pass_time(30)

    told = str(step.action.observe(ports_of(cloud)))

    assert "reports version 66, and 68 is what it should be" in told


def test_a_run_that_waits_for_reports_and_is_killed_anywhere_ends_like_one_that_was_not() -> None:
    for notches in itertools.count(step=3):
        cloud, journal = fake(), MemoryJournal()
        fuse = Fuse(notches)
        ports = fused(ports_of(cloud), fuse)
        try:
            Runner(cloud=cloud, journal=FusedJournal(journal, fuse), ports=ports).run(COMPUTES)
        except Killed:
            cloud.pass_time(7)
            run = Runner(cloud=cloud, journal=journal).run(COMPUTES)
            assert run.standing is Standing.COMPLETED
            assert versions(cloud) == [68, 68]
        else:
            assert notches > 30
            return


def test_a_row_that_holds_the_pin_halts_the_run_names_its_removal_and_a_retry_goes_on() -> None:
    """Row 90: unpinned after, and seen to be."""
    cloud, journal = fake(), MemoryJournal()
    cloud.roster.strays.append(stray(CLOUD, version=61))
    runner = Runner(cloud=cloud, journal=journal)

    halted = runner.run(COMPUTES)
    cloud.roster.strays.clear()
    retry(journal, Asked("rey", cloud.now))
    after = runner.go_on(COMPUTES)

    step, problem = failed_with(halted)
    assert (step, problem.code) == ("nova:pin", "pin.held")
    assert "nova-compute on cmp9 in nova_cell1, which is at 61 of 68" in str(problem)
    assert any("compute service delete stray-1" in remedy.how for remedy in problem.remedies)
    assert after.standing is Standing.COMPLETED


def test_where_no_number_is_known_all_rows_must_say_the_same() -> None:
    cloud = fake()
    pin = next(s.action for s in PLAN.steps if isinstance(s.action, VerifyPin) and s.id == "nova:pin")
    any_number = replace(pin, wanted=())

    assert any_number.observe(ports_of(cloud)) is not None
    cloud.roster.strays.append(stray(CLOUD, version=65))
    with pytest.raises(Problem, match="at 65 of 66"):
        any_number.observe(ports_of(cloud))


def test_a_plan_waits_only_for_those_that_were_seen_to_report() -> None:
    there = tuple(r for r in CLOUD.reports if (r.service, r.host) != ("nova-compute", "cmp1"))

    plan = plan_upgrade(replace(CLOUD, reports=there), RECORD, Upgrade(GOAL), CATALOG, record_digest=DIGEST)

    names = {step.id for step in plan.steps}
    assert "nova-compute:report@cmp1" not in names
    assert "nova-compute:report@cmp2" in names
    assert refusals(plan_document(write_plan(plan))) == ()


def test_without_the_rows_there_is_no_plan() -> None:
    blind = replace(CLOUD, reports=(), unread={"reports nova_cell1": "no route"})

    with pytest.raises(NotRead, match="reports nova_cell1 could not be read: no route"):
        plan_upgrade(blind, RECORD, Upgrade(GOAL), CATALOG, record_digest=DIGEST)


def test_a_plan_relies_on_who_reports_and_how_new_but_not_on_when() -> None:
    later = tuple(replace(r, seen_at=NOW) for r in CLOUD.reports)

    again = plan_upgrade(replace(CLOUD, reports=later), RECORD, Upgrade(GOAL), CATALOG, record_digest=DIGEST)

    assert again.facts == PLAN.facts
    assert PLAN.facts["report nova-compute cmp1"] == "version 66"
    assert PLAN.facts["pin nova"] == "nova_cell1/nova-compute=66"


def refusals(plan: Document) -> tuple[str, ...]:
    return verify(plan, documents())


def drop_step(plan: Document, name: str) -> None:
    """Take a step out and let what waited for it wait for what it waited for."""
    before = [e["before"] for e in plan["edges"] if e["after"] == name]
    after = [e["after"] for e in plan["edges"] if e["before"] == name]
    plan["steps"] = [s for s in plan["steps"] if s["id"] != name]
    plan["edges"] = [e for e in plan["edges"] if name not in {e["before"], e["after"]}]
    told = {"because": "a test", "source": "a test"}
    plan["edges"] += [{"before": a, "after": b, **told} for a in before for b in after]


def no_pin_is_verified(plan: Document) -> None:
    drop_step(plan, "nova:pin")


def the_pin_is_verified_too_early(plan: Document) -> None:
    plan["edges"] = [e for e in plan["edges"] if e["after"] != "nova:pin"]


def the_verdict_comes_before_the_pin(plan: Document) -> None:
    plan["edges"] = [e for e in plan["edges"] if e["before"] != "nova:pin"]


def a_cell_is_not_looked_at(plan: Document) -> None:
    pin = next(s for s in plan["steps"] if s["id"] == "nova:pin")
    pin["action"]["rosters"] = [r for r in pin["action"]["rosters"] if r["database"] != "nova_cell1"]


def a_report_is_not_waited_for(plan: Document) -> None:
    drop_step(plan, "nova-compute:report@cmp2")


def a_report_comes_before_the_start(plan: Document) -> None:
    plan["edges"] = [e for e in plan["edges"] if e["after"] != "nova-compute:report@cmp2"]


DEFECTS: dict[str, tuple[Callable[[Document], None], str]] = {
    "no pin": (no_pin_is_verified, "nova is pinned by its rows, and no step verifies its pin"),
    "pin early": (the_pin_is_verified_too_early, "nova is pinned by its rows, and no step verifies its pin"),
    "verdict early": (the_verdict_comes_before_the_pin, "nova:verify may judge before nova:pin has ended"),
    "cell left out": (a_cell_is_not_looked_at, "nova:pin does not look at nova_cell1"),
    "report left out": (a_report_is_not_waited_for, "nova-compute on cmp2 is never seen to report"),
    "report early": (a_report_comes_before_the_start, "nova-compute on cmp2 may be seen to report before"),
}


@pytest.mark.parametrize("case", DEFECTS)
def test_the_verifier_refuses_a_plan_that_leaves_a_pin_or_a_report_out(case: str) -> None:
    spoil, told = DEFECTS[case]
    plan = copy.deepcopy(DOCUMENT)

    spoil(plan)

    assert refusals(DOCUMENT) == ()
    assert any(told in sentence for sentence in refusals(plan)), refusals(plan)
