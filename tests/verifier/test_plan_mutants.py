"""Plans that were spoilt by chance: what a tiny cloud shows to do harm, the verifier refuses."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tests.planning.planned import planned, sample_plan
from tests.verifier.plan_mutants import SPOILS, harmful_are_refused
from tests.verifier.plan_oracle import harm
from tests.verifier.tiny_cloud import TinyCloud, tiny_cloud

from skylift.catalog.catalog import documents
from skylift.model.ids import HostName
from skylift.model.record import Policy
from skylift.planning.plan import Plan
from skylift.planning.text import plan_document, write_plan
from skylift.testing.samples import GLANCE, KEYSTONE, R2024_1, R2025_1, sample_cloud, sample_record
from skylift.verifier.verify import verify


def two_at_a_time() -> Plan:
    record = sample_record(controllers=4, components=(KEYSTONE, GLANCE), policy=Policy(batch=2))
    return planned(sample_cloud(record), record)


def half_way() -> Plan:
    record = sample_record()
    upgraded = [(KEYSTONE, HostName(f"ctl{n}")) for n in (1, 2, 3)] + [(GLANCE, HostName("ctl1"))]
    return planned(sample_cloud(record, upgraded=upgraded), record)


def no_schema_to_change() -> Plan:
    record = sample_record(controllers=2, release=R2024_1)
    return planned(sample_cloud(record, release=R2024_1, goal=R2025_1), record, R2025_1)


@cache
def good_plans() -> tuple[tuple[str, TinyCloud], ...]:
    """Each as its text, with the tiny cloud that it is for."""
    plans = (
        sample_plan(),
        sample_plan(controllers=2, components=(KEYSTONE, GLANCE)),
        two_at_a_time(),
        half_way(),
        no_schema_to_change(),
    )
    found = [plan_document(write_plan(plan)) for plan in plans]
    return tuple((json.dumps(document), tiny_cloud(document)) for document in found)


def closure(plan: dict[str, Any]) -> set[tuple[str, str]]:
    """Every pair of steps of which one surely ends before the other starts."""
    after: dict[str, set[str]] = {step["id"]: set() for step in plan["steps"]}
    for edge in plan["edges"]:
        after[edge["before"]].add(edge["after"])
    pairs: set[tuple[str, str]] = set()
    for name in after:
        left, seen = [name], set[str]()
        while left:
            fresh = after[left.pop()] - seen
            seen |= fresh
            left += fresh
        pairs |= {(name, other) for other in seen}
    return pairs


def test_the_tiny_cloud_takes_no_harm_from_good_plans() -> None:
    for text, cloud in good_plans():
        assert harm(cloud, json.loads(text)) == ""
        assert verify(json.loads(text), documents()) == ()


def test_a_plan_that_does_harm_is_refused() -> None:
    """Of each of a thousand, by the tiny cloud's word."""
    harmful_are_refused(good_plans(), SPOILS, harmful=1_000)


def test_a_plan_without_a_needless_edge_is_accepted_as_before() -> None:
    text, _ = good_plans()[0]
    accepted = 0
    for number in range(len(json.loads(text)["edges"])):
        plan = json.loads(text)
        plan["edges"].pop(number)
        if closure(plan) == closure(json.loads(text)):
            accepted += verify(plan, documents()) == ()
        else:
            accepted += 1

    assert accepted == len(json.loads(text)["edges"])
