"""Work that an API accepts is followed to its end; what is lost on the way is a failure of its own kind."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from tests.probe.watching import offer_all, watched

from skylift.model.sample import CONNECTION, CONTENT, DONE, LOST, STATUS, Sample
from skylift.probe.streams import STREAMS, default_rates
from skylift.testing.api_standin import ApiStandIn, Exchange

FIRST = {"keystone", "glance", "placement"}
BOOTS = {"server-cycle": 5.0}


@pytest.fixture
def cloud(apis: ApiStandIn) -> ApiStandIn:
    offer_all(apis)
    return apis


def bad(samples: list[Sample]) -> set[tuple[str, str]]:
    return {(s.stream, s.outcome) for s in samples if not s.good}


def ended(samples: list[Sample], work: str) -> set[tuple[str, str]]:
    """How this work ended, and what was seen of it last.

    On a busy machine, a short limit loses the other kind of work, too, and nothing else may be amiss.
    """
    assert bad(samples) <= {("server-boot", LOST), ("server-removal", LOST)}
    return {(s.outcome, s.detail.partition("it was still ")[2]) for s in samples if s.stream == work}


def made(cloud: ApiStandIn) -> int:
    return cloud.asked.count(("POST", "/compute/v2.1/servers"))


def removed(cloud: ApiStandIn) -> int:
    return len({path for method, path in cloud.asked if method == "DELETE"})


def test_a_cloud_without_the_core_services_is_asked_as_ever(apis: ApiStandIn, tmp_path: Path) -> None:
    seen = watched(apis, tmp_path, {}, seconds=0.5)

    assert {s.api for s in seen} == FIRST
    assert sum(default_rates(FIRST).values()) == 16


def test_more_apis_are_asked_without_more_load_on_the_first_three() -> None:
    rates = default_rates({stream.needs for stream in STREAMS.values()})

    assert rates["token-validate"] == 2
    assert set(rates) == set(STREAMS)


def test_a_slower_pace_spares_the_apis_and_asks_guests_as_ever() -> None:
    offered = {stream.needs for stream in STREAMS.values()}

    whole, slow = default_rates(offered), default_rates(offered, pace=25)

    assert {name: slow[name] / whole[name] for name in whole} == {
        name: 1 if name.startswith("guest-") else 0.25 for name in whole
    }


def test_a_boot_is_followed_until_it_is_active_and_removed_until_it_is_gone(
    cloud: ApiStandIn, tmp_path: Path
) -> None:
    seen = watched(cloud, tmp_path, BOOTS, until=["server-removal"])

    assert bad(seen) == set()
    counted = Counter(s.stream for s in seen)
    assert counted["server-create"] >= counted["server-boot"] >= counted["server-removal"] >= 1
    assert {s.outcome for s in seen if s.work} == {DONE}
    assert made(cloud) == removed(cloud)


def test_a_server_is_made_of_the_smallest_flavor_and_the_first_usable_network(
    cloud: ApiStandIn, tmp_path: Path
) -> None:
    cloud.core.removed = False

    watched(cloud, tmp_path, BOOTS, until=["server-create"])

    server = next(iter(cloud.core.things["servers"].values()))
    network = next(iter(cloud.core.things["networks"]))
    assert (server["flavorRef"], server["imageRef"]) == ("tiny", "i-guest")
    assert server["networks"] == [{"uuid": network}]


def test_a_server_has_no_network_where_there_is_none_to_use(cloud: ApiStandIn, tmp_path: Path) -> None:
    cloud.core.things["networks"].clear()
    cloud.core.removed = False

    watched(cloud, tmp_path, BOOTS, until=["server-create"])

    assert {server["networks"] for server in cloud.core.things["servers"].values()} == {"none"}


def test_what_is_gone_is_asked_for_no_more(cloud: ApiStandIn, tmp_path: Path) -> None:
    """A restore loses the flavor that servers were made of (seen in the lab): users take another."""

    def forgets(ex: Exchange) -> bool:
        lost = ex.command == "POST" and b'"tiny"' in ex.sent
        if lost:
            cloud.core.flavors = [flavor for flavor in cloud.core.flavors if flavor["id"] != "tiny"]
            ex.answer(400, {"badRequest": {"message": "Flavor tiny could not be found."}})
        return lost

    cloud.fault = forgets

    seen = watched(cloud, tmp_path, BOOTS, until=["server-removal"])

    assert bad(seen) == {("server-create", STATUS)}
    assert ("server-boot", DONE) in {(s.stream, s.outcome) for s in seen}


def test_nothing_is_booted_where_there_is_no_image(cloud: ApiStandIn, tmp_path: Path) -> None:
    cloud.images.clear()

    seen = watched(cloud, tmp_path, BOOTS, until=["server-choice"])

    assert bad(seen) == set()
    assert {s.stream for s in seen} == {"server-choice"}


def test_a_boot_that_ends_in_error_is_lost_and_named_and_removed(cloud: ApiStandIn, tmp_path: Path) -> None:
    cloud.core.boots_end = "ERROR"

    seen = watched(cloud, tmp_path, BOOTS, until=["server-boot"])

    assert bad(seen) == {("server-boot", LOST)}
    lost = next(s for s in seen if not s.good)
    assert lost.api == "nova"
    assert "it ended in ERROR: no valid host was found" in lost.detail
    assert made(cloud) == removed(cloud)


def test_a_server_that_never_becomes_active_is_lost_at_the_limit(cloud: ApiStandIn, tmp_path: Path) -> None:
    cloud.core.boots_end = "BUILD"

    seen = watched(cloud, tmp_path, BOOTS, work_s=0.2, until=["server-boot"])

    assert ended(seen, "server-boot") == {(LOST, "BUILD on cmp1")}


def test_a_server_that_no_host_ever_took_is_told_by_name(cloud: ApiStandIn, tmp_path: Path) -> None:
    """Its message was lost on the way, or nobody places servers: another fault than a slow host."""
    cloud.core.boots_end, cloud.core.host = "BUILD", None

    seen = watched(cloud, tmp_path, BOOTS, work_s=0.2, until=["server-boot"])

    assert ended(seen, "server-boot") == {(LOST, "BUILD without a host")}


def test_a_delete_that_is_refused_is_a_failed_request_and_no_lost_work(
    cloud: ApiStandIn, tmp_path: Path
) -> None:
    def refuses(ex: Exchange) -> bool:
        if ex.command == "DELETE":
            ex.answer(500)
        return ex.command == "DELETE"

    cloud.fault = refuses

    seen = watched(cloud, tmp_path, BOOTS, until=["server-delete"])

    assert bad(seen) == {("server-delete", STATUS)}


def test_a_delete_that_was_accepted_and_is_never_done_is_lost(cloud: ApiStandIn, tmp_path: Path) -> None:
    cloud.core.removed = False

    seen = watched(cloud, tmp_path, BOOTS, work_s=0.2, until=["server-removal"])

    assert {outcome for outcome, _ in ended(seen, "server-removal")} == {LOST}


def test_what_is_still_awaited_at_the_end_is_not_judged(cloud: ApiStandIn, tmp_path: Path) -> None:
    cloud.core.boots_end = "BUILD"

    seen = watched(cloud, tmp_path, BOOTS, until=["server-create"])

    assert not [s for s in seen if s.work]


def test_an_api_that_leaves_the_catalog_fails_its_users_tokens_and_stays_asked_for(
    cloud: ApiStandIn, tmp_path: Path
) -> None:
    rates = {"server-list": 10.0, "token-issue": 10.0}
    watched(cloud, tmp_path, rates, seconds=0.2)
    cloud.offered.pop("compute")

    def silent(ex: Exchange) -> bool:
        return ex.path.startswith("/compute")

    cloud.fault = silent
    seen = watched(cloud, tmp_path, rates, seconds=0.3)

    assert bad(seen) == {("token-issue", CONTENT), ("server-list", CONNECTION)}


def test_the_next_start_removes_what_a_killed_one_left(cloud: ApiStandIn, tmp_path: Path) -> None:
    watched(cloud, tmp_path, {"token-issue": 5.0}, seconds=0.2)
    left = cloud.core.add("servers", name="skylift-probe-run-1-0badcafe-1")
    cloud.core.add("servers", name="skylift-probe-run-10-0badcafe-1")
    cloud.core.looks = 1

    def deleted() -> list[str]:
        return [path for method, path in cloud.asked if method == "DELETE"]

    watched(cloud, tmp_path, {"token-issue": 5.0}, until=lambda: bool(deleted()))

    assert deleted() == [f"/compute/v2.1/servers/{left}"]


def test_boots_that_never_end_take_bounded_room(cloud: ApiStandIn, tmp_path: Path) -> None:
    """Else lost boots would fill the cloud that the run is to leave in peace."""
    cloud.core.boots_end = "BUILD"
    cloud.core.removed = False

    most = STREAMS["server-cycle"].at_once
    late = time.monotonic() + 0.5

    watched(
        cloud,
        tmp_path,
        {"server-cycle": 40.0},
        until=lambda: made(cloud) >= most and time.monotonic() > late,
    )

    assert made(cloud) == most == 3
