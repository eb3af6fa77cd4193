"""Issue 5, section 4: operators rehearse their plan on a twin of their inventory, with faults (row 123)."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import RUN, desk_at
from tests.lab.pages import commands
from tests.record.conftest import PINNED, WHOLE
from tests.rollback.half_way import CATALOG, sample
from tests.simulation import flawed_plans as plans
from tests.simulation.flawed import FLAWS

from skylift.app.propose_rollback import propose_rollback
from skylift.app.record_file import load_record
from skylift.app.site import digest_of_record
from skylift.catalog.catalog import load
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.model.goal import Restore, Upgrade
from skylift.model.ids import ComponentName
from skylift.model.record import Policy
from skylift.model.release import Release
from skylift.planning.facts import drift, facts_of
from skylift.planning.plan import Plan
from skylift.planning.text import write_plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.samples import R2024_1
from skylift.testing.simulation.from_plan import scene_from
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.play import Product, play_scene
from skylift.testing.simulation.rehearsal import Rehearsal, twin_scene
from skylift.testing.simulation.scene import Scene
from skylift.testing.simulation.site import SITES, scene_of
from skylift.testing.whole_clouds import Shape, whole_cloud

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "rehearse-a-plan.md"
TARGET = """\
  openstack-2024.1:
    release: "2024.1"
    digest: "sha256:DIGEST"
    source: "http://10.77.0.1:8099/2024.1-abc.tar.zst"
    path: /opt/openstack/artifacts/2024.1-abc
