"""A plan that restores databases is refused for each thing that would make it a worse loss than was told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
from tests.rollback.half_way import CATALOG, RECORD_DIGEST, SHAPE, before_the_end
from tests.verifier.test_verify import Document, drop_edges, drop_step, step

from skylift.actions.backups import RehearseRestore
from skylift.catalog.catalog import documents
from skylift.model.backup import Written
from skylift.model.goal import Restore
from skylift.model.ids import ComponentName, Epoch
from skylift.model.record import Policy
from skylift.planning.restore import Saved
from skylift.planning.rollback import plan_rollback
from skylift.planning.text import plan_document, write_plan
from skylift.testing.samples import NOW
from skylift.testing.whole_clouds import whole_cloud
from skylift.verifier.verify import verify

NOVA = ("keystone", "placement", "nova")


@cache
def of_nova() -> str:
    """Nova was unpinned, by whoever: its three databases are restored; placement goes back by steps."""
    _, record = whole_cloud(CATALOG, NOVA, SHAPE, policy=Policy())
    cloud, undone = before_the_end(record, SHAPE)
    saved = {
        step.action.backup.database: Saved(
            step.action.backup, Epoch(NOW), step.id, (Written("instances", 3, 1, 0),)
        )
        for step in undone.plan.steps
        if isinstance(step.action, RehearseRestore)
    }
    undone = replace(undone, elsewhere=frozenset({"unpin nova"}), saved=saved)
    wanted = (ComponentName("placement"), ComponentName("nova"))
    plan = plan_rollback(
        cloud, record, undone, CATALOG, record_digest=RECORD_DIGEST, components=wanted, restore=True
    )
    assert isinstance(plan.goal, Restore)
    assert len(plan.goal.restored) == 3
    return json.dumps(plan_document(write_plan(plan)))


def nobody_consented(plan: Document) -> None:
    plan["goal"]["restored"] = [r for r in plan["goal"]["restored"] if r["backup"]["database"] != "nova_api"]


def another_backup(plan: Document) -> None:
    step(plan, "nova:restore-nova_api")["action"]["backup"]["label"] = "by-hand"


def of_another_time(plan: Document) -> None:
    step(plan, "nova:restore-nova_api")["action"]["finished"] += 3600


def another_schema(plan: Document) -> None:
    step(plan, "nova:restore-nova_api")["action"]["head"]["rows"] = ["elsewhere"]


def never_rehearsed(plan: Document) -> None:
    plan["goal"]["rehearsed"].remove("rehearse:nova_api")


def one_database_stays(plan: Document) -> None:
    drop_step(plan, "nova:restore-nova_api")


def one_database_is_not_even_named(plan: Document) -> None:
    one_database_stays(plan)
    nobody_consented(plan)


def restored_twice(plan: Document) -> None:
    again = json.loads(json.dumps(step(plan, "nova:restore-nova_api")))
    plan["steps"].append({**again, "id": "nova:restore-again"})
    like = [e for e in plan["edges"] if "nova:restore-nova_api" in {e["before"], e["after"]}]
    plan["edges"] += json.loads(json.dumps(like).replace("nova:restore-nova_api", "nova:restore-again"))


def beside_one_that_was_not_stopped(plan: Document) -> None:
    drop_edges(plan, into="nova:save", out_of="nova-compute:stop@cmp1")
    drop_edges(plan, into="nova:restore", out_of="nova-compute:stop@cmp1")


def beside_one_that_starts_early(plan: Document) -> None:
    drop_edges(plan, into="nova-", out_of="nova:restore")


def computes_start_before_conductors(plan: Document) -> None:
    drop_edges(plan, into="nova-compute:start", out_of="nova-conductor")


def a_host_is_forgotten(plan: Document) -> None:
    for verb in ("stop", "switch", "start", "healthy", "report", "close", "idle", "open"):
        name = f"nova-compute:{verb}@cmp1"
        if any(s["id"] == name for s in plan["steps"]):
            drop_step(plan, name)


def it_does_not_look(plan: Document) -> None:
    services = step(plan, "nova:restore-nova_api")["action"]["services"]
    services[:] = [s for s in services if s["unit"] != "nova-compute.service"]


def not_kept(plan: Document) -> None:
    drop_step(plan, "nova:save-nova_api")


def kept_over_the_backup(plan: Document) -> None:
    save, restore = step(plan, "nova:save-nova_api"), step(plan, "nova:restore-nova_api")
    save["action"]["label"] = restore["action"]["backup"]["label"]
    restore["action"]["kept"]["label"] = save["action"]["label"]


def kept_elsewhere(plan: Document) -> None:
    step(plan, "nova:restore-nova_api")["action"]["kept"]["folder"] = "/tmp"  # noqa: S108 - a test's own word


def kept_too_early(plan: Document) -> None:
    drop_edges(plan, into="nova:save-nova_api", out_of="nova")


def another_components(plan: Document) -> None:
    """A step of placement's that restores nova's."""
    plan["steps"] = json.loads(
        json.dumps(plan["steps"]).replace('"nova:restore-nova_api"', '"placement:restore"')
    )
    plan["edges"] = json.loads(
        json.dumps(plan["edges"]).replace('"nova:restore-nova_api"', '"placement:restore"')
    )


def witnesses_before(plan: Document) -> None:
    drop_edges(plan, into="witnesses:create", out_of="nova:verify")


def no_witnesses(plan: Document) -> None:
    drop_step(plan, "witnesses:create")


def contracted_and_not_restored(plan: Document) -> None:
    """Placement goes back by steps, and there its window has closed."""
    plan["goal"]["begun"] = sorted({*plan["goal"]["begun"], "run placement:online-migrations"})


DEFECTS: tuple[tuple[Callable[[Document], None], str], ...] = (
    (nobody_consented, "nova:restore-nova_api restores database nova_api, and nobody has consented to that"),
    (another_backup, "restores another backup of nova_api than the one that was consented to"),
    (of_another_time, "restores another backup of nova_api than the one that was consented to"),
    (another_schema, "nova:restore-nova_api expects another schema of nova_api than its backup has"),
    (never_rehearsed, "database nova_api is restored from a backup that was never rehearsed"),
    (one_database_stays, "database nova_api is to be restored, and no step does it"),
    (one_database_is_not_even_named, "nova is restored but for nova_api, and its databases belong together"),
    (restored_twice, "database nova_api is restored 2 times"),
    (beside_one_that_was_not_stopped, "may restore beside nova-compute on cmp1, which is not surely stopped"),
    (beside_one_that_starts_early, "on ctl1 may be started before nova:restore"),
    (
        computes_start_before_conductors,
        "upgrade nova-compute on cmp1 may begin before upgrade nova-conductor on ctl1 has ended",
    ),
    (a_host_is_forgotten, "may restore beside nova-compute on cmp1, which is not surely stopped"),
    (it_does_not_look, "nova:restore-nova_api does not look whether nova-compute.service on cmp1 lives"),
    (not_kept, "nova:restore-nova_api replaces database nova_api, and no step surely keeps what is there"),
    (kept_over_the_backup, "nova:restore-nova_api replaces database nova_api, and no step surely keeps"),
    (kept_elsewhere, "nova:restore-nova_api replaces database nova_api, and no step surely keeps"),
    (kept_too_early, "nova:restore-nova_api replaces database nova_api, and no step surely keeps"),
    (another_components, "placement:restore restores a database of nova"),
    (witnesses_before, "the witnesses may be made before nova:verify has ended"),
    (no_witnesses, "witnesses are made 0 times and verified 1 times, and both must be once"),
    (contracted_and_not_restored, "placement goes back after 'run placement:online-migrations' had begun"),
)


def test_a_restore_of_nova_has_nothing_against_it() -> None:
    """Issue 5, 2: a plan like any other."""
    assert verify(json.loads(of_nova()), documents()) == ()


def test_a_nova_compute_starts_when_conductors_report_for_it() -> None:
    """It reports through them. By steps they go back last, and that order would wait for ever here."""
    edges = {(edge["before"], edge["after"]) for edge in json.loads(of_nova())["edges"]}

    for conductor in ("nova-super-conductor", "nova-conductor"):
        assert (f"{conductor}:report@ctl1", "nova-compute:start@cmp1") in edges
        assert ("nova-compute:report@cmp1", f"{conductor}:start@ctl1") not in edges


@pytest.mark.parametrize(("spoil", "sentence"), DEFECTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_defect_is_refused_in_words_of_its_own(spoil: Callable[[Document], None], sentence: str) -> None:
    plan = json.loads(of_nova())

    spoil(plan)

    told = verify(plan, documents())
    assert any(sentence in violation for violation in told), "\n".join(told)


def test_no_step_of_it_can_be_left_out() -> None:
    """But for the stages: a host may have its artifact already."""
    plan = json.loads(of_nova())
    spared = []
    for name in (s["id"] for s in plan["steps"]):
        spoilt = json.loads(of_nova())
        drop_step(spoilt, name)
        if not name.startswith("stage:") and not verify(spoilt, documents()):
            spared.append(name)

    assert spared == []
