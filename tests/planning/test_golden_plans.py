"""Golden plans: a change of the planner without a change here changed nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.planning.planned import planned, sample_plan, with_backend, with_rows

from skylift.catalog.catalog import load
from skylift.cli.views import why as why_view
from skylift.cli.views.plan import lines
from skylift.model.cloud import BackendState
from skylift.model.ids import HostName, StepId
from skylift.model.record import Policy
from skylift.planning.plan import Plan
from skylift.planning.text import write_plan
from skylift.planning.why import why
from skylift.testing.samples import (
    COMPONENTS,
    EXPANDED_2024_1,
    GLANCE,
    KEYSTONE,
    PLACEMENT,
    R2024_1,
    R2025_1,
    sample_cloud,
    sample_record,
)

HOSTS = tuple(HostName(f"ctl{n}") for n in (1, 2, 3))


def whole_upgrade() -> Plan:
    return sample_plan()


def same_schema() -> Plan:
    record = sample_record(release=R2024_1)
    return planned(sample_cloud(record, release=R2024_1, goal=R2025_1), record, R2025_1)


def keystone_half_way() -> Plan:
    """Keystone runs new code on two hosts; the third was drained when somebody stopped."""
    record = sample_record()
    cloud = sample_cloud(record, upgraded={(KEYSTONE, HOSTS[0]), (KEYSTONE, HOSTS[1])})
    return planned(with_backend(cloud, KEYSTONE, HOSTS[2], BackendState.DRAIN), record)


def only_contract_left() -> Plan:
    record = sample_record()
    cloud = sample_cloud(record, upgraded={(name, host) for name in COMPONENTS for host in HOSTS})
    return planned(cloud, record)


def expanded_and_no_more() -> Plan:
    record = sample_record(components=(GLANCE, PLACEMENT))
    cloud = sample_cloud(record)
    for name in (GLANCE, PLACEMENT):
        cloud = with_rows(cloud, name, EXPANDED_2024_1[name])
    return planned(cloud, record)


def two_at_a_time() -> Plan:
    record = sample_record(controllers=5, components=(KEYSTONE,), policy=Policy(batch=2))
    return planned(sample_cloud(record), record)


CASES: tuple[Callable[[], Plan], ...] = (
    whole_upgrade,
    same_schema,
    keystone_half_way,
    only_contract_left,
    expanded_and_no_more,
    two_at_a_time,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.__name__))
def test_a_plan_reads_as_it_was_reviewed(
    case: Callable[[], Plan], golden: Callable[[str, bytes], None]
) -> None:
    """Row 11: timing, order and impact are shown before any change."""
    plan = case()

    text = "\n".join(lines(plan)) + "\n"

    golden(f"{case.__name__}/plan.txt", text.encode())


def test_a_plan_file_has_the_bytes_that_were_reviewed(golden: Callable[[str, bytes], None]) -> None:
    """Row 4: the same input gives the same bytes, on every machine and for good."""
    plan = sample_plan(controllers=2, components=(GLANCE,))

    golden("glance_on_two/plan.json", write_plan(plan))


@pytest.mark.parametrize(
    "step",
    [
        "keystone:contract",
        "placement:online-migrations",
        "glance-api:start@ctl1",
        "placement-api:drain@ctl1",
    ],
)
def test_a_step_says_why_it_is_where_it_is(step: str, golden: Callable[[str, bytes], None]) -> None:
    text = "\n".join(why_view.lines(why(whole_upgrade(), StepId(step), load()))) + "\n"

    golden(f"why/{step.replace(':', '-')}.txt", text.encode())


def test_what_is_done_already_is_not_planned_again() -> None:
    """Row 57: a cloud that only lacks its contract gets no step that touches a service."""
    plan = only_contract_left()

    assert [step.id for step in plan.steps] == [
        "witnesses:create",
        "backup:keystone",
        "rehearse:keystone",
        "backup:glance",
        "rehearse:glance",
        "witnesses:look",
        "keystone:contract",
        "glance:contract",
        "keystone:verify",
        "glance:verify",
        "witnesses:verify",
    ]
