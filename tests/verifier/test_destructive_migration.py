"""A made-up migration that drops a column in use: the only safe order is the planner's."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
from tests.planning.planned import planned

from skylift.actions.migrate_schema import MigrateSchema
from skylift.catalog.catalog import documents
from skylift.model.cloud import Cloud, Revision
from skylift.planning.plan import Plan
from skylift.planning.text import plan_document, write_plan
from skylift.testing.samples import KEYSTONE, R2024_1, artifact_name, sample_cloud, sample_record
from skylift.verifier.verify import verify

ADDS = Revision("adds_user_enabled2", ("47147121",), (), "expand")
DROPS = Revision("drops_user_enabled", ("c88cdce8f248",), ("adds_user_enabled2",), "contract")


def destructive_plan() -> Plan:
    record = sample_record(components=(KEYSTONE,))
    cloud = sample_cloud(record)
    of = (KEYSTONE, "", artifact_name(R2024_1))
    migrations = {**cloud.migrations, of: (*cloud.migrations[of], ADDS, DROPS)}
    changed: Cloud = dataclasses.replace(cloud, migrations=migrations)
    return planned(changed, record)


def reordered(plan: Plan, *moves: tuple[str, str]) -> dict[str, Any]:
    """The plan with all that the first step of each move waited for replaced by the second."""
    document = copy.deepcopy(plan_document(write_plan(plan)))
    for name, instead in moves:
        document["edges"] = [e for e in document["edges"] if e["after"] != name]
        document["edges"].append({"before": instead, "after": name, "because": "haste", "source": "haste"})
    return document


def test_the_column_is_dropped_when_no_old_code_is_left() -> None:
    """Row 93."""
    plan = destructive_plan()

    (last,) = [step for step in plan.steps if step.no_return]

    assert last.id == "keystone:contract"
    assert isinstance(last.action, MigrateSchema)
    assert [head.rows for head in last.action.heads] == [{"drops_user_enabled"}]
    assert verify(plan_document(write_plan(plan)), documents()) == ()


@pytest.mark.parametrize(("host", "old"), [("ctl1", "ctl2 and keystone on ctl3"), ("ctl2", "ctl3")])
def test_a_contract_before_the_last_host_is_refused(host: str, old: str) -> None:
    plan = reordered(destructive_plan(), ("keystone:contract", f"keystone:undrain@{host}"))

    refused = verify(plan, documents())

    sentence = f"keystone:contract may run beside old code of keystone on {old}: old keystone still uses"
    assert any(told.startswith(sentence) for told in refused)


def test_a_contract_right_after_the_expand_is_refused() -> None:
    plan = reordered(destructive_plan(), ("keystone:contract", "keystone:expand"))

    refused = verify(plan, documents())

    assert any(
        told.startswith("keystone:contract may run beside old code of keystone on ctl1 and 2 more")
        for told in refused
    )
    assert (
        "keystone:contract has no way back, and no step looks at the witnesses before it, when all is new"
        in refused
    )


def test_new_code_before_the_expand_is_refused() -> None:
    plan = reordered(
        destructive_plan(),
        ("keystone:drain@ctl1", "stage:openstack-2024.1@ctl3"),
        ("keystone:start@ctl1", "keystone:switch@ctl1"),
    )

    refused = verify(plan, documents())

    assert any(
        told.startswith("new code of keystone on ctl1 may start before keystone:expand has ended")
        for told in refused
    )
