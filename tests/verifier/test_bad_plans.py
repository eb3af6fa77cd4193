"""Issue 5, section 4: bad plans of at least 40 classes of defect are all refused, and no good plan is.

A bad plan is a good one that was spoilt by chance, and does harm as the tiny cloud shows. Its class is the
way in which it was spoilt, and what of it was: an edge between two verbs, or a step of one.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from random import Random
from typing import Any

import pytest
from tests.planning.planned import planned, with_backend, with_rows
from tests.verifier.plan_mutants import KNOWN, SPOILS
from tests.verifier.plan_oracle import harm
from tests.verifier.test_plan_mutants import good_plans

from skylift.model.cloud import BackendState
from skylift.model.ids import HostName
from skylift.model.record import Policy
from skylift.planning.plan import Plan
from skylift.planning.text import plan_document, write_plan
from skylift.testing.samples import (
    COMPONENTS,
    R2023_1,
    R2024_1,
    R2025_1,
    ROWS,
    sample_cloud,
    sample_record,
)
from skylift.verifier.verify import judge

SEED = os.environ.get("SKYLIFT_SEED", "0")
"""Printed with each failure, so that it can be seen again: SKYLIFT_SEED=... pytest ..."""
PARTS = 10
BAD, CLASSES = 5_000, 40
GOOD = 1_000


def verb_of(step: str) -> str:
    """``drain`` of ``keystone:drain@ctl1``; what stands before the colon where that is the verb."""
    before, _, after = step.partition("@")[0].partition(":")
    return before if before in {"stage", "backup", "readiness", "witnesses"} else after


def spoilt_of(good: dict[str, Any], bad: dict[str, Any]) -> str:
    """What of a plan is no longer as it was: the verbs of one edge that is gone, or else of one step."""
    kept = {(e["before"], e["after"]) for e in bad["edges"]}
    gone = sorted((e["before"], e["after"]) for e in good["edges"] if (e["before"], e["after"]) not in kept)
    if len(gone) == 1:
        return " to ".join(map(verb_of, gone[0]))
    steps = {step["id"]: step for step in bad["steps"]}
    changed = sorted(step["id"] for step in good["steps"] if steps.get(step["id"]) != step)
    changed += sorted(steps.keys() - {step["id"] for step in good["steps"]})
    return verb_of(changed[0]) if changed else "several edges"


def bad_plans(part: int) -> Counter[str]:
    """A share of the bad plans, by their class.

    Raises:
        AssertionError: the verifier accepts one.
    """
    seen: Counter[str] = Counter()
    number = 0
    while seen.total() < BAD // PARTS:
        number += 1
        chance = Random(f"{SEED}.{part}.{number}")
        text, cloud = chance.choice(good_plans())
        plan, spoil = json.loads(text), chance.choice(SPOILS)
        spoil(plan, chance)
        seen_harm = harm(cloud, plan)
        if seen_harm:
            told = f"SKYLIFT_SEED={SEED}, part {part}, mutant {number}, {spoil.__name__}: {seen_harm}"
            assert judge(plan, KNOWN), told
            seen[f"{spoil.__name__}: {spoilt_of(json.loads(text), plan)}"] += 1
    return seen


@pytest.mark.parametrize("part", range(PARTS))
def test_no_bad_plan_is_accepted(part: int) -> None:
    seen = bad_plans(part)

    assert seen.total() >= BAD // PARTS
    # Each part has all classes that its share brings; so all of them together have no fewer.
    assert len(seen) >= CLASSES, sorted(seen)


def good_plan(number: int) -> Plan:
    """The planner's plan for a cloud anywhere between two releases, by chance."""
    chance = Random(f"{SEED}.good.{number}")
    start, goal = chance.choice([(R2023_1, R2024_1), (R2024_1, R2025_1)])
    components = chance.sample(COMPONENTS, chance.randint(1, 3))
    policy = Policy(batch=chance.randint(1, 3))
    record = sample_record(
        controllers=chance.randint(2, 5), components=components, release=start, policy=policy
    )
    hosts = [host.name for host in record.hosts_in("controller")]
    pairs = [(component, host) for component in record.components for host in hosts]
    upgraded = {pair for pair in pairs if chance.random() < chance.choice((0.0, 0.3, 1.0))}
    cloud = sample_cloud(record, release=start, goal=goal, upgraded=upgraded)
    for component in record.components:
        whole = all((component, host) in upgraded for host in hosts)
        if start == R2024_1 or (whole and chance.random() < 0.5):
            cloud = with_rows(cloud, component, ROWS[goal][component])
    if chance.random() < 0.3:
        component, host = chance.choice(pairs)
        cloud = with_backend(cloud, component, HostName(host), BackendState.DRAIN)
    return planned(cloud, record, goal)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_good_plan_is_refused(part: int) -> None:
    share = GOOD // PARTS
    texts: set[bytes] = set()

    for number in range(part * share, (part + 1) * share):
        text = write_plan(good_plan(number))
        assert judge(plan_document(text), KNOWN) == (), f"SKYLIFT_SEED={SEED}, good plan {number}"
        texts.add(text)

    assert len(texts) > share // 2
