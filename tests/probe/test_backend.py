"""One backend, asked past the balancers: what it says wrong is told, and nothing is asked twice."""

from __future__ import annotations

import pytest

from skylift.probe.access import Access
from skylift.probe.backend import ask_backend
from skylift.probe.exchange import Unanswered
from skylift.testing.api_standin import ApiStandIn, Exchange


def _admin(apis: ApiStandIn) -> Access:
    return Access(f"{apis.url}/identity/v3", "admin", "right", "admin")


def test_keystones_backend_issues_the_token_that_it_is_asked_about(apis: ApiStandIn) -> None:
    ask_backend(_admin(apis), "keystone", apis.url, "/identity/v3/auth/tokens")

    assert apis.asked == [("POST", "/identity/v3/auth/tokens"), ("GET", "/identity/v3/auth/tokens")]


def test_a_backend_that_refuses_its_first_request_is_not_warm(apis: ApiStandIn) -> None:
    def cold(exchange: Exchange) -> bool:
        if exchange.command != "GET":
            return False
        exchange.send_error(403)
        return True

    apis.fault = cold

    with pytest.raises(Unanswered, match="403"):
        ask_backend(_admin(apis), "glance", apis.url, "/image/v2/images")


def test_a_backend_that_does_not_listen_is_told_so(apis: ApiStandIn) -> None:
    with pytest.raises(Unanswered):
        ask_backend(_admin(apis), "glance", "http://127.0.0.1:1", "/v2/images")


def test_a_path_may_name_the_tokens_project(apis: ApiStandIn) -> None:
    ask_backend(_admin(apis), "heat", apis.url, "/v1/{project}/stacks")

    (project,) = (known["id"] for known in apis.projects.values())
    assert apis.asked[-1] == ("GET", f"/v1/{project}/stacks")


def test_a_backend_that_offers_several_versions_is_warm(apis: ApiStandIn) -> None:
    def versions(exchange: Exchange) -> bool:
        if exchange.command != "GET":
            return False
        exchange.send_response(300)
        exchange.send_header("Content-Length", "0")
        exchange.end_headers()
        return True

    apis.fault = versions

    ask_backend(_admin(apis), "heat", apis.url, "/")
