"""What holds for every plan of every cloud: order, batches, the same bytes, and the verifier's consent."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.planned import Site, planned, sites

from skylift.actions.backend_traffic import DrainBackend, UndrainBackend
from skylift.catalog.catalog import documents
from skylift.model.cloud import Cloud
from skylift.model.ids import StepId
from skylift.model.record import Record
from skylift.planning.graph import in_order, waits_for
from skylift.planning.plan import Plan
from skylift.planning.text import plan_document, read_plan, write_plan
from skylift.testing.samples import sample_cloud, sample_record
from skylift.verifier.verify import verify

K = TypeVar("K")
V = TypeVar("V")

ENOUGH = settings(max_examples=40)


@given(site=sites())
@ENOUGH
def test_the_verifier_accepts_every_plan_of_the_planner(site: Site) -> None:
    plan = planned(*site)

    assert verify(plan_document(write_plan(plan)), documents()) == ()


@given(site=sites())
@ENOUGH
def test_steps_are_listed_in_an_order_that_their_edges_allow(site: Site) -> None:
    plan = planned(*site)

    listed = [step.id for step in plan.steps]

    assert sorted(in_order(plan)) == sorted(listed)
    assert all(listed.index(e.before) < listed.index(e.after) for e in plan.edges)


@given(site=sites())
@ENOUGH
def test_every_edge_says_why_and_who_says_so(site: Site) -> None:
    plan = planned(*site)

    assert all(edge.because and edge.source for edge in plan.edges)


@given(site=sites(), chance=st.randoms(use_true_random=False))
@ENOUGH
def test_the_same_cloud_in_another_order_gives_the_same_bytes(site: Site, chance: Random) -> None:
    """Row 4."""
    cloud, record, goal = site

    other = planned(shuffled_cloud(cloud, chance), shuffled_record(record, chance), goal)

    assert write_plan(other) == write_plan(planned(cloud, record, goal))


@given(site=sites())
@ENOUGH
def test_a_plan_file_is_read_back_as_it_was(site: Site) -> None:
    plan = planned(*site)

    assert read_plan(write_plan(plan)) == plan


@given(site=sites(), chance=st.randoms(use_true_random=False))
@ENOUGH
def test_whatever_runs_first_an_api_keeps_a_backend_and_its_batch(site: Site, chance: Random) -> None:
    """Row 87: played with any number of hands and any luck, never more than a batch is out."""
    cloud, record, goal = site
    plan = planned(cloud, record, goal)

    for out in played(plan, chance):
        assert all(number <= record.policy.batch for number in out.values())
        assert all(number < len(record.hosts_in("controller")) for number in out.values())


def test_three_by_three_is_planned_in_less_than_a_second_of_cpu() -> None:
    record = sample_record()
    cloud = sample_cloud(record)
    start = time.process_time()

    plan = planned(cloud, record)
    refused = verify(plan_document(write_plan(plan)), documents())

    assert not refused
    assert time.process_time() - start < 1


@pytest.mark.parametrize("controllers", [100])
def test_a_hundred_hosts_are_planned_and_verified_in_seconds(controllers: int) -> None:
    record = sample_record(controllers=controllers)
    cloud = sample_cloud(record)
    start = time.process_time()

    plan = planned(cloud, record)
    refused = verify(plan_document(write_plan(plan)), documents())

    assert len(plan.steps) > 7 * 3 * controllers
    assert not refused
    assert time.process_time() - start < 10


def played(plan: Plan, chance: Random) -> list[Counter[str]]:
    """How many backends of each pool are out after each start or end of a step, in a run by chance."""
    before = waits_for(plan)
    actions = {step.id: step.action for step in plan.steps}
    todo, running, done = list(actions), list[StepId](), set[StepId]()
    out: Counter[str] = Counter()
    seen: list[Counter[str]] = []
    while todo or running:
        ready = [name for name in todo if before[name] <= done]
        if ready and (not running or chance.random() < 0.6):
            started = chance.choice(ready)
            todo.remove(started)
            running.append(started)
            if isinstance(action := actions[started], DrainBackend):
                out[action.pool] += 1
        else:
            ended = chance.choice(running)
            running.remove(ended)
            done.add(ended)
            if isinstance(action := actions[ended], UndrainBackend):
                out[action.pool] = max(0, out[action.pool] - 1)
        seen.append(Counter(out))
    return seen


def shuffled_cloud(cloud: Cloud, chance: Random) -> Cloud:
    return dataclasses.replace(
        cloud,
        hosts=_shuffled(cloud.hosts, chance),
        units=_shuffled(cloud.units, chance),
        schemas=_shuffled(cloud.schemas, chance),
        migrations={
            of: tuple(chance.sample(revisions, len(revisions)))
            for of, revisions in _shuffled(cloud.migrations, chance).items()
        },
        backends=tuple(chance.sample(cloud.backends, len(cloud.backends))),
        endpoints=tuple(chance.sample(cloud.endpoints, len(cloud.endpoints))),
    )


def shuffled_record(record: Record, chance: Random) -> Record:
    return dataclasses.replace(
        record,
        hosts=_shuffled(record.hosts, chance),
        artifacts=_shuffled(record.artifacts, chance),
        components=_shuffled(record.components, chance),
    )


def _shuffled(items: Mapping[K, V], chance: Random) -> dict[K, V]:
    return {key: items[key] for key in chance.sample(list(items), len(items))}
