"""The verifier refuses a plan that does not look at users' resources when it has to."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from tests.verifier.test_verify import GOOD, Document, add_edge, drop_edges, drop_step

from skylift.catalog.catalog import documents
from skylift.verifier.verify import verify


def no_look_before_no_return(plan: Document) -> None:
    drop_step(plan, "witnesses:look")


def no_look_between_components(plan: Document) -> None:
    drop_step(plan, "witnesses:look-2")


def a_look_before_what_it_judges(plan: Document) -> None:
    drop_edges(plan, into="witnesses:look-1")
    add_edge(plan, "placement:sync", "witnesses:look-1")


def no_witnesses(plan: Document) -> None:
    drop_step(plan, "witnesses:create")


def witnesses_too_late(plan: Document) -> None:
    drop_edges(plan, into="backup:keystone", out_of="witnesses:create")


def witnesses_judged_too_early(plan: Document) -> None:
    drop_edges(plan, into="witnesses:verify", out_of="glance:verify")


DEFECTS = (
    (no_look_before_no_return, "keystone:contract has no way back, and no step looks at the witnesses"),
    (
        no_look_between_components,
        "placement-api on ctl1 gets new code after glance-api on ctl1, and no step looks at the witnesses",
    ),
    (
        a_look_before_what_it_judges,
        "glance-api on ctl1 gets new code after keystone on ctl1, and no step looks at the witnesses",
    ),
    (no_witnesses, "witnesses are made 0 times"),
    (witnesses_too_late, "backup:keystone may run before the witnesses are made"),
    (witnesses_judged_too_early, "no step verifies the witnesses after all else"),
)


@pytest.mark.parametrize(("spoil", "sentence"), DEFECTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_plan_that_does_not_look_is_refused(spoil: Callable[[Document], None], sentence: str) -> None:
    plan = copy.deepcopy(GOOD)

    spoil(plan)

    assert any(sentence in violation for violation in verify(plan, documents()))
