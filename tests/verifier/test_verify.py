"""The verifier refuses every defect it should know, each with its own sentence."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.planning.planned import sample_plan

from skylift.catalog.catalog import documents
from skylift.planning.text import plan_document, write_plan
from skylift.verifier.verify import verify

Document = dict[str, Any]
GOOD = plan_document(write_plan(sample_plan()))


def step(plan: Document, name: str) -> Document:
    found: Document = next(s for s in plan["steps"] if s["id"] == name)
    return found


def drop_edges(plan: Document, *, into: str, out_of: str = "") -> None:
    plan["edges"] = [
        e for e in plan["edges"] if not (e["after"].startswith(into) and e["before"].startswith(out_of))
    ]


def add_edge(plan: Document, before: str, after: str) -> None:
    plan["edges"].append({"before": before, "after": after, "because": "a test", "source": "a test"})


def drop_step(plan: Document, name: str) -> None:
    """Take a step out and let what waited for it wait for what it waited for."""
    before = [e["before"] for e in plan["edges"] if e["after"] == name]
    after = [e["after"] for e in plan["edges"] if e["before"] == name]
    plan["steps"] = [s for s in plan["steps"] if s["id"] != name]
    plan["edges"] = [e for e in plan["edges"] if name not in {e["before"], e["after"]}]
    for first in before:
        for then in after:
            add_edge(plan, first, then)


def stop_without_drain(plan: Document) -> None:
    drop_step(plan, "keystone:drain@ctl2")


def stop_before_quiet(plan: Document) -> None:
    drop_edges(plan, into="glance-api:stop@ctl1", out_of="glance-api:quiet@ctl1")
    add_edge(plan, "glance-api:drain@ctl1", "glance-api:stop@ctl1")


def switch_while_running(plan: Document) -> None:
    drop_edges(plan, into="keystone:switch@ctl3")
    add_edge(plan, "keystone:drain@ctl3", "keystone:switch@ctl3")


def start_before_switch(plan: Document) -> None:
    drop_edges(plan, into="keystone:start@ctl3", out_of="keystone:switch")


def undrain_before_warm_up(plan: Document) -> None:
    drop_edges(plan, into="placement-api:undrain@ctl1")
    add_edge(plan, "placement-api:start@ctl1", "placement-api:undrain@ctl1")


def never_warmed_up(plan: Document) -> None:
    drop_step(plan, "keystone:warm-up@ctl2")


def never_undrained(plan: Document) -> None:
    drop_step(plan, "glance-api:undrain@ctl2")


def taken_down_twice(plan: Document) -> None:
    again = copy.deepcopy(step(plan, "glance-api:stop@ctl2"))
    again["id"] = "glance-api:halt@ctl2"
    plan["steps"].append(again)
    add_edge(plan, "glance-api:undrain@ctl2", "glance-api:halt@ctl2")
    add_edge(plan, "glance-api:halt@ctl2", "glance:verify")


def two_out_at_once(plan: Document) -> None:
    drop_edges(plan, into="keystone:drain@ctl3")
    add_edge(plan, "keystone:undrain@ctl1", "keystone:drain@ctl3")


def all_out_at_once(plan: Document) -> None:
    plan["facts"]["policy batch"] = "3"
    for host in ("ctl2", "ctl3"):
        drop_edges(plan, into=f"keystone:drain@{host}")
        add_edge(plan, "placement:sync", f"keystone:drain@{host}")


def forgotten_host(plan: Document) -> None:
    for verb in ("drain", "quiet", "stop", "switch", "start", "healthy", "warm-up", "undrain"):
        drop_step(plan, f"placement-api:{verb}@ctl2")


def forgotten_component(plan: Document) -> None:
    names = [s["id"] for s in plan["steps"] if s["id"].startswith("placement")]
    for name in names:
        drop_step(plan, name)


def upgraded_already(plan: Document) -> None:
    path = step(plan, "keystone:verify")["action"]["path"]
    plan["facts"]["artifact keystone ctl1"] = plan["facts"]["link keystone ctl1"] = path


def left_out_for_good(plan: Document) -> None:
    plan["facts"]["backend mariadb/ctl2"] = "drain"


def glance_before_keystone(plan: Document) -> None:
    drop_edges(plan, into="glance-api:drain@ctl1")
    add_edge(plan, "placement:sync", "glance-api:drain@ctl1")


def new_code_before_expand(plan: Document) -> None:
    drop_edges(plan, into="keystone:start@ctl1", out_of="keystone:expand")
    drop_edges(plan, into="keystone:drain@ctl1", out_of="placement:sync")


def new_code_before_migrate(plan: Document) -> None:
    drop_edges(plan, into="glance-api:start", out_of="glance:migrate")
    drop_edges(plan, into="placement:sync", out_of="glance:migrate")
    add_edge(plan, "glance:expand", "placement:sync")


def migrate_before_expand(plan: Document) -> None:
    drop_edges(plan, into="glance:migrate")
    add_edge(plan, "keystone:expand", "glance:migrate")


def contract_early(plan: Document) -> None:
    drop_edges(plan, into="glance:contract")
    drop_edges(plan, into="keystone:contract")
    add_edge(plan, "keystone:undrain@ctl3", "keystone:contract")
    add_edge(plan, "glance-api:undrain@ctl2", "glance:contract")


def contract_hidden(plan: Document) -> None:
    step(plan, "keystone:contract")["action"]["destructive"] = False


def contract_in_the_wrong_stage(plan: Document) -> None:
    step(plan, "keystone:contract")["stage"] = "verify"


def expand_without_backup(plan: Document) -> None:
    """The next backup does not wait for it either."""
    drop_edges(plan, into="keystone:expand", out_of="rehearse:keystone")
    drop_edges(plan, into="backup:glance", out_of="rehearse:keystone")
    drop_edges(plan, into="rehearse:keystone", out_of="backup:keystone")


def rehearsed_too_late(plan: Document) -> None:
    drop_edges(plan, into="keystone:expand", out_of="rehearse:keystone")
    drop_edges(plan, into="backup:glance", out_of="rehearse:keystone")
    add_edge(plan, "backup:keystone", "keystone:expand")


def rehearsed_before_it_is_made(plan: Document) -> None:
    drop_edges(plan, into="rehearse:placement")


def another_file_is_rehearsed(plan: Document) -> None:
    step(plan, "rehearse:keystone")["action"]["backup"]["label"] = "by-hand"


def backup_of_the_wrong_database(plan: Document) -> None:
    step(plan, "backup:glance")["action"]["database"] = "keystone"


def never_asked(plan: Document) -> None:
    drop_step(plan, "readiness:glance")


def asked_late(plan: Document) -> None:
    drop_edges(plan, into="keystone:expand", out_of="readiness:")
    drop_edges(plan, into="glance:expand", out_of="readiness:")
    add_edge(plan, "readiness:placement", "keystone:drain@ctl1")


def asked_of_an_unverified_artifact(plan: Document) -> None:
    drop_edges(plan, into="readiness:keystone", out_of="stage:")
    add_edge(plan, "witnesses:create", "readiness:keystone")


def never_staged(plan: Document) -> None:
    drop_step(plan, "stage:openstack-2024.1@ctl3")


def staged_late(plan: Document) -> None:
    drop_edges(plan, into="keystone:drain", out_of="stage:openstack-2024.1@ctl3")
    add_edge(plan, "stage:openstack-2024.1@ctl3", "glance-api:drain@ctl1")


def another_goal(plan: Document) -> None:
    step(plan, "keystone:switch@ctl2")["action"]["new"] = "/opt/openstack/artifacts/2023.1"


def content_with_old_code(plan: Document) -> None:
    step(plan, "keystone:healthy@ctl2")["action"]["path"] = "/opt/openstack/artifacts/2023.1"


def a_way_back_to_nowhere(plan: Document) -> None:
    step(plan, "keystone:switch@ctl2")["action"]["old"] = "/opt/openstack/artifacts/2022.2"


def command_of_the_old_artifact(plan: Document) -> None:
    argv = step(plan, "keystone:expand")["action"]["command"]["argv"]
    argv[0] = "/opt/openstack/artifacts/2023.1/bin/keystone-manage"


def schema_that_stays_behind(plan: Document) -> None:
    drop_step(plan, "glance:contract")


def content_with_an_old_schema(plan: Document) -> None:
    step(plan, "placement:verify")["action"]["heads"][0]["rows"] = ["422ece571366"]


def verified_too_early(plan: Document) -> None:
    drop_edges(plan, into="keystone:verify")
    add_edge(plan, "keystone:undrain@ctl3", "keystone:verify")


def verified_on_some_hosts(plan: Document) -> None:
    step(plan, "keystone:verify")["action"]["services"][0]["hosts"] = ["ctl1", "ctl2"]


def never_verified(plan: Document) -> None:
    drop_step(plan, "glance:verify")


def a_name_that_lies(plan: Document) -> None:
    step(plan, "keystone:stop@ctl2")["action"]["host"] = "ctl3"


def another_components_pool(plan: Document) -> None:
    for verb in ("drain", "quiet", "undrain"):
        step(plan, f"glance-api:{verb}@ctl1")["action"]["pool"] = "keystone"


def silent_about_impact(plan: Document) -> None:
    step(plan, "glance-api:stop@ctl1")["impact"] = {"notice": "none", "api": ""}


def figures_upside_down(plan: Document) -> None:
    step(plan, "glance-api:stop@ctl1")["estimate"].update(low=9, likely=5)


def without_a_deadline(plan: Document) -> None:
    step(plan, "glance-api:stop@ctl1")["deadline"] = 0


def a_phase_without_a_place(plan: Document) -> None:
    step(plan, "placement:sync")["stage"] = "prepare"


def stages_turned_round(plan: Document) -> None:
    step(plan, "keystone:expand")["stage"] = "verify"


def cycle(plan: Document) -> None:
    add_edge(plan, "keystone:undrain@ctl3", "keystone:drain@ctl1")


def duplicate(plan: Document) -> None:
    plan["steps"].append(step(plan, "keystone:start@ctl1"))


def edge_to_nowhere(plan: Document) -> None:
    add_edge(plan, "keystone:undrain@ctl3", "keystone:polish")


def edge_without_a_reason(plan: Document) -> None:
    plan["edges"][0]["because"] = ""


def unknown_kind(plan: Document) -> None:
    step(plan, "keystone:stop@ctl1")["action"]["kind"] = "unplug-host"


def unknown_stage(plan: Document) -> None:
    step(plan, "keystone:stop@ctl1")["stage"] = "later"


def no_edges(plan: Document) -> None:
    del plan["edges"]


def an_action_without_its_pool(plan: Document) -> None:
    del step(plan, "keystone:drain@ctl1")["action"]["pool"]


DEFECTS: tuple[tuple[Callable[[Document], None], str], ...] = (
    (stop_without_drain, "keystone on ctl2 is never drained"),
    (stop_before_quiet, "glance-api on ctl1 may be stopped before it is quiet"),
    (switch_while_running, "keystone on ctl3 may be switched before it is stopped"),
    (start_before_switch, "keystone on ctl3 may be started before it is switched"),
    (undrain_before_warm_up, "placement-api on ctl1 may be undrained before it is warmed up"),
    (never_warmed_up, "keystone on ctl2 is never warmed up"),
    (never_undrained, "glance-api on ctl2 is never undrained"),
    (taken_down_twice, "glance-api on ctl2 is stopped twice"),
    (two_out_at_once, "2 backends of pool keystone may be out at once, and policy.batch allows 1"),
    (all_out_at_once, "pool keystone may be left without a backend: 3 of 3"),
    (forgotten_host, "placement-api on ctl2 runs /opt/openstack/artifacts/2023.1, and no step switches it"),
    (forgotten_component, "placement-api on ctl1 runs /opt/openstack/artifacts/2023.1, and no step switches"),
    (upgraded_already, "keystone on ctl1 runs /opt/openstack/artifacts/2024.1 already and is restarted"),
    (left_out_for_good, "ctl2 was out of pool mariadb (drain), and no step lets it back"),
    (
        glance_before_keystone,
        "upgrade glance-api on ctl1 may begin before upgrade keystone on ctl1 has ended",
    ),
    (new_code_before_expand, "new code of keystone on ctl1 may start before keystone:expand has ended"),
    (new_code_before_migrate, "new code of glance-api on ctl1 and 2 more may start before glance:migrate"),
    (migrate_before_expand, "glance:migrate may run before glance:expand has ended"),
    (contract_early, "glance:contract may run beside old code of glance-api on ctl3"),
    (contract_hidden, "keystone:contract removes what old code uses and is not marked"),
    (contract_in_the_wrong_stage, "keystone:contract has no way back and is in stage verify"),
    (expand_without_backup, "keystone:expand changes database keystone, and no backup of it"),
    (rehearsed_too_late, "keystone:expand changes database keystone, and no restore of it was surely"),
    (
        rehearsed_before_it_is_made,
        "rehearse:placement restores a backup that no step has surely made by then",
    ),
    (another_file_is_rehearsed, "rehearse:keystone restores a backup that no step has surely made by then"),
    (backup_of_the_wrong_database, "glance:expand changes database glance, and no backup of it"),
    (never_asked, "glance is upgraded and never asked whether it is ready"),
    (asked_late, "keystone:expand may change something before readiness:keystone has been answered"),
    (asked_of_an_unverified_artifact, "readiness:keystone may ask an artifact that stage:"),
    (never_staged, "keystone on ctl3 is switched to an artifact that no step stages"),
    (staged_late, "keystone:stop@ctl1 may stop a service before stage:openstack-2024.1@ctl3"),
    (another_goal, "keystone:switch@ctl2 switches to /opt/openstack/artifacts/2023.1, but keystone is"),
    (content_with_old_code, "keystone:healthy@ctl2 is content with /opt/openstack/artifacts/2023.1"),
    (a_way_back_to_nowhere, "keystone:switch@ctl2 would go back to /opt/openstack/artifacts/2022.2"),
    (command_of_the_old_artifact, "keystone:expand runs /opt/openstack/artifacts/2023.1/bin/keystone-man"),
    (schema_that_stays_behind, "the schema of glance ends at 2023_1_contract01 2024_1_expand01, not at"),
    (content_with_an_old_schema, "placement:verify is content with schema 422ece571366"),
    (verified_too_early, "keystone:verify may judge before keystone:contract has ended"),
    (verified_on_some_hosts, "keystone:verify does not look at ctl3"),
    (never_verified, "glance is changed and never verified"),
    (a_name_that_lies, "step keystone:stop@ctl2 acts on ctl3, not on the host in its name"),
    (another_components_pool, "pool keystone is acted on by steps of glance-api and keystone"),
    (silent_about_impact, "glance-api:stop@ctl1 leaves glance one backend short and does not say so"),
    (figures_upside_down, "the estimate of glance-api:stop@ctl1 is out of order: 9, 5, 30"),
    (without_a_deadline, "glance-api:stop@ctl1 has no deadline"),
    (
        a_phase_without_a_place,
        "placement:sync is in stage prepare, and belongs to expand or control-plane",
    ),
    (stages_turned_round, "(stage verify)"),
    (cycle, "these steps wait for each other"),
    (duplicate, "step keystone:start@ctl1 is in the plan 2 times"),
    (edge_to_nowhere, "names keystone:polish, which is no step of the plan"),
    (edge_without_a_reason, "does not say why, or who says so"),
    (unknown_kind, "step keystone:stop@ctl1 is of kind unplug-host, which this verifier cannot judge"),
    (unknown_stage, "is in stage later, which is no stage of a plan"),
    (no_edges, "the document is no plan: 'edges' is missing or malformed"),
    (an_action_without_its_pool, "the document is no plan: it lacks 'pool'"),
)


@pytest.mark.parametrize(("spoil", "sentence"), DEFECTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_defect_is_refused_in_words_of_its_own(spoil: Callable[[Document], None], sentence: str) -> None:
    """Row 93 and the order rules: each spoilt plan is refused for what is wrong with it."""
    plan = copy.deepcopy(GOOD)

    spoil(plan)

    assert any(sentence in violation for violation in verify(plan, documents())), "\n".join(
        verify(plan, documents())
    )


def test_a_good_plan_has_nothing_against_it() -> None:
    assert verify(GOOD, documents()) == ()


def test_an_empty_plan_for_a_whole_cloud_is_accepted() -> None:
    plan = copy.deepcopy(GOOD)
    plan.update(steps=[], edges=[])

    assert verify(plan, documents()) == ()


@pytest.mark.parametrize("text", ["{}", '{"steps": 3, "edges": []}', '{"steps": [], "edges": []}'])
def test_what_is_no_plan_is_refused_and_breaks_nothing(text: str) -> None:
    refused = verify(json.loads(text), documents())

    assert len(refused) == 1
    assert "no plan" in refused[0]
