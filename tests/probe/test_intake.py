"""Services are closed and opened by their own API, and nobody else's closing is touched."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.probe import intake
from skylift.probe.access import Access
from skylift.probe.exchange import Unanswered
from skylift.probe.intake import Named
from skylift.testing.api_standin import ApiStandIn
from skylift.testing.core_standin import CORE

COMPUTE = Named("nova", "u1", "nova-compute", "cmp1")
VOLUME = Named("cinder", "7", "cinder-volume", "ctl1@lvm")
MARK = "closed by Skylift for p1, since "
REASON = f"{MARK}2026-11-25T09:00:00+00:00"


def admin(apis: ApiStandIn) -> Access:
    apis.offered |= CORE
    return Access(f"{apis.url}/identity/v3", "admin", "right", "admin")


def listed(apis: ApiStandIn, service: Named) -> dict[str, Any]:
    """The service as its API has it, put there if it is not; beside it another one of the same host."""
    kept = apis.services["compute" if service.kind == "nova" else "volume"]
    if not kept:
        for number, binary in enumerate((service.binary, "another")):
            kept.append(
                {"host": service.host, "binary": binary, "status": "enabled", "disabled_reason": None}
                | ({"id": f"u{number + 1}"} if service.kind == "nova" else {})
            )
    return kept[0]


@pytest.mark.parametrize("service", [COMPUTE, VOLUME], ids=["nova", "cinder"])
def test_a_service_is_closed_with_the_reason_and_opened_by_its_mark(apis: ApiStandIn, service: Named) -> None:
    listed(apis, service)

    intake.close(admin(apis), service, REASON)
    closed = dict(listed(apis, service))
    intake.open_again(admin(apis), service, ("closed by nobody", MARK))
    opened = listed(apis, service)

    assert (closed["status"], closed["disabled_reason"]) == ("disabled", REASON)
    assert (opened["status"], opened["disabled_reason"]) == ("enabled", None)
    assert apis.services["compute" if service.kind == "nova" else "volume"][1]["status"] == "enabled"


@pytest.mark.parametrize("service", [COMPUTE, VOLUME], ids=["nova", "cinder"])
@pytest.mark.parametrize("reason", ["an operator's", None, f"{MARK[:-10]}0, since then"])
def test_another_ones_closing_is_neither_overwritten_nor_taken_back(
    apis: ApiStandIn, service: Named, reason: str | None
) -> None:
    listed(apis, service).update(status="disabled", disabled_reason=reason)

    intake.close(admin(apis), service, REASON)
    intake.open_again(admin(apis), service, (MARK,))

    assert listed(apis, service)["status"] == "disabled"
    assert listed(apis, service)["disabled_reason"] == reason
    assert "PUT" not in {method for method, _ in apis.asked}


def test_closing_and_opening_twice_asks_for_no_second_change(apis: ApiStandIn) -> None:
    listed(apis, COMPUTE)

    for _ in range(2):
        intake.close(admin(apis), COMPUTE, REASON)
    for _ in range(2):
        intake.open_again(admin(apis), COMPUTE, (MARK,))

    assert [method for method, _ in apis.asked].count("PUT") == 2


def test_a_service_that_the_api_does_not_list_is_told(apis: ApiStandIn) -> None:
    listed(apis, COMPUTE)

    with pytest.raises(Unanswered, match="lists no nova-compute on cmp9"):
        intake.close(admin(apis), COMPUTE._replace(host="cmp9"), REASON)


def test_a_service_of_another_cell_with_the_same_name_is_not_taken_for_it(apis: ApiStandIn) -> None:
    listed(apis, COMPUTE)

    with pytest.raises(Unanswered, match="lists no nova-compute on cmp1"):
        intake.close(admin(apis), COMPUTE._replace(id="u9"), REASON)


def test_a_service_that_cannot_be_closed_is_refused_by_the_api(apis: ApiStandIn) -> None:
    listed(apis, COMPUTE)

    with pytest.raises(Unanswered, match="400") as caught:
        intake.close(admin(apis), COMPUTE._replace(binary="another", id="u2"), REASON)

    assert not caught.value.passing
