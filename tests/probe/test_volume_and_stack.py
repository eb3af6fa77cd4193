"""Ports, volumes and stacks are made, followed and removed as servers are, and swept up if they are left."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.probe.watching import access, offer_all, stays_silent, watched

from skylift.model.sample import LOST, STATUS, TIME_LIMIT_S, Sample
from skylift.probe.exchange import Unanswered
from skylift.probe.sweep import sweep
from skylift.testing.api_standin import ApiStandIn, Exchange

CYCLES = {"port-cycle": 4.0, "volume-cycle": 4.0, "stack-cycle": 4.0}
LISTS = {"network-list": 8.0, "volume-list": 8.0, "stack-list": 8.0}


@pytest.fixture
def cloud(apis: ApiStandIn) -> ApiStandIn:
    offer_all(apis)
    return apis


def bad(samples: list[Sample]) -> set[tuple[str, str]]:
    return {(s.stream, s.outcome) for s in samples if not s.good}


def witness_server(cloud: ApiStandIn, where: Path) -> str:
    """A server that stands there as a witness of the label ``plan-1``."""
    server = cloud.core.add("servers", name="skylift-witness-plan-1")
    (where / "state/plan-1").mkdir(parents=True)
    known = {"complete": True, "server": {"id": server, "address": "127.0.0.1"}}
    (where / "state/plan-1/witnesses.json").write_text(json.dumps(known))
    return server


def test_each_list_is_asked_of_its_own_api(cloud: ApiStandIn, tmp_path: Path) -> None:
    seen = watched(cloud, tmp_path, LISTS, seconds=0.5)

    assert bad(seen) == set()
    assert {s.api for s in seen} == {"neutron", "cinder", "heat"}


def test_cycles_make_follow_and_remove(cloud: ApiStandIn, tmp_path: Path) -> None:
    ends = ["port-delete", "volume-removal", "stack-removal"]

    seen = watched(cloud, tmp_path, CYCLES, until=ends)

    assert bad(seen) == set()
    done = Counter(s.stream for s in seen)
    assert done["port-delete"] >= 1
    assert done["volume-creation"] >= done["volume-removal"] >= 1
    assert done["stack-creation"] >= done["stack-removal"] >= 1
    assert not done["volume-attach"]


def test_a_volume_is_attached_to_the_witnesses_server_and_detached(cloud: ApiStandIn, tmp_path: Path) -> None:
    server = witness_server(cloud, tmp_path)

    seen = watched(cloud, tmp_path, {"volume-cycle": 4.0}, witnesses="plan-1", until=["volume-removal"])

    assert bad(seen) == set()
    assert {"volume-attachment", "volume-detachment", "volume-removal"} <= {s.stream for s in seen if s.work}
    assert ("POST", f"/compute/v2.1/servers/{server}/os-volume_attachments") in cloud.asked


def test_a_stack_that_fails_is_lost(cloud: ApiStandIn, tmp_path: Path) -> None:
    cloud.core.stacks_end = "CREATE_FAILED"

    seen = watched(cloud, tmp_path, {"stack-cycle": 4.0}, until=["stack-creation"])

    assert bad(seen) == {("stack-creation", LOST)}


def test_a_refused_port_is_a_failed_request(cloud: ApiStandIn, tmp_path: Path) -> None:
    def refuses(ex: Exchange) -> bool:
        refused = ex.command == "POST" and ex.path == "/network/v2.0/ports"
        if refused:
            ex.answer(503)
        return refused

    cloud.fault = refuses

    seen = watched(cloud, tmp_path, {"port-cycle": 8.0}, seconds=0.4)

    assert bad(seen) == {("port-create", STATUS)}


def test_what_a_killed_agent_left_is_swept_up_of_every_kind(cloud: ApiStandIn) -> None:
    name = "skylift-probe-run-1"
    ours = f"{name}-0badcafe-1"
    server = cloud.core.add("servers", name="a user's")
    cloud.core.add("servers", name=ours)
    cloud.core.add("volumes", name=ours, attachments=[{"server_id": server}])
    cloud.core.add("stacks", stack_name=ours)
    cloud.core.add("ports", name=ours)
    cloud.core.looks = 0

    assert sweep(access(cloud), name, within_s=60) == 4
    assert [path for method, path in cloud.asked if method == "DELETE" and server in path] == [
        f"/compute/v2.1/servers/{server}/os-volume_attachments/{next(iter(cloud.core.things['volumes']))}"
    ]
    assert cloud.core.things["ports"] == {}


def test_what_cannot_be_removed_in_time_is_told(cloud: ApiStandIn) -> None:
    cloud.core.add("volumes", name="skylift-probe-run-1-0badcafe-1", status="creating", ends="available")
    cloud.core.looks = 1000

    with pytest.raises(Unanswered, match="cannot be removed yet: cinder skylift-probe-run-1-0badcafe-1"):
        sweep(access(cloud), "skylift-probe-run-1", within_s=8)


def test_an_image_that_is_being_removed_by_another_is_no_obstacle(cloud: ApiStandIn) -> None:
    """Met on a real cloud: 400, "status transition from deleted to deleted is not allowed"."""
    name = "skylift-probe-run-1"
    cloud.images["i-1"] = {"id": "i-1", "name": f"{name}-1", "tags": [name]}
    cloud.core.add("ports", name=f"{name}-0badcafe-1")

    def removed_meanwhile(ex: Exchange) -> bool:
        asked = ex.command == "DELETE" and "/images/" in ex.path
        if asked:
            del cloud.images["i-1"]
            ex.answer(400)
        return asked

    cloud.fault = removed_meanwhile

    assert sweep(access(cloud), name, within_s=60) == 1
    assert cloud.core.things["ports"] == {}


def test_an_api_that_refuses_keeps_no_other_from_being_swept(cloud: ApiStandIn) -> None:
    name = "skylift-probe-run-1"
    cloud.core.add("ports", name=f"{name}-0badcafe-1")

    def refuses(ex: Exchange) -> bool:
        if "/servers" in ex.path:
            ex.answer(403)
        return "/servers" in ex.path

    cloud.fault = refuses

    with pytest.raises(Unanswered, match=r"nova: GET .* answered 403"):
        sweep(access(cloud), name, within_s=8)
    assert cloud.core.things["ports"] == {}


def test_an_api_that_does_not_answer_holds_no_sweep_for_longer_than_it_has(cloud: ApiStandIn) -> None:
    """Whoever asked over SSH waits no longer than that either, though one answer alone may take longer."""

    def hangs(ex: Exchange) -> bool:
        return "/servers" in ex.path and stays_silent(ex)

    cloud.fault = hangs
    began = time.monotonic()

    with pytest.raises(Unanswered):
        sweep(access(cloud), "skylift-probe-run-1", within_s=0.5)

    assert time.monotonic() - began < TIME_LIMIT_S


def test_an_image_that_is_deleted_by_its_own_cycle_meanwhile_is_gone_and_no_failure(
    cloud: ApiStandIn,
) -> None:
    """Glance lists it until the other request has ended, and refuses a second one with 400."""
    cloud.images["one"] = {"id": "one", "name": "one", "tags": ["skylift-probe-run-1"]}

    def deletes_already(ex: Exchange) -> bool:
        again = ex.command == "DELETE" and cloud.images.pop("one", None) is not None
        if again:
            ex.answer(400)
        return again

    cloud.fault = deletes_already

    assert sweep(access(cloud), "skylift-probe-run-1", within_s=60) == 0
    assert ("DELETE", "/image/v2/images/one") in cloud.asked


def test_only_the_ports_of_the_probes_own_project_are_looked_through(cloud: ApiStandIn) -> None:
    sweep(access(cloud), "skylift-probe-run-1")

    (listed,) = [path for _, path in cloud.asked if "/ports" in path]
    assert listed.endswith("project_id=p-admin")


def test_a_volume_that_is_still_being_made_when_the_probes_end_is_no_failure(
    cloud: ApiStandIn, tmp_path: Path
) -> None:
    cloud.core.looks = 1000

    seen = watched(cloud, tmp_path, {"volume-cycle": 4.0}, until=["volume-create"])

    assert seen
    assert bad(seen) == set()


def test_a_volume_that_ends_in_error_is_lost_and_removed(cloud: ApiStandIn, tmp_path: Path) -> None:
    cloud.core.volumes_end = "error"

    seen = watched(cloud, tmp_path, {"volume-cycle": 4.0}, until=["volume-removal"])

    assert bad(seen) == {("volume-creation", LOST)}
    assert "volume-removal" in {s.stream for s in seen}


def test_what_this_start_makes_is_not_swept_up(cloud: ApiStandIn) -> None:
    cloud.core.add("ports", name="skylift-probe-run-1-beef-1")

    assert sweep(access(cloud), "skylift-probe-run-1", but="skylift-probe-run-1-beef") == 0
    assert len(cloud.core.things["ports"]) == 1
