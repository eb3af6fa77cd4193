"""Tempest's smoke tests: what it is told of the cloud, and how its answer is read."""

from __future__ import annotations

import configparser
from typing import Any

from skylift.gate.smoke import Outcome, read_outcomes, settings, summary

_AUTH = {
    "auth_url": "http://10.77.0.10:5000/v3",
    "username": "admin",
    "password": "100%secret",
    "project_name": "admin",
    "user_domain_name": "Default",
}
_REPORT = """<testsuite>
<testcase classname="tempest.api.image.v2.test_images.ImagesTest" name="test_list[id-1,smoke]"/>
<testcase classname="tempest.api.compute.test_x.X" name="test_b[id-2,smoke]">
<skipped>no nova</skipped></testcase>
<testcase classname="" name="setUpClass (tempest.api.volume.Y)"><failure type="e">Traceback
  File "x"
tempest.lib.exceptions.BuildErrorException: Volume failed to build
</failure></testcase>
</testsuite>"""


def _told(**found: object) -> configparser.ConfigParser:
    nothing = {"types": [], "dashboard": "", "image": "", "network": "", "flavors": []}
    told = configparser.ConfigParser(interpolation=None)
    told.read_string(settings(_AUTH, "RegionOne", nothing | found))
    return told


def test_only_what_the_catalog_offers_is_asked_for() -> None:
    told = _told(types=["identity", "image"])

    offered = told["service_available"]
    assert {name: offered.getboolean(name) for name in offered} == {
        "swift": False,
        "nova": False,
        "neutron": False,
        "cinder": False,
        "glance": True,
        "horizon": False,
    }
    assert "compute" not in told


def test_a_password_reaches_tempest_as_it_is() -> None:
    assert _told()["auth"]["admin_password"] == "100%secret"


_WITH_SERVERS: dict[str, Any] = {
    "types": ["compute"],
    "image": "i",
    "network": "n",
    "extensions": ["router", "quotas"],
    "flavors": ["f", "g"],
    "dashboard": "http://x/",
}


def test_servers_are_made_of_what_was_found() -> None:
    told = _told(**_WITH_SERVERS)

    assert (told["compute"]["image_ref"], told["compute"]["flavor_ref_alt"]) == ("i", "g")
    assert told["network"]["public_network_id"] == "n"
    assert told["network-feature-enabled"]["api_extensions"] == "router,quotas"
    assert told["service_available"].getboolean("horizon")


def test_every_test_of_the_report_is_read_with_what_it_said() -> None:
    assert read_outcomes(_REPORT) == (
        Outcome(
            "setUpClass (tempest.api.volume.Y)",
            "failed",
            "tempest.lib.exceptions.BuildErrorException: Volume failed to build",
        ),
        Outcome("tempest.api.compute.test_x.X.test_b", "skipped", "no nova"),
        Outcome("tempest.api.image.v2.test_images.ImagesTest.test_list", "passed", ""),
    )


def test_the_last_line_counts_every_ending() -> None:
    assert summary(read_outcomes(_REPORT)) == "smoke: 1 passed, 1 failed, 1 skipped"
