"""Witnesses of the core services: made once whatever cut the making short, and hurt ones are told."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from tests.probe.test_guest import NOWHERE, pinging
from tests.probe.watching import access, offer_all

from skylift.probe import witness, witness_check
from skylift.probe.choice import Wanted
from skylift.probe.exchange import Unanswered
from skylift.probe.folder import Folder
from skylift.testing.api_standin import ApiStandIn, Fault

FIRST = ["user", "project", "image", "resource provider"]
CORE = ["router", "volume", "server", "stack"]
TRIES = 20


@pytest.fixture
def cloud(apis: ApiStandIn) -> ApiStandIn:
    """A cloud whose guests answer pings, and count nothing."""
    offer_all(apis)
    return apis


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.of("run-1", tmp_path / "state", tmp_path / "run")


def known(folder: Folder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.witnesses.read_text())
    return found


def settle(cloud: ApiStandIn, folder: Folder) -> None:
    """What was accepted has come about, and the guest had its time to answer."""
    cloud.core.settle()
    these = known(folder)
    for since in {"active_at", "pings_from"} & set(these.get("server", {})):
        these["server"][since] -= 1000
    folder.witnesses.write_text(json.dumps(these))


def make(cloud: ApiStandIn, folder: Folder, wanted: Wanted | None = None) -> None:
    """Ask for the witnesses until they are whole, as a step does."""
    for _ in range(TRIES):
        witness.create(folder, access(cloud), wanted or Wanted())
        settle(cloud, folder)
        if known(folder)["complete"]:
            return
    raise AssertionError("the witnesses never became whole")


def seen(cloud: ApiStandIn, folder: Folder) -> dict[str, bool]:
    return {one.name: one.intact for one in witness_check.verify(folder, access(cloud))}


def hurt(cloud: ApiStandIn, folder: Folder) -> list[str]:
    return [name for name, intact in seen(cloud, folder).items() if not intact]


def fails_from(number: int) -> Fault:
    """Cut the connection of the request with this number and of all later ones."""
    count = itertools.count()
    return lambda _ex: next(count) >= number


def things(cloud: ApiStandIn) -> dict[str, int]:
    return {kind: len(made) for kind, made in cloud.core.things.items() if kind != "security-group-rules"}


@pinging
def test_which_witnesses_there_are_follows_from_the_catalog(cloud: ApiStandIn, folder: Folder) -> None:
    make(cloud, folder)

    assert seen(cloud, folder) == dict.fromkeys([*FIRST, *CORE, "guest"], True)


@pinging
def test_a_neutron_without_security_groups_has_a_server_all_the_same(
    cloud: ApiStandIn, folder: Folder
) -> None:
    del cloud.core.things["security-groups"]

    make(cloud, folder)
    whole = seen(cloud, folder)["server"]
    cloud.core.looks = 0
    witness.destroy(folder, access(cloud))

    assert whole
    assert cloud.core.things["ports"] == {}


@pinging
def test_a_cloud_without_cinder_and_heat_has_a_server_and_a_router(cloud: ApiStandIn, folder: Folder) -> None:
    del cloud.offered["block-storage"], cloud.offered["orchestration"]

    make(cloud, folder)

    assert list(seen(cloud, folder)) == [*FIRST, "router", "server", "guest"]


def test_where_there_is_no_network_to_join_the_server_is_on_the_routers_own(
    cloud: ApiStandIn, folder: Folder
) -> None:
    cloud.core.things["networks"].clear()

    make(cloud, folder)

    these = known(folder)
    port = cloud.core.things["ports"][these["server"]["port"]]
    assert list(seen(cloud, folder)) == [*FIRST, *CORE]
    assert port["network_id"] == these["router"]["network"]


def test_a_neutron_without_routers_has_no_router(cloud: ApiStandIn, folder: Folder) -> None:
    del cloud.core.things["routers"]
    cloud.images.clear()

    make(cloud, folder)

    assert list(seen(cloud, folder)) == [*FIRST, "volume", "stack"]


def test_a_cloud_without_an_image_has_no_server(cloud: ApiStandIn, folder: Folder) -> None:
    cloud.images.clear()

    make(cloud, folder)

    assert "server" not in seen(cloud, folder)
    assert seen(cloud, folder)["volume"]


def test_witnesses_that_are_not_all_made_yet_are_none(cloud: ApiStandIn, folder: Folder) -> None:
    witness.create(folder, access(cloud))

    assert witness_check.verify(folder, access(cloud)) == []


@pinging
def test_making_cut_short_anywhere_and_made_again_makes_each_once(cloud: ApiStandIn, tmp_path: Path) -> None:
    """Cut at every fifth request, until none is left to cut."""
    for number in itertools.count(0, 5):
        folder = Folder.of(f"run-{number}", tmp_path / "state", tmp_path / "run")
        cloud.fault = fails_from(number)
        try:
            make(cloud, folder)
        except Unanswered:
            cloud.fault = None
            make(cloud, folder)
        else:
            assert number > 30
            break
        made = things(cloud)
        assert (made["servers"], made["volumes"], made["stacks"], made["routers"]) == (1, 1, 1, 1)
        assert (made["networks"], made["subnets"], made["security-groups"]) == (2, 1, 1)
        cloud.core.looks = 0
        witness.destroy(folder, access(cloud))
        cloud.core.settle()
        assert things(cloud) == {**dict.fromkeys(made, 0), "networks": 1}
        cloud.core.looks = 2


@pinging
def test_where_each_answer_is_slow_every_try_goes_on_after_the_one_before(
    cloud: ApiStandIn, folder: Folder
) -> None:
    """So many requests fit into one try that it makes one more witness, and never all of them."""
    tries, per_try = 0, 14
    while not (folder.witnesses.exists() and known(folder)["complete"]):
        cloud.fault = fails_from(per_try)
        witness.create(folder, access(cloud))
        cloud.fault = None
        settle(cloud, folder)
        tries += 1
        assert tries < TRIES

    assert tries > 3
    assert all(seen(cloud, folder).values())


@pinging
def test_a_try_in_which_nothing_came_about_says_why(cloud: ApiStandIn, folder: Folder) -> None:
    witness.create(folder, access(cloud))
    cloud.fault = fails_from(1)

    with pytest.raises(Unanswered) as told:
        witness.create(folder, access(cloud))

    assert told.value.passing


@pinging
def test_a_server_takes_the_image_and_the_network_that_the_record_names(
    cloud: ApiStandIn, folder: Folder
) -> None:
    cloud.images["i-other"] = {**cloud.images["i-guest"], "id": "i-other", "name": "other"}
    other = cloud.core.add("networks", name="other", shared=True, subnets=["s"])

    make(cloud, folder, Wanted("other", "other"))

    server = next(iter(cloud.core.things["servers"].values()))
    (port,) = [p for p in cloud.core.things["ports"].values() if p["device_id"] == server["id"]]
    assert (server["imageRef"], port["network_id"]) == ("i-other", other)


@pinging
def test_each_kind_of_harm_is_seen_in_its_witness_alone(cloud: ApiStandIn, folder: Folder) -> None:
    make(cloud, folder)
    these = known(folder)

    cloud.core.things["stacks"][these["stack"]["id"]]["outputs"][0]["output_value"] = "another"
    assert hurt(cloud, folder) == ["stack"]

    for port in [p for p in cloud.core.things["ports"].values() if p["device_id"] == these["router"]["id"]]:
        del cloud.core.things["ports"][port["id"]]
    assert hurt(cloud, folder) == ["router", "stack"]

    cloud.core.things["volumes"][these["volume"]["id"]]["attachments"] = []
    assert hurt(cloud, folder) == ["router", "volume", "stack"]

    cloud.core.things["servers"][these["server"]["id"]]["status"] = "SHUTOFF"
    assert hurt(cloud, folder) == ["router", "volume", "server", "stack"]


def test_a_server_that_ends_in_error_is_told_removed_and_made_again(
    cloud: ApiStandIn, folder: Folder
) -> None:
    cloud.core.boots_end = "ERROR"
    with pytest.raises(Unanswered, match=r"ended in ERROR \(no valid host was found\)"):
        make(cloud, folder)
    cloud.core.boots_end = "ACTIVE"
    cloud.core.settle()

    make(cloud, folder)

    assert seen(cloud, folder)["server"]
    assert things(cloud)["servers"] == 1


@pinging
def test_a_guest_that_answers_is_a_witness_past_every_api(cloud: ApiStandIn, folder: Folder) -> None:
    make(cloud, folder)
    cloud.fault = fails_from(0)

    (guest,) = [one for one in witness_check.verify_noapi(folder) if one.name == "guest"]

    assert guest.intact


@pinging
def test_a_guest_that_answers_no_more_is_hurt_though_its_server_is_active(
    cloud: ApiStandIn, folder: Folder
) -> None:
    make(cloud, folder)
    these = known(folder)
    these["server"]["address"] = NOWHERE
    cloud.core.things["ports"][these["server"]["port"]]["fixed_ips"] = [{"ip_address": NOWHERE}]
    folder.witnesses.write_text(json.dumps(these))

    assert hurt(cloud, folder) == ["guest"]


@pinging
def test_a_guest_that_nobody_reaches_is_given_up_and_is_no_witness(cloud: ApiStandIn, folder: Folder) -> None:
    cloud.core.address = NOWHERE

    make(cloud, folder)

    assert list(seen(cloud, folder)) == [*FIRST, *CORE]


@pinging
def test_kinds_that_are_left_out_are_not_made_and_the_server_does_without_them(
    cloud: ApiStandIn, folder: Folder
) -> None:
    """A run over hosts watches a guest that every host may take: one without a volume."""
    witness.create(folder, access(cloud), Wanted(), without=frozenset({"volume", "stack"}))
    make(cloud, folder)

    assert seen(cloud, folder) == dict.fromkeys([*FIRST, "router", "server", "guest"], True)
    assert (things(cloud)["servers"], things(cloud)["volumes"]) == (1, 0)
