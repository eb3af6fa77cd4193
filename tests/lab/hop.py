"""One upgrade of a core cloud from release to release, and what must be true of every such one.

Issue 3, section 3. Everything is told by those who are not the run: the probes, the hosts' own logs, the
cloud's own tables, and tempest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.operating import Operator, baseline_s, own_record, standing
from tests.lab.ordeal import STARTED, Death, Ordeal
from tests.lab.pages import commands, marked

from skylift.engine.fold import Phase
from skylift.gate.lab.commands import poll
from skylift.gate.lab.host import Lab
from skylift.gate.lab.openstack import count
from skylift.gate.matrix import LEFT_OUT, UPGRADE, Measured
from skylift.gate.smoke import smoke
from skylift.gate.smoke import summary as smoke_summary
from skylift.planning.plan import Plan
from skylift.planning.text import read_plan

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "core-cloud.md"
RUN_S, SETTLED_S = 4800, 120


@dataclass(frozen=True, slots=True)
class Hop:
    """What a run went through."""

    ordeal: Ordeal
    plan: Plan
    deaths: tuple[Death, ...]
    without: tuple[str, ...]
    """Components that stayed as they were."""
    by: str = "skylift"
    """Who drove it."""


def go(
    lab: Lab,
    folder: Path,
    goal: str,
    deaths: Iterable[Death] = (),
    *,
    without: Iterable[str] = (),
    **policy: int,
) -> Hop:
    """Stage, check, plan and apply, the process killed at each of ``deaths``, and resumed.

    Components in ``without`` are not in the operator's record, and stay as they are.
    """
    operator = own_record(lab, folder, lambda record: change(record, without, **policy))
    plan_file, plan = planned(operator, goal)
    order = [step.id for step in plan.steps]
    deaths = tuple(sorted(deaths, key=lambda death: order.index(death.step)))
    known, began = len(operator.runs.known()), time.time()
    verb = operator.start("apply", str(plan_file), "--yes")
    ordeal = Ordeal(lab, operator, operator.new_run(verb, known), began)
    ordeal.go_through(verb, deaths, limit_s=RUN_S)
    return Hop(ordeal, plan, deaths, tuple(without))


def change(record: dict[str, Any], without: Iterable[str], **policy: int) -> None:
    """Change the lab's record for a hop: another policy, and components that stay as they are."""
    record["policy"].update({"baseline": baseline_s(60), **policy})
    for component in without:
        del record["components"][component]


def planned(operator: Operator, goal: str) -> tuple[Path, Plan]:
    """Stage, check and plan; the plan's file, and the plan."""
    operator.does("stage", "--to", goal, limit_s=900)
    checked = operator.ends("check", "--to", goal)
    assert "nothing blocks" in checked.answer, checked.answer
    file = operator.record.with_name("core.plan")
    operator.does("plan", "--to", goal, "-o", str(file))
    return file, read_plan(file.read_bytes())


def smoke_passes(lab: Lab, record_property: Any) -> None:
    """Tempest's smoke tests, of each service that it has any for."""
    outcomes = smoke(lab)
    record_property("figures", smoke_summary(outcomes))
    for outcome in outcomes:
        if outcome.ended == "skipped":
            record_property(LEFT_OUT, json.dumps([outcome.name, outcome.why]))

    assert [o for o in outcomes if o.ended == "failed"] == []
    passed = {o.name.split(".")[2] for o in outcomes if o.ended == "passed"}
    assert passed >= {"identity", "image", "compute", "network", "volume"}


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


class HopClaims:
    """What is true of an upgrade of a core cloud; the module of a class of tests says with which ``hop``."""

    enough, enough_boots = 5000, 20
    """Requests and boots below which a zero says little."""

    def test_the_run_is_complete(self, hop: Hop) -> None:
        done = standing(hop.ordeal.run).within(Phase.DONE)

        assert done == {step.id for step in hop.plan.steps}

    def test_every_service_was_rolled(self, hop: Hop) -> None:
        assert [step.id for step in hop.plan.steps if step.impact.notice.value == "does not answer"] == []

    def test_no_request_failed(self, hop: Hop, report: dict[str, Any], record_property: Any) -> None:
        name = f"{hop.plan.source} to {hop.plan.goal.to}"
        killed = f", killed {len(hop.deaths)} times" if hop.deaths else ""
        left = f", without {', '.join(hop.without)}" if hop.without else ""
        measured = Measured.of(report, name, f"{hop.by}{killed}{left}")
        record_property(UPGRADE, json.dumps(measured._asdict()))
        record_property("figures", report["summary"])

        assert report["failures"] == []
        assert report["requests"] >= self.enough

    def test_no_boot_failed_or_was_lost(self, report: dict[str, Any]) -> None:
        boots = report["boots"]

        assert (boots["failed"], boots["lost"]) == (0, 0)
        assert boots["asked"] >= self.enough_boots

    def test_no_server_is_left_without_a_host(self, hop: Hop) -> None:
        """What was asked for in the last moment is still built, and removed, when the probes have ended."""
        unbuilt = "deleted = 0 AND vm_state = 'building' AND host IS NULL"
        left = (
            f"SELECT COUNT(*) FROM nova.instances WHERE {unbuilt}",  # noqa: S608 - our own words
            "SELECT COUNT(*) FROM nova_api.build_requests",
        )

        poll(lambda: not any(count(hop.ordeal.lab, each) for each in left), limit_s=SETTLED_S, every_s=2)

        assert [count(hop.ordeal.lab, each) for each in left] == [0, 0]

    def test_every_guest_answered_and_counted_on(self, report: dict[str, Any]) -> None:
        guests = {g["guest"]: (g["lost"], g["restarts"]) for g in report["guests"]}

        assert guests
        assert guests == dict.fromkeys(guests, (0, 0))

    def test_every_witness_is_as_it_was_made(self, report: dict[str, Any]) -> None:
        seen = {witness["name"]: witness["intact"] for witness in report["witnesses"]}

        first = {"user", "project", "image", "resource provider"}
        assert set(seen) >= first | {"server", "guest", "volume", "stack", "router"}
        assert all(seen.values()), seen

    def test_no_command_was_started_twice_by_the_hosts_own_logs(self, hop: Hop) -> None:
        started = hop.ordeal.jobs_started()

        assert {job: times for job, times in started.items() if times != 1} == {}
        assert all(job.endswith(".1") for _, job in started), "a second attempt was made"

    def test_each_service_was_started_once_a_turn_by_its_own_log(self, hop: Hop) -> None:
        """Once for the new release, and once more where it had to look again at how new the others are."""
        wanted = Counter(
            (str(step.action.host), str(step.action.unit))  # type: ignore[attr-defined] # of a step that starts a unit
            for step in hop.plan.steps
            if step.action.kind == "start-service"
        )

        seen = Counter((host, line["UNIT"]) for host, line in hop.ordeal.said_by_systemd(STARTED))

        assert {place: seen[place] for place in wanted} == wanted

    def test_validate_finds_the_cloud_at_the_goal(self, hop: Hop) -> None:
        assert "completed" in hop.ordeal.operator.does("validate").answer


class StrangersClaim:
    """What a client that is not ours finds after a ``hop``."""

    def test_it_finds_a_whole_cloud(self, hop: Hop, record_property: Any) -> None:
        smoke_passes(hop.ordeal.lab, record_property)
