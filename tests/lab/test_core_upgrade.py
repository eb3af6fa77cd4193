"""All of a core cloud, 2024.1 to 2025.1, while users boot machines and the run is killed in every stage.

Issue 3, section 3. Everything is told by those who are not the run: the probes, the hosts' own logs, the
cloud's own tables, and tempest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.lab.operating import Operator, own_record, standing
from tests.lab.ordeal import STARTED, Death, Ordeal
from tests.lab.pages import commands, marked

from skylift.engine.fold import Phase
from skylift.gate.lab.host import Lab
from skylift.gate.lab.openstack import count
from skylift.gate.matrix import BASELINE
from skylift.gate.smoke import smoke
from skylift.gate.smoke import summary as smoke_summary
from skylift.model.ids import StepId
from skylift.planning.plan import Plan
from skylift.planning.text import read_plan

pytestmark = [pytest.mark.lab, pytest.mark.core, pytest.mark.timeout(5400)]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "core-cloud.md"
GOAL = "2025.1"
RUN_S = 4800
BASELINE_S = 60
WHOLE = BASELINE in os.environ
"""Whether this is the whole matrix: then there are enough requests and boots for a zero to say something."""
ENOUGH, ENOUGH_BOOTS = (20_000, 100) if WHOLE else (2_000, 10)

DEATHS = tuple(
    Death(StepId(step), moment, host)
    for step, moment, host in (
        ("stage:openstack-2025.1@cmp1", "at work", "cmp1"),
        ("backup:nova", "at work", "ctl1"),
        ("neutron:expand", "at work", "ctl1"),
        ("keystone:stop@ctl2", "done", ""),
        ("neutron-rpc-server:enable@ctl1", "done", ""),
        ("nova-super-conductor:park@ctl1", "done", ""),
        ("nova-conductor:stop@ctl2", "done", ""),
        ("nova-api:drain@ctl3", "done", ""),
        ("nova-compute:close@cmp1", "done", ""),
        ("nova-compute:stop@cmp2", "done", ""),
        ("heat-engine:start@ctl1", "started", ""),
        ("nova-conductor:unpin-park@ctl3", "done", ""),
        ("nova:online-migrations", "at work", "ctl1"),
        ("nova:verify", "started", ""),
    )
)
"""In every stage: preparation, expand, each kind of turn, convergence, verification."""


@dataclass(frozen=True, slots=True)
class Story:
    """What the run went through."""

    ordeal: Ordeal
    plan: Plan


@pytest.fixture(scope="module")
def story(core_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("core-hop")
    baseline_s = int(os.environ.get(BASELINE, BASELINE_S))
    operator = own_record(core_lab, folder, lambda record: record["policy"].update(baseline=baseline_s))
    plan_file = folder / "core.plan"
    operator.does("plan", "--to", GOAL, "-o", str(plan_file))
    plan = read_plan(plan_file.read_bytes())
    order = [step.id for step in plan.steps]
    known, began = len(operator.runs.known()), time.time()
    verb = operator.start("apply", str(plan_file), "--yes")
    ordeal = Ordeal(core_lab, operator, operator.new_run(verb, known), began)
    ordeal.go_through(verb, sorted(DEATHS, key=lambda death: order.index(death.step)), limit_s=RUN_S)
    return Story(ordeal, plan)


@pytest.fixture(scope="module")
def report(story: Story) -> dict[str, Any]:
    return story.ordeal.operator.report()


@pytest.fixture(scope="module")
def operator(core_lab: Lab) -> Operator:
    return Operator(core_lab.folder / "cloud.yaml")


def typed(lab: Lab, section: str) -> str:
    """What a user types who follows a section of the tutorial, and its output."""
    page = commands(marked(PAGE.read_text(), section))
    assert page, section
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", "set -ex\n" + "\n".join(page)],
        env=os.environ | {"SKYLIFT_LAB_DIR": str(lab.folder), "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-4000:]
    return ended.stdout


def smoke_passes(lab: Lab, record_property: Any) -> None:
    outcomes = smoke(lab)
    record_property("figures", smoke_summary(outcomes))

    assert [o for o in outcomes if o.ended == "failed"] == []
    passed = {o.name.split(".")[2] for o in outcomes if o.ended == "passed"}
    assert passed >= {"identity", "image", "compute", "network", "volume"}


def test_before_it_a_client_that_is_not_ours_finds_a_whole_cloud(core_lab: Lab, record_property: Any) -> None:
    smoke_passes(core_lab, record_property)


def test_before_it_a_user_of_the_tutorial_gets_a_server_with_a_volume(core_lab: Lab) -> None:
    assert "ACTIVE" in typed(core_lab, "user")


def test_nothing_blocks_once_the_new_release_is_staged(operator: Operator) -> None:
    operator.does("stage", "--to", GOAL)

    checked = operator.ends("check", "--to", GOAL)

    assert "nothing blocks" in checked.answer, checked.answer


def test_the_process_was_killed_in_every_stage(story: Story) -> None:
    steps = {step.id: step for step in story.plan.steps}

    for death, at in story.ordeal.at_death:
        wanted = Phase.DONE if death.moment == "done" else Phase.RUNNING
        assert at.steps[death.step].phase is wanted, death
    assert {steps[death.step].stage for death in DEATHS} == {step.stage for step in story.plan.steps}
    assert [ended.code for ended in story.ordeal.ended] == [-9] * len(DEATHS) + [0]


def test_the_run_is_complete(story: Story) -> None:
    done = standing(story.ordeal.run).within(Phase.DONE)

    assert done == {step.id for step in story.plan.steps}


def test_every_service_was_rolled(story: Story) -> None:
    assert [step.id for step in story.plan.steps if step.impact.notice.value == "does not answer"] == []


def test_no_request_failed(report: dict[str, Any], record_property: Any) -> None:
    record_property("requests", report["requests"])
    record_property("figures", report["summary"])

    assert report["failures"] == []
    assert report["requests"] >= ENOUGH


def test_no_boot_failed_or_was_lost(report: dict[str, Any], record_property: Any) -> None:
    boots = report["boots"]
    record_property("figures", f"{boots['failed']} failed and {boots['lost']} lost of {boots['asked']} boots")

    assert (boots["failed"], boots["lost"]) == (0, 0)
    assert boots["asked"] >= ENOUGH_BOOTS


def test_no_server_is_left_without_a_host(story: Story) -> None:
    left = "SELECT COUNT(*) FROM nova.instances WHERE deleted = 0 AND vm_state = 'building' AND host IS NULL"

    assert count(story.ordeal.lab, left) == 0
    assert count(story.ordeal.lab, "SELECT COUNT(*) FROM nova_api.build_requests") == 0


def test_every_guest_answered_and_counted_on(report: dict[str, Any], record_property: Any) -> None:
    guests = report["guests"]
    record_property("figures", "; ".join(f"{g['guest']}: {g['lost']} of {g['pings']} pings" for g in guests))

    assert guests
    assert {g["guest"]: (g["lost"], g["restarts"]) for g in guests} == {g["guest"]: (0, 0) for g in guests}


def test_every_witness_is_as_it_was_made(report: dict[str, Any]) -> None:
    seen = {witness["name"]: witness["intact"] for witness in report["witnesses"]}

    assert {"user", "project", "image", "resource provider", "server", "volume", "stack", "router"} <= set(
        seen
    )
    assert all(seen.values()), seen


def test_no_command_was_started_twice_by_the_hosts_own_logs(story: Story) -> None:
    started = story.ordeal.jobs_started()

    assert {job: times for job, times in started.items() if times != 1} == {}
    assert all(job.endswith(".1") for _, job in started), "a second attempt was made"


def test_each_service_was_started_once_a_turn_by_its_own_log(story: Story) -> None:
    """Once for the new release, and once more where it had to look again at how new the others are."""
    wanted = Counter(
        (str(step.action.host), str(step.action.unit))  # type: ignore[attr-defined] # of a step that starts a unit
        for step in story.plan.steps
        if step.action.kind == "start-service"
    )

    seen = Counter((host, line["UNIT"]) for host, line in story.ordeal.said_by_systemd(STARTED))

    assert {place: seen[place] for place in wanted} == wanted


def test_validate_finds_the_cloud_at_the_goal(story: Story) -> None:
    assert "completed" in story.ordeal.operator.does("validate").answer


def test_after_it_the_user_of_the_tutorial_still_has_both(story: Story) -> None:
    assert "ACTIVE" in typed(story.ordeal.lab, "again")


def test_after_it_a_client_that_is_not_ours_finds_a_whole_cloud(story: Story, record_property: Any) -> None:
    smoke_passes(story.ordeal.lab, record_property)
