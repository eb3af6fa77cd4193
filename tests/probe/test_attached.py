"""The volumes of a host's back ends are told with who has them, whichever way Cinder names the host."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from skylift.probe import attached
from skylift.probe.access import VERSIONS, Access
from skylift.probe.client import Client
from skylift.probe.exchange import Unanswered
from skylift.testing.api_standin import ApiStandIn, Exchange
from skylift.testing.core_standin import CORE

HOST, NAMED = "os-vol-host-attr:host", "os-vol-mig-status-attr:name_id"


def volume(name: str, host: str, *servers: str | None, **more: Any) -> dict[str, Any]:
    """As cinder's view of volumes makes one for an administrator, with more than is read of it."""
    attachments = [{"server_id": s, "volume_id": name, "host_name": "cmp1"} for s in servers]
    return {"id": name, HOST: host, NAMED: None, "attachments": attachments, "status": "in-use", **more}


class Apis:
    """Answers by path as Cinder and Nova do, two things on a page."""

    def __init__(self, apis: ApiStandIn) -> None:
        apis.offered |= CORE
        apis.fault = self.answer
        self.access = Access(f"{apis.url}/identity/v3", "admin", "right", "admin")
        self.services = ["vol1.example.org@lvm", "vol1.example.org@ceph", "vol10@lvm"]
        self.volumes = [
            volume("a", "vol1.example.org@lvm#LVM", "s1", "s2"),
            volume("b", "vol1.example.org@lvm#LVM", "s3", **{NAMED: "b2"}),
            volume("c", "vol1.example.org@ceph#rbd", "s1"),
            volume("d", "vol1.example.org@lvm#LVM"),
            volume("e", "vol10@lvm#LVM", "s4"),
            volume("f", "vol1.example.org@lvm#LVM", None),
        ]
        self.stopped = ["s2", "s5", "s6"]
        self.asked: list[dict[str, str]] = []

    def client(self, seconds: float = 20) -> Client:
        return Client(self.access, time.monotonic() + seconds, versions=VERSIONS)

    def answer(self, one: Exchange) -> bool:
        asked = urlsplit(one.path)
        query = dict(parse_qsl(asked.query))
        if not asked.path.startswith((CORE["block-storage"], CORE["compute"])):
            return False
        self.asked.append(query)
        one.answer(200, self._told(asked.path.rpartition("/v")[2].partition("/")[2], query))
        return True

    def _told(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        if path == "os-services":
            return {"services": [{"host": host, "binary": query["binary"]} for host in self.services]}
        if path == "servers":
            left = [{"id": s} for s in self.stopped if s > query.get("marker", "")]
            return self._page("servers", left)
        own = [v for v in self.volumes if v.get(HOST, query["host"]).partition("#")[0] == query["host"]]
        return self._page("volumes", [v for v in own if v["id"] > query.get("marker", "")])

    def _page(self, what: str, left: list[dict[str, Any]]) -> dict[str, Any]:
        more = {f"{what}_links": [{"rel": "next", "href": "x"}]} if len(left) > 2 else {}
        return {what: left[:2], **more}


@pytest.fixture
def cloud(apis: ApiStandIn) -> Apis:
    return Apis(apis)


def test_attached_volumes_are_told_page_by_page_with_the_name_of_their_disks(cloud: Apis) -> None:
    found = attached.attached(cloud.client(), "vol1")

    assert found == [
        {"id": "c", "named": "c", "backend": "vol1.example.org@ceph", "servers": ["s1"]},
        {"id": "a", "named": "a", "backend": "vol1.example.org@lvm", "servers": ["s1", "s2"]},
        {"id": "b", "named": "b2", "backend": "vol1.example.org@lvm", "servers": ["s3"]},
        {"id": "f", "named": "f", "backend": "vol1.example.org@lvm", "servers": []},
    ]
    assert all(asked["all_tenants"] == "1" for asked in cloud.asked if "limit" in asked)


def test_instances_that_are_shut_off_are_told_until_there_are_no_more(cloud: Apis) -> None:
    assert attached.stopped(cloud.client(), "") == (["s2", "s5", "s6"], "")
    assert {asked["status"] for asked in cloud.asked} == {"SHUTOFF"}


def test_with_little_time_the_rest_is_told_when_it_is_asked_for(cloud: Apis) -> None:
    first = attached.stopped(cloud.client(5), "")

    assert first.things == ["s2", "s5"]
    assert attached.stopped(cloud.client(), first.after) == (["s6"], "")


def test_who_may_not_see_hosts_is_told_so(cloud: Apis) -> None:
    del cloud.volumes[0][HOST]

    with pytest.raises(Unanswered, match="no administrator"):
        attached.attached(cloud.client(), "vol1")


def test_a_cloud_without_cinder_has_no_volumes(apis: ApiStandIn) -> None:
    access = Access(f"{apis.url}/identity/v3", "admin", "right", "admin")

    assert attached.attached(Client(access, time.monotonic() + 20, versions=VERSIONS), "vol1") == []
