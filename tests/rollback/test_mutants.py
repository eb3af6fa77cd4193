"""Plans that lead back and were spoilt: what does harm on a tiny cloud, or breaks a rule, is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from tests.rollback.half_way import CATALOG, SHAPE, back_from, before_the_end, sample, told_against
from tests.verifier.plan_mutants import SPOILS, harmful_are_refused, merge_two_stages
from tests.verifier.plan_oracle import harm
from tests.verifier.test_verify import drop_step
from tests.verifier.tiny_cloud import TinyCloud, tiny_cloud

from skylift.catalog.catalog import documents
from skylift.model.ids import ComponentName, StepId
from skylift.model.record import Policy
from skylift.planning.plan import Plan
from skylift.planning.text import plan_document, write_plan
from skylift.planning.window import changed
from skylift.testing.samples import KEYSTONE
from skylift.testing.whole_clouds import whole_cloud
from skylift.verifier.verify import verify

NOVA = ("keystone", "placement", "nova")

Document = dict[str, Any]


def documented(plan: Plan) -> Document:
    return plan_document(write_plan(plan))


def of_the_sample(controllers: int) -> Document:
    """Everything is new, and nothing has ended the way back of any."""
    going = sample(controllers=controllers)
    going.run()
    return documented(going.stopped_after(going.begun_before("keystone:contract")).way_back())


@cache
def good_plans() -> tuple[tuple[str, TinyCloud], ...]:
    found = [of_the_sample(controllers) for controllers in (2, 3)]
    return tuple((json.dumps(document), tiny_cloud(document)) for document in found)


@cache
def of_nova() -> str:
    """The way back of a cloud whose nova is new everywhere."""
    _, record = whole_cloud(CATALOG, NOVA, SHAPE, policy=Policy())
    cloud, undone = before_the_end(record, SHAPE)
    return json.dumps(documented(back_from(cloud, record, undone)))


def test_the_tiny_cloud_takes_no_harm_from_good_plans() -> None:
    for text, cloud in good_plans():
        assert harm(cloud, json.loads(text)) == ""
        assert verify(json.loads(text), documents()) == ()


def test_a_way_back_that_does_harm_is_refused() -> None:
    """Of each of some hundreds, by the tiny cloud's word; it has one stage only."""
    spoils = [spoil for spoil in SPOILS if spoil is not merge_two_stages]

    harmful_are_refused(good_plans(), spoils, harmful=300, salt="back.")


def conductors_first(plan: Document) -> None:
    """As on the way up: what was upgraded first begins, and waits for nothing else."""
    kept = []
    for e in plan["edges"]:
        inside = [end.startswith("nova-conductor:") for end in (e["before"], e["after"])]
        if inside != [False, True] or e["before"].startswith("stage:"):
            kept.append(e)
    plan["edges"] = kept


def no_lowered_row(plan: Document) -> None:
    drop_step(plan, "nova-conductor:lower@ctl1")


def another_version(plan: Document) -> None:
    step = next(s for s in plan["steps"] if s["id"] == "nova-conductor:lower@ctl1")
    step["action"]["version"] = 61


def lowered_while_it_runs(plan: Document) -> None:
    """Before the stop, not after it."""
    for e in plan["edges"]:
        if e["after"] == "nova-conductor:lower@ctl1":
            e["before"] = "witnesses:create"


def unpinned_by_now(plan: Document) -> None:
    plan["goal"]["begun"] = sorted({*plan["goal"]["begun"], "unpin nova"})


def migrated_by_now(plan: Document) -> None:
    plan["goal"]["begun"] = sorted({*plan["goal"]["begun"], "run nova:online-migrations"})


def contracted_by_whoever(plan: Document) -> None:
    """No journal tells of it, but the database does."""
    name = next(fact for fact in plan["facts"] if fact.startswith("beyond keystone "))
    plan["facts"][name] = "contract expand"


def nova_stays(plan: Document) -> None:
    """Placement goes back under a nova that relies on it at its newest."""
    gone = {s["id"] for s in plan["steps"] if s["id"].startswith("nova")}
    plan["steps"] = [s for s in plan["steps"] if s["id"] not in gone]
    plan["edges"] = [e for e in plan["edges"] if not {e["before"], e["after"]} & gone]
    plan["goal"]["components"] = ["keystone", "placement"]


def more_than_is_named(plan: Document) -> None:
    plan["goal"]["components"] = ["keystone", "placement"]


