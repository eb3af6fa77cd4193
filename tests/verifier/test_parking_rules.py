"""The verifier refuses a plan that parks a pool for too long, for nothing, or for ever."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from tests.verifier.test_verify import GOOD, Document, add_edge, drop_edges, drop_step, step

from skylift.actions.parking import ParkPool, UnparkPool
from skylift.catalog.catalog import documents
from skylift.model.codec import encode
from skylift.model.ids import PoolName, Seconds
from skylift.planning.plan import Impact, Notice, Stage
from skylift.testing.plans import step_of
from skylift.verifier.verify import verify

POOL = PoolName("placement")
INSIDE = ("stop", "switch", "start", "healthy")


def parked(host: str, plan: Document) -> None:
    """Park placement's pool around the restart of one of its services."""
    for verb, action in (("park", ParkPool(POOL, Seconds(20))), ("unpark", UnparkPool(POOL))):
        made = step_of(action, name=f"placement-api:{verb}@{host}", stage=Stage.CONTROL_PLANE, deadline=20)
        plan["steps"].append(encode(made))
    for verb in ("park", *INSIDE):
        step(plan, f"placement-api:{verb}@{host}")["impact"] = encode(Impact(Notice.SLOW, "placement"))
    add_edge(plan, f"placement-api:quiet@{host}", f"placement-api:park@{host}")
    add_edge(plan, f"placement-api:park@{host}", f"placement-api:stop@{host}")
    add_edge(plan, f"placement-api:healthy@{host}", f"placement-api:unpark@{host}")
    add_edge(plan, f"placement-api:unpark@{host}", f"placement-api:warm-up@{host}")


def parking_plan() -> Document:
    """A good plan that parks one pool twice, once after the other."""
    plan = copy.deepcopy(GOOD)
    plan["facts"]["policy park_s"] = "20"
    for host in ("ctl1", "ctl2"):
        parked(host, plan)
    return plan


def never_unparked(plan: Document) -> None:
    drop_step(plan, "placement-api:unpark@ctl2")


def unparked_beside_it(plan: Document) -> None:
    drop_edges(plan, into="placement-api:unpark@ctl2")
    add_edge(plan, "placement-api:undrain@ctl1", "placement-api:unpark@ctl2")


def unparked_for_nothing(plan: Document) -> None:
    drop_step(plan, "placement-api:park@ctl1")


def another_pool_unparked(plan: Document) -> None:
    step(plan, "placement-api:unpark@ctl2")["action"]["pool"] = "glance"


def a_pool_of_nobody(plan: Document) -> None:
    for verb in ("park", "unpark"):
        step(plan, f"placement-api:{verb}@ctl2")["action"]["pool"] = "place"


def one_for_two(plan: Document) -> None:
    drop_step(plan, "placement-api:unpark@ctl1")


def parked_twice_at_once(plan: Document) -> None:
    drop_edges(plan, into="placement-api:drain@ctl2")
    add_edge(plan, "placement-api:drain@ctl1", "placement-api:drain@ctl2")


def too_much_inside(plan: Document) -> None:
    step(plan, "placement-api:start@ctl2")["estimate"].update(likely=40, high=60)


def a_limit_of_its_own(plan: Document) -> None:
    step(plan, "placement-api:park@ctl2")["action"]["limit"] = 60


def all_the_time_to_get_quiet(plan: Document) -> None:
    step(plan, "placement-api:park@ctl2")["deadline"] = 120


def balancers_that_cannot(plan: Document) -> None:
    del plan["facts"]["policy park_s"]


def waits_for_it_and_outlives_it(plan: Document) -> None:
    add_edge(plan, "placement-api:park@ctl2", "placement:verify")


def a_stop_that_a_death_would_let_go_on(plan: Document) -> None:
    drop_edges(plan, into="placement-api:stop@ctl2", out_of="placement-api:park")
    drop_edges(plan, into="placement-api:park@ctl2")
    add_edge(plan, "placement-api:drain@ctl2", "placement-api:park@ctl2")
    drop_edges(plan, into="placement-api:quiet@ctl2")
    add_edge(plan, "placement-api:park@ctl2", "placement-api:quiet@ctl2")


def silent_about_waiting(plan: Document) -> None:
    step(plan, "placement-api:park@ctl2")["impact"]["notice"] = "none"


DEFECTS: tuple[tuple[Callable[[Document], None], str], ...] = (
    (
        never_unparked,
        "placement-api:park@ctl2 parks pool placement, and no step surely unparks it after that",
    ),
    (unparked_beside_it, "placement-api:park@ctl2 parks pool placement, and no step surely unparks it"),
    (unparked_for_nothing, "placement-api:unpark@ctl1 unparks pool placement, which no step surely parks"),
    (another_pool_unparked, "placement-api:unpark@ctl2 unparks pool glance, which no step surely parks"),
    (a_pool_of_nobody, "placement-api:park@ctl2 parks pool place, which is the pool of no service"),
    (one_for_two, "placement-api:park@ctl1 parks pool placement, and no step surely unparks it"),
    (parked_twice_at_once, "may park pool placement at the same time"),
    (
        too_much_inside,
        "would wait for 50 s from placement-api:park@ctl2 to placement-api:unpark@ctl2, and policy.park_s",
    ),
    (a_limit_of_its_own, "placement-api:park@ctl2 may hold requests for 60 s, and policy.park_s allows 20"),
    (
        all_the_time_to_get_quiet,
        "placement-api:park@ctl2 may take 120 s to get quiet, and policy.park_s allows",
    ),
    (balancers_that_cannot, "parks pool placement, and the record names no map for it (balancer.parking)"),
    (waits_for_it_and_outlives_it, "placement:verify waits for placement-api:park@ctl2, and may run when"),
    (
        a_stop_that_a_death_would_let_go_on,
        "placement-api:stop@ctl2 lies behind placement-api:park@ctl2 and does not",
    ),
    (
        silent_about_waiting,
        "requests to pool placement wait during placement-api:park@ctl2, which does not say",
    ),
)


@pytest.mark.parametrize(("spoil", "sentence"), DEFECTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_defect_is_refused_in_words_of_its_own(spoil: Callable[[Document], None], sentence: str) -> None:
    plan = parking_plan()

    spoil(plan)

    assert any(sentence in violation for violation in verify(plan, documents())), "\n".join(
        verify(plan, documents())
    )


def test_a_pool_that_is_parked_shortly_and_again_later_has_nothing_against_it() -> None:
    assert verify(parking_plan(), documents()) == ()
