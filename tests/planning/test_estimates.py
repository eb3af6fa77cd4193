"""How long a plan takes, and how that is said."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.planning.planned import sample_plan

from skylift.cli.views.plan import document, span
from skylift.model.ids import Seconds, StepId
from skylift.planning.estimate import critical_path
from skylift.planning.graph import directly_before, waits_for
from skylift.planning.plan import Estimate


@pytest.mark.parametrize(
    ("low", "likely", "high", "said"),
    [
        (0, 1, 5, "likely 1 s (0 to 5)"),
        (53, 213, 2547, "likely 4 min (1 to 43)"),
        (60, 89, 200, "likely 89 s (60 to 200)"),
    ],
)
def test_a_span_is_said_in_the_unit_of_what_is_likely(low: int, likely: int, high: int, said: str) -> None:
    assert span(Estimate(Seconds(low), Seconds(likely), Seconds(high), "a test")) == said


def test_the_longest_way_is_a_way_through_the_plan_from_its_first_step_to_its_last() -> None:
    plan = sample_plan()
    before = waits_for(plan)

    way, whole = critical_path(plan)

    assert (way[0], way[-1]) == ("witnesses:create", "witnesses:verify")
    assert all(first in before[then] for first, then in pairwise(way))
    assert whole.likely == sum(plan.step(name).estimate.likely for name in way)
    assert whole.low <= whole.likely <= whole.high


def test_what_is_directly_before_a_step_leaves_out_what_that_implies() -> None:
    plan = sample_plan()

    before = directly_before(plan)

    assert before[StepId("glance-api:start@ctl1")] == ("glance-api:switch@ctl1",)
    assert before[StepId("keystone:contract")] == ("witnesses:look",)


def test_the_document_of_a_plan_names_it_by_its_digest() -> None:
    found = document(sample_plan())

    assert found["digest"].startswith("sha256:")
    assert found["longest_way"][0] == "witnesses:create"