components:
""".replace("DIGEST", "b" * 64)


def proposed(scene: Scene) -> Plan:
    return scene.propose(scene.seen(scene.build(), scene.goal))[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's folder: her record, the files it names, and a plan made from it."""
    files = {
        "id_ed25519": "key",
        "known_hosts": PINNED,
        "clouds.yaml": "clouds: {lab: {auth: {}}}\n",
        "cloud.yaml": WHOLE.replace("components:\n", TARGET),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    record = load_record(tmp_path / "cloud.yaml")
    catalog, goal, cloud = load(record.catalog), Upgrade(R2024_1), FakeCloud(record)
    cloud.stage(R2024_1)
    seen = Scene(
        "lab", catalog, record, goal, lambda: cloud, lambda _: pytest.fail("nobody plans here")
    ).seen(cloud, goal)
    plan = plan_upgrade(seen, record, goal, catalog, record_digest=digest_of_record(record))
    (tmp_path / "up.plan").write_bytes(write_plan(plan))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_of_the_guide_does_what_the_page_says(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = commands(GUIDE.read_text())

    outputs = []
    for words in map(shlex.split, told):
        assert call(words[1:]) == Exit.OK, words
        outputs.append(capfd.readouterr().out)

    assert len(told) == 4
    whole, night, _, document = outputs
    assert whole.splitlines()[-1].startswith("simulate: 20 seeds, ")
    assert whole.endswith(" fault kinds, 0 violations\n")
    assert "what a twin cannot know" in whole
    assert "fault: " in night
    assert [n["seed"] for n in json.loads(document)["nights"]] == list(range(1000, 1020))
    assert [p.name for p in sorted(folder.iterdir())] == sorted(
        ["cloud.yaml", "clouds.yaml", "id_ed25519", "known_hosts", "up.plan"]
    )


@pytest.mark.usefixtures("folder")
def test_a_night_is_the_same_every_time(capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        call(["simulate", "up.plan", "--seed", "5"])
    call(["simulate", "up.plan", "--seed", "6"])

    out = capfd.readouterr().out
    half = out[: out.index("seed 5: ")]
    assert out.count(half) == 2
    assert "seed 6: " in out


def test_a_plan_of_another_record_is_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    record = folder / "cloud.yaml"
    record.write_text(record.read_text().replace("batch: 1", "batch: 2"))

    assert call(["simulate", "up.plan", "--seeds", "1"]) == Exit.BLOCKED
    assert "plan.other-record" in capfd.readouterr().err


def cold() -> tuple[Plan, Scene]:
    """The plan that stops cinder as a whole, and rolls keystone, with its twin."""
    components, accepted = ("keystone", "cinder"), frozenset({ComponentName("cinder")})
    shape = Shape(source=Release(2023, 1), goal=R2024_1)
    cloud, record = whole_cloud(CATALOG, components, shape, policy=Policy(outages=accepted))
    goal = Upgrade(shape.goal)
    plan = plan_upgrade(cloud, record, goal, CATALOG, record_digest=digest_of_record(record))
    return twin_scene(write_plan(plan), record)


def test_an_outage_that_the_plan_announces_is_rehearsed_and_is_no_harm() -> None:
    plan, twin = cold()
    found = Rehearsal(plan, twin)
    for seed in range(4):
        found.add(play_scene(seed, twin, kinds=(FaultKind.KILL_AFTER_EFFECT,)))

    text = "\n".join(found.lines())

    assert twin.apart == frozenset()
    assert [(ran.outcome, ran.broken, ran.lost) for ran in found.ran] == [("completed", (), {})] * 4
    assert all(ran.announced.keys() == {"cinder-api"} for ran in found.ran)
    assert "requests a night met the outage that the plan announces" in text
    assert text.splitlines()[-1] == "simulate: 4 seeds, 1 fault kinds, 0 violations"


def test_an_outage_of_an_api_that_the_plan_rolls_is_harm_beside_the_one_that_it_announces() -> None:
    _, twin = cold()

    ran = play_scene(1, twin, Product(plan=plans.turns_at_once), (FaultKind.KILL_AFTER_EFFECT,))

    assert "a request to keystone failed: no backend serves" in {v.sentence for _, v in ran.broken}
    assert ran.lost.keys() == {"keystone"}


def test_a_balancer_that_forgets_during_an_outage_does_not_keep_the_run_from_going_on() -> None:
    """Seen by this seed: each backend waited to be drained for the others that the run itself had stopped."""
    _, twin = cold()

    ran = play_scene(7, twin)

    assert FaultKind.HOST_REBOOTS in {fault.kind for fault in ran.befell}
    assert (ran.outcome, ran.broken) == ("completed", ())


def test_a_restore_is_rehearsed_from_the_backups_that_its_plan_names(tmp_path: Path) -> None:
    desk = desk_at(tmp_path)
    desk.apply(desk.plan())
    text = propose_rollback(desk.site, desk.site.runs.find(RUN), (), restore=True).text

    plan, twin = twin_scene(text, desk.site.record)
    ran = play_scene(1, twin, kinds=(FaultKind.KILL_AFTER_EFFECT,))

    assert isinstance(plan.goal, Restore)
    assert twin.apart == frozenset()
    assert (ran.outcome, ran.broken, ran.lost) == ("completed", (), {})
    assert ran.announced.keys() == {"keystone", "glance", "placement"}


def test_a_host_that_starts_what_is_to_be_restored_is_met_by_the_remedy_of_the_refusal(
    tmp_path: Path,
) -> None:
    """With its services a rebooted host starts one whose database is next: she stops it, as she is told."""
    desk = desk_at(tmp_path)
    desk.apply(desk.plan())
    text = propose_rollback(desk.site, desk.site.runs.find(RUN), (), restore=True).text

    ran = play_scene(28, twin_scene(text, desk.site.record)[1])

    assert "restore.beside-live" in {problem.code for _, problem in ran.failures}
    assert (ran.outcome, ran.broken) == ("completed", ())


def test_a_plan_of_compute_hosts_has_no_twin(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "fleet.plan").write_text('{"digest":"sha256:0","mandate":{}}')

    assert call(["simulate", "fleet.plan"]) == Exit.BLOCKED
    assert "simulate.no-twin" in capfd.readouterr().err


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name.replace(" ", "-"))
def test_the_twin_of_an_upgrade_shows_every_fact_of_its_plan(site: object) -> None:
    scene = scene_of(next(s for s in SITES if s is site))

    assert scene_from(proposed(scene), scene.record, scene.catalog).apart == frozenset()


def test_the_twin_of_a_way_back_shows_every_fact_of_its_plan_and_comes_to_its_end() -> None:
    going = sample(controllers=2)
    going.run()
    half_way = going.stopped_after(going.begun_before("keystone:contract"))

    twin = scene_from(half_way.way_back(), half_way.cloud.record, CATALOG)
    ran = play_scene(1, twin, kinds=(FaultKind.KILL_AFTER_EFFECT,))

    assert twin.apart == frozenset()
    assert (ran.outcome, ran.broken) == ("completed", ())


def test_a_fact_that_the_twin_cannot_show_is_named_and_not_held_against_it() -> None:
    scene = scene_of(SITES[0])
    plan = proposed(scene)
    plan = replace(plan, facts={**plan.facts, "galera ctl1": "Primary Donor 2"})

    twin = scene_from(plan, scene.record, scene.catalog)
    found = Rehearsal(plan, twin)
    found.add(play_scene(1, twin))

    assert twin.apart == {"galera ctl1"}
    assert "that galera ctl1 is Primary Donor 2" in found.unknown
    assert not found.table.broken
    assert {d.name for d in drift(plan, facts_of(twin.seen(twin.build(), plan.goal), scene.record))} == {
        "galera ctl1"
    }


def test_what_befell_and_what_users_lost_is_told_with_the_step_and_the_way_on() -> None:
    scene = scene_of(SITES[0])
    twin = scene_from(plan := proposed(scene), scene.record, scene.catalog)
    found = Rehearsal(plan, twin)
    for seed in range(6):
        found.add(play_scene(seed, twin, kinds=(FaultKind.HOST_LOSES_POWER, FaultKind.JOB_FAILS_ALWAYS)))

    text = "\n".join(found.lines())

    assert "keystone: requests failed in " in text
    assert "times job.failed at " in text
    assert "skylift retry" in text
    assert any(fault.step for ran in found.ran for fault in ran.befell)
    assert text.splitlines()[-1] == "simulate: 6 seeds, 2 fault kinds, 0 violations"


def test_a_violation_is_told_with_its_seed() -> None:
    scene = scene_of(SITES[0])
    twin = scene_from(plan := proposed(scene), scene.record, scene.catalog)
    flaw = FLAWS["starts what waits"]
    found = Rehearsal(plan, twin)

    found.add(play_scene(3, twin, Product(execution=flaw.product.execution), flaw.kinds))

    assert found.table.broken
    assert any(line.startswith("BROKEN seed 3: ") for line in found.lines())
    assert not found.verdict.endswith(" 0 violations")