def a_schema_goes_too(plan: Document) -> None:
    like = plan["steps"][0]
    heads = next(s for s in plan["steps"] if s["id"] == "keystone:verify")["action"]["heads"]
    action = {
        "kind": "migrate-schema",
        "host": "ctl1",
        "component": "keystone",
        "phase": "contract",
        "command": {"argv": ["/x/keystone-manage"], "user": "keystone", "env": []},
        "heads": heads,
        "destructive": True,
        "cold": False,
    }
    plan["steps"].append({**like, "id": "keystone:contract", "stage": "converge", "action": action})


def not_closed_before_its_stop(plan: Document) -> None:
    drop_step(plan, "nova-compute:close@cmp1")


def nobody_parked(plan: Document) -> None:
    drop_step(plan, "nova-conductor:park@ctl1")


def conductors_together(plan: Document) -> None:
    """The second host of a service does not wait for the first."""
    plan["edges"] = [
        e for e in plan["edges"] if not (e["before"].endswith("@ctl1") and e["after"].endswith("@ctl2"))
    ]


def further_than_releases_live_together(plan: Document) -> None:
    plan["source"] = "2026.1"


DEFECTS: tuple[tuple[Callable[[Document], None], str], ...] = (
    (conductors_first, "nova-conductor on ctl1 may begin before"),
    (no_lowered_row, "nova-conductor on ctl1 is never let tell of its old version"),
    (another_version, "lets a row tell of version 61"),
    (
        lowered_while_it_runs,
        "nova-conductor on ctl1 may be let tell of its old version before it is switched",
    ),
    (unpinned_by_now, "nova goes back after 'unpin nova' had begun"),
    (migrated_by_now, "nova goes back after 'run nova:online-migrations' had begun"),
    (contracted_by_whoever, "keystone goes back after 'run keystone:contract' had begun"),
    (nova_stays, "placement goes back while nova stays new"),
    (more_than_is_named, "which is not among what goes back"),
    (a_schema_goes_too, "keystone:contract changes a schema, and a way back only turns services over"),
    (not_closed_before_its_stop, "nova-compute on cmp1 is never closed to new work"),
    (nobody_parked, "nova-api, which no step surely parks before it"),
    (conductors_together, "may be out of use on all its hosts at once"),
    (further_than_releases_live_together, "is further than releases are made to work together"),
)


def test_the_way_back_of_nova_has_nothing_against_it() -> None:
    assert verify(json.loads(of_nova()), documents()) == ()


@pytest.mark.parametrize(("spoil", "sentence"), DEFECTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_defect_is_refused_in_words_of_its_own(spoil: Callable[[Document], None], sentence: str) -> None:
    plan = json.loads(of_nova())

    spoil(plan)

    told = verify(plan, documents())
    assert any(sentence in violation for violation in told), "\n".join(told)


def test_no_step_of_a_turn_can_be_left_out() -> None:
    plan = json.loads(of_nova())
    turns = [s["id"] for s in plan["steps"] if s["id"].partition(":")[2].count("@")]
    spared = []
    for name in (name for name in turns if not name.startswith("stage:")):
        spoilt = json.loads(of_nova())
        drop_step(spoilt, name)
        if not verify(spoilt, documents()):
            spared.append(name)

    assert len(turns) > 80
    assert spared == []


def test_an_upgrade_that_unpins_before_all_is_new_is_refused() -> None:
    """It would end the way back of whatever was upgraded before."""
    _, record = whole_cloud(CATALOG, ("keystone", "cinder", "glance"), SHAPE, policy=Policy())
    plan = documented(before_the_end(record, SHAPE)[1].plan)
    early = json.loads(json.dumps(plan))
    early["edges"] = [
        e for e in early["edges"] if e["before"] != "witnesses:look" or not e["after"].startswith("cinder")
    ]

    told = verify(early, documents())

    assert verify(plan, documents()) == ()
    assert any("may end a way back before glance-api on ctl1 serves new code" in each for each in told), told


def test_a_run_that_only_contracted_has_turned_nothing_over() -> None:
    """Its component had new code everywhere when it began: that is not this run's to take back."""
    going = sample(controllers=2, components=(KEYSTONE,))
    only = frozenset(step.id for step in going.plan.steps if step.id == "keystone:contract")

    assert only
    assert changed(going.plan, only) == frozenset()
    assert changed(going.plan, [StepId("keystone:drain@ctl1")]) == {KEYSTONE}


def test_a_part_of_a_run_is_judged_as_a_part() -> None:
    """What is not to go back may stay as it is, a backend that is out of its pool included."""
    going = sample(controllers=2)
    going.run()
    half_way = going.stopped_after(going.begun_before("keystone:contract"))

    plan = half_way.way_back(ComponentName("placement"))

    assert told_against(plan) == ()
