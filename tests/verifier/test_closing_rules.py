"""The verifier refuses a plan that cuts work, closes what it never opens, or closes every host at once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from tests.planning.test_closing import planned, site
from tests.roster.shown import UNPROVED, stopped_as_a_whole
from tests.verifier.small_catalog import judged
from tests.verifier.test_orders import GOOD as GOOD_ORDER
from tests.verifier.test_verify import Document, add_edge, drop_edges, drop_step, step

from skylift.catalog.catalog import documents
from skylift.planning.text import plan_document, write_plan
from skylift.verifier.verify import verify

ROLLING = plan_document(write_plan(planned(*site(batch=2, computes=4))))
COLD = plan_document(write_plan(planned(*stopped_as_a_whole(), UNPROVED[1])))


def closed_before(plan: Document, host: str, by: str) -> None:
    name = next(name for name in plan["facts"] if name.startswith(f"report nova-compute {host}"))
    plan["facts"][name] += f", disabled{by}"


def never_closed(plan: Document) -> None:
    drop_step(plan, "nova-compute:close@cmp2")


def never_waited_for(plan: Document) -> None:
    drop_step(plan, "nova-compute:idle@cmp2")


def never_opened(plan: Document) -> None:
    drop_step(plan, "nova-compute:open@cmp3")


def stopped_before_it_is_idle(plan: Document) -> None:
    drop_edges(plan, into="nova-compute:stop@cmp1", out_of="nova-compute:idle@cmp1")
    add_edge(plan, "nova-compute:close@cmp1", "nova-compute:stop@cmp1")


def idle_before_it_is_closed(plan: Document) -> None:
    drop_edges(plan, into="nova-compute:idle@cmp1", out_of="nova-compute:close@cmp1")
    add_edge(plan, "witnesses:create", "nova-compute:idle@cmp1")


def opened_before_it_is_healthy(plan: Document) -> None:
    drop_edges(plan, into="nova-compute:open@cmp2")
    add_edge(plan, "nova-compute:start@cmp2", "nova-compute:open@cmp2")


def opened_by_another_label(plan: Document) -> None:
    step(plan, "nova-compute:open@cmp1")["action"]["labels"] = ["another-plan"]


def opened_in_another_cell(plan: Document) -> None:
    step(plan, "nova-compute:open@cmp1")["action"]["rosters"] = []


def takes_back_what_an_operator_closed(plan: Document) -> None:
    closed_before(plan, "cmp4", "")


def leaves_closed_what_skylift_closed(plan: Document) -> None:
    closed_before(plan, "cmp4", " by Skylift")
    drop_step(plan, "nova-compute:open@cmp4")


def all_closed_at_once(plan: Document) -> None:
    for number in (2, 3, 4):
        drop_edges(plan, into=f"nova-compute:close@cmp{number}")
        add_edge(plan, "nova-compute:close@cmp1", f"nova-compute:close@cmp{number}")


def closed_although_nobody_stands_in(plan: Document) -> None:
    facts = plan["facts"]
    text = facts.pop("report cinder-volume ctl1@lvm")
    facts["report cinder-volume ctl1@ssd"] = text


def silent_about_it(plan: Document) -> None:
    step(plan, "nova-compute:start@cmp1")["impact"] = {"notice": "none", "api": ""}


def unpinned_without_waiting(plan: Document) -> None:
    drop_step(plan, "cinder-volume:unpin-idle@ctl1")


DEFECTS: tuple[tuple[Callable[[Document], None], str], ...] = (
    (never_closed, "nova-compute on cmp2 is never closed to new work"),
    (never_waited_for, "nova-compute on cmp2 is never seen to have nothing in hand"),
    (never_opened, "nova-compute on cmp3 is never opened to new work"),
    (never_opened, "nothing opens nova-compute on cmp3 again after it is closed"),
    (stopped_before_it_is_idle, "cmp1 may be stopped before it is seen to have nothing in hand"),
    (idle_before_it_is_closed, "may be seen to have nothing in hand before it is closed to new work"),
    (
        opened_before_it_is_healthy,
        "nova-compute on cmp2 may be opened to new work before it is seen to report",
    ),
    (opened_by_another_label, "open@cmp1 takes back closings of other plans than nova-compute:close@cmp1"),
    (opened_in_another_cell, "open@cmp1 takes back rows in other databases than nova-compute:close@cmp1"),
    (takes_back_what_an_operator_closed, "nova-compute:open@cmp4 has no place there"),
    (
        leaves_closed_what_skylift_closed,
        "nova-compute on cmp4 was left closed by Skylift, and no step opens it",
    ),
    (all_closed_at_once, "4 of 4 open hosts of nova-compute may be closed at once, and none takes new work"),
    (closed_although_nobody_stands_in, "cinder-volume:close@ctl1 has no place there"),
    (silent_about_it, "nova-compute:start@cmp1 has new work go to other hosts of nova-compute, and does not"),
    (unpinned_without_waiting, "cinder-volume on ctl1 is never seen to have nothing in hand"),
)


@pytest.mark.parametrize(("spoil", "sentence"), DEFECTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_defect_is_refused_in_words_of_its_own(spoil: Callable[[Document], None], sentence: str) -> None:
    plan = copy.deepcopy(ROLLING)

    spoil(plan)

    told = verify(plan, documents())
    assert any(sentence in violation for violation in told), "\n".join(told)


def the_api_stops_too_late(plan: Document) -> None:
    drop_edges(plan, into="cinder-backup:idle@ctl1", out_of="cinder-api:stop@ctl2")
    drop_edges(plan, into="cinder-api:stop@ctl2")
    add_edge(plan, "cinder-api:stop@ctl1", "cinder-api:stop@ctl2")


def the_scheduler_stops_too_early(plan: Document) -> None:
    drop_edges(plan, into="cinder-scheduler:stop@ctl1")


def cold_and_never_waited_for(plan: Document) -> None:
    drop_step(plan, "cinder-backup:idle@ctl1")


COLD_DEFECTS: tuple[tuple[Callable[[Document], None], str], ...] = (
    (the_api_stops_too_late, "cinder-backup on ctl1 may get new work after cinder-backup:idle@ctl1"),
    (the_scheduler_stops_too_early, "cinder-scheduler:stop@ctl1 may stop what cinder-backup on ctl1 needs"),
    (cold_and_never_waited_for, "cinder-backup on ctl1 is never seen to have nothing in hand"),
)


@pytest.mark.parametrize(
    ("spoil", "sentence"), COLD_DEFECTS, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_defect_of_a_component_that_is_stopped_as_a_whole_is_refused_in_words_of_its_own(
    spoil: Callable[[Document], None], sentence: str
) -> None:
    plan = copy.deepcopy(COLD)

    spoil(plan)

    told = verify(plan, documents())
    assert any(sentence in violation for violation in told), "\n".join(told)


@pytest.mark.parametrize("plan", [ROLLING, COLD], ids=["rolling", "cold"])
def test_the_plans_as_they_were_made_have_nothing_against_them(plan: Document) -> None:
    assert verify(plan, documents()) == ()


def test_every_edge_around_the_work_of_a_host_is_needed() -> None:
    """Without any one of the edges around work that the turn of a host has, the plan is refused."""
    own = ("nova-compute:close@cmp1", "nova-compute:idle@cmp1", "nova-compute:open@cmp1")
    for number, edge in enumerate(ROLLING["edges"]):
        if edge["after"] in own[1:] and edge["before"].startswith("nova-compute:"):
            plan = copy.deepcopy(ROLLING)
            plan["edges"].pop(number)

            assert verify(plan, documents()) != (), edge


CLOSED = ("close nova-compute on cmp1", "upgrade nova-compute on cmp1", "open nova-compute on cmp1")


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        (CLOSED, ""),
        ((CLOSED[1], CLOSED[0], CLOSED[2]), "nova-compute on cmp1 may be stopped before it is closed"),
        ((CLOSED[0], CLOSED[2], CLOSED[1]), "nova-compute on cmp1 may be opened before it is started"),
        ((CLOSED[2], CLOSED[0], CLOSED[1]), "nova-compute on cmp1 may be opened before it is closed"),
        (CLOSED[:2], "nothing opens nova-compute on cmp1 again after it is closed"),
        (({"together": list(CLOSED)},), "nova-compute on cmp1 may be stopped before it is closed"),
    ],
)
def test_an_order_that_closes_a_host_is_held_to_that(items: tuple[Any, ...], sentence: str) -> None:
    place = GOOD_ORDER.index("upgrade nova-compute on cmp1")
    order = [*GOOD_ORDER[:place], *items, *GOOD_ORDER[place + 1 :]]

    found = judged(*order)

    assert found.misread == ()
    assert any(sentence in violation for violation in found.violations) if sentence else not found.violations
