"""Rules of schema changes that the catalog's data decide: none is left out, none is run again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.verifier.test_verify import GOOD, Document, add_edge, drop_step, step

from skylift.catalog.catalog import documents
from skylift.verifier.verify import verify


def expand_twice(plan: Document) -> None:
    again = copy.deepcopy(step(plan, "keystone:expand"))
    again["id"] = "keystone:expand-again"
    plan["steps"].append(again)
    add_edge(plan, "keystone:expand", "keystone:expand-again")


def expand_left_out(plan: Document) -> None:
    drop_step(plan, "glance:expand")


def rows_left_where_they_were(plan: Document) -> None:
    drop_step(plan, "glance:migrate")


def rows_left_in_the_old_form(plan: Document) -> None:
    drop_step(plan, "placement:online-migrations")


def schema_that_only_looks_arrived(plan: Document) -> None:
    drop_step(plan, "placement:sync")


def phase_that_nobody_described(plan: Document) -> None:
    step(plan, "placement:sync")["action"]["phase"] = "tidy"


def cold_phase_that_the_catalog_has_beside_old_code(plan: Document) -> None:
    step(plan, "placement:sync")["action"]["cold"] = True


def another_components_database(plan: Document) -> None:
    heads = step(plan, "keystone:expand")["action"]["heads"]
    step(plan, "glance:expand")["action"]["heads"] = heads


def another_components_units_looked_at(plan: Document) -> None:
    services = step(plan, "keystone:verify")["action"]["services"]
    step(plan, "glance:verify")["action"]["services"] = services


def hop_too_far(plan: Document) -> None:
    plan["goal"]["to"] = "2025.1"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (expand_twice, "keystone:expand-again runs expand of keystone again, after keystone:expand"),
        (expand_left_out, "glance gets new code, and no step runs glance:expand"),
        (rows_left_where_they_were, "glance gets new code, and no step runs glance:migrate"),
        (rows_left_in_the_old_form, "placement gets new code, and no step runs placement:online-migrations"),
        (schema_that_only_looks_arrived, "the schema of placement ends at 422ece571366, not at"),
        (phase_that_nobody_described, "placement:sync runs phase tidy, which no file of the catalog"),
        (
            cold_phase_that_the_catalog_has_beside_old_code,
            "placement:sync bears services beside it, and the plan says otherwise",
        ),
        (another_components_database, "glance:expand looks at database keystone, which is of keystone"),
        (another_components_units_looked_at, "unit keystone-api.service is taken for one of glance and of"),
        (hop_too_far, "2023.1 to 2025.1 is further than releases are made to work together"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_defect_is_refused_in_words_of_its_own(spoil: Callable[[Document], None], sentence: str) -> None:
    plan = copy.deepcopy(GOOD)

    spoil(plan)

    refused = verify(plan, documents())
    assert any(violation.startswith(sentence) for violation in refused), "\n".join(refused)


def test_rules_of_a_third_party_are_kept_by_every_plan() -> None:
    """A file of a component's own name takes its place: here with a rule that this plan breaks."""
    rule = {"before": "upgrade placement", "after": "upgrade keystone", "because": "x", "source": "y"}
    own: Mapping[str, Any] = next(d for d in documents() if d["name"] == "keystone")

    refused = verify(GOOD, (*documents(), {**own, "order": [rule]}))

    told = "upgrade keystone on ctl1 may begin before upgrade placement-api on ctl1 has ended (as may 8 more"
    assert [violation.startswith(told) for violation in refused] == [True]
