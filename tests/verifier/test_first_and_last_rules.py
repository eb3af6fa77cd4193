"""The verifier refuses a plan that forgets what begins with a release, or leaves what ends with one."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from tests.planning.test_closing import planned
from tests.planning.test_first_and_last import R2024_2, R2025_1, site
from tests.verifier.test_verify import Document, add_edge, drop_edges, drop_step, step

from skylift.catalog.catalog import documents
from skylift.planning.text import plan_document, write_plan
from skylift.verifier.verify import verify

FIRST = plan_document(write_plan(planned(*site())))
LAST = plan_document(write_plan(planned(*site(R2024_2, R2025_1), R2025_1)))
PERIODIC, BRIDGE = "neutron-periodic-workers", "neutron-linuxbridge-agent"


def never_begun(plan: Document) -> None:
    for verb in ("switch", "start", "healthy", "enable"):
        drop_step(plan, f"{PERIODIC}:{verb}@ctl2")


def gone_after_a_reboot(plan: Document) -> None:
    drop_step(plan, f"{PERIODIC}:enable@ctl2")


def started_without_a_link(plan: Document) -> None:
    drop_edges(plan, into=f"{PERIODIC}:enable@ctl1")
    add_edge(plan, "neutron:expand", f"{PERIODIC}:enable@ctl1")


def lost_by_a_reboot(plan: Document) -> None:
    drop_edges(plan, into=f"{PERIODIC}:start@ctl1", out_of=f"{PERIODIC}:enable@ctl1")
    add_edge(plan, f"{PERIODIC}:switch@ctl1", f"{PERIODIC}:start@ctl1")


def started_before_its_schema(plan: Document) -> None:
    drop_edges(plan, into=f"{PERIODIC}:switch@ctl1")
    drop_edges(plan, into=f"{PERIODIC}:start@ctl1", out_of="neutron:expand")


def stopped_and_never_ran(plan: Document) -> None:
    stop = copy.deepcopy(step(plan, f"{PERIODIC}:start@ctl3"))
    stop["id"], stop["action"]["kind"] = f"{PERIODIC}:stop@ctl3", "stop-service"
    plan["steps"].append(stop)
    add_edge(plan, f"{PERIODIC}:healthy@ctl2", f"{PERIODIC}:stop@ctl3")
    add_edge(plan, f"{PERIODIC}:stop@ctl3", f"{PERIODIC}:switch@ctl3")


def a_way_back_to_nowhere(plan: Document) -> None:
    step(plan, f"{PERIODIC}:switch@ctl1")["action"]["old"] = "/opt/openstack/artifacts/2024.1"


def no_way_back(plan: Document) -> None:
    step(plan, "neutron-rpc-server:switch@ctl1")["action"]["old"] = None


def not_verified(plan: Document) -> None:
    step(plan, "neutron:verify")["action"]["services"].pop()


def agents_without_an_ear(plan: Document) -> None:
    drop_edges(plan, into="neutron-server:drain@ctl1", out_of="neutron-rpc-server")


FIRSTS: tuple[tuple[Callable[[Document], None], str], ...] = (
    (never_begun, f"{PERIODIC} on ctl2 runs nothing, and no step switches it"),
    (gone_after_a_reboot, f"{PERIODIC} on ctl2 is never made to start with its host"),
    (started_without_a_link, f"{PERIODIC} on ctl1 may be made to start with its host before it is switched"),
    (lost_by_a_reboot, f"{PERIODIC} on ctl1 may be started before it is made to start with its host"),
    (started_before_its_schema, f"new code of {PERIODIC} on ctl1 may start before neutron:expand has ended"),
    (stopped_and_never_ran, f"{PERIODIC}:stop@ctl3 has no place there"),
    (
        a_way_back_to_nowhere,
        f"{PERIODIC}:switch@ctl1 would go back to /opt/openstack/artifacts/2024.1, which",
    ),
    (no_way_back, "neutron-rpc-server:switch@ctl1 would go back to None"),
    (not_verified, "neutron:verify looks at"),
    (agents_without_an_ear, "upgrade neutron-server on ctl1 may begin before upgrade neutron-rpc-server"),
)


def never_stopped(plan: Document) -> None:
    for verb in ("disable", "stop"):
        drop_step(plan, f"{BRIDGE}:{verb}@cmp1")


def back_after_a_reboot(plan: Document) -> None:
    drop_step(plan, f"{BRIDGE}:disable@cmp1")


def stopped_first(plan: Document) -> None:
    drop_edges(plan, into=f"{BRIDGE}:stop@cmp1", out_of=f"{BRIDGE}:disable@cmp1")


def started_again(plan: Document) -> None:
    start = copy.deepcopy(step(plan, f"{BRIDGE}:stop@cmp1"))
    start["id"], start["action"]["kind"] = f"{BRIDGE}:start@cmp1", "start-service"
    plan["steps"].append(start)
    add_edge(plan, f"{BRIDGE}:stop@cmp1", f"{BRIDGE}:start@cmp1")
    add_edge(plan, f"{BRIDGE}:start@cmp1", "neutron:verify")


def ended_before(plan: Document) -> None:
    plan["facts"][f"artifact {BRIDGE} cmp2"] = "nothing"


LASTS: tuple[tuple[Callable[[Document], None], str], ...] = (
    (never_stopped, f"{BRIDGE} ends before 2025.1, and no step stops it on cmp1"),
    (back_after_a_reboot, f"{BRIDGE} on cmp1 is never kept from starting with its host"),
    (stopped_first, f"{BRIDGE} on cmp1 may be stopped before it is kept from starting with its host"),
    (started_again, f"{BRIDGE}:start@cmp1 has no place there"),
    (ended_before, f"{BRIDGE} does not run on cmp2, is not in 2025.1, and has steps there all the same"),
)


@pytest.mark.parametrize(
    ("good", "spoil", "sentence"),
    [(FIRST, *defect) for defect in FIRSTS] + [(LAST, *defect) for defect in LASTS],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_defect_is_refused_in_words_of_its_own(
    good: Document, spoil: Callable[[Document], None], sentence: str
) -> None:
    plan = copy.deepcopy(good)

    spoil(plan)

    told = verify(plan, documents())
    assert any(sentence in violation for violation in told), "\n".join(told)


def test_what_the_record_says_of_a_service_counts_beside_what_the_catalog_says() -> None:
    plan = copy.deepcopy(FIRST)
    plan["facts"]["since neutron-rpc-server"] = "2024.2"
    for host in ("ctl1", "ctl2", "ctl3"):
        for kind in ("artifact", "link"):
            plan["facts"][f"{kind} neutron-rpc-server {host}"] = "nothing"

    told = verify(plan, documents())

    assert any("neutron-rpc-server on ctl1 is never made to start with its host" in t for t in told)
    assert any("neutron-rpc-server:stop@ctl1 has no place there" in t for t in told)
