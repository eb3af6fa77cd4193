"""Checks whose answer depends on the record's policy, or on how something is written down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skylift.catalog.catalog import load
from skylift.checks.endpoints import ENDPOINTS
from skylift.checks.finding import Finding, Level
from skylift.checks.registry import check_all
from skylift.model.cloud import BackendState, Cloud, HostSeen
from skylift.model.goal import Upgrade
from skylift.model.ids import HostName
from skylift.model.record import Policy, Record
from skylift.testing.samples import KEYSTONE, R2024_1, artifact_name, sample_cloud, sample_record
from skylift.testing.whole_clouds import Shape, whole_cloud

RECORD = sample_record()
CTL3 = HostName("ctl3")
NARROW = "GRANT SELECT, ALTER, CREATE, DROP, INDEX, REFERENCES ON `key\\_stone`.* TO `keystone`@`%`"


def _found(check: str, cloud: Cloud, record: Record = RECORD) -> list[Finding]:
    return [f for f in check_all(cloud, record, Upgrade(R2024_1), load()) if f.check == check]


def _granted(*facts: str) -> Cloud:
    cloud = sample_cloud(RECORD)
    return replace(cloud, grants={**cloud.grants, KEYSTONE: facts})


def test_a_record_without_the_target_is_told_where_to_declare_it() -> None:
    artifacts = {name: a for name, a in RECORD.artifacts.items() if name != artifact_name(R2024_1)}

    (finding,) = _found("artifacts", sample_cloud(RECORD), replace(RECORD, artifacts=artifacts))

    assert finding.sentence == "the record has no artifact of 2024.1; it has 2023.1, 2025.1"
    assert "declare one with release 2024.1" in finding.remedies[0].how


def test_a_larger_batch_asks_for_more_backends() -> None:
    record = replace(RECORD, policy=replace(RECORD.policy, batch=2))
    cloud = sample_cloud(RECORD)
    out = (replace(b, state=BackendState.MAINT) if b.server == CTL3 else b for b in cloud.backends)

    findings = _found("backends", replace(cloud, backends=tuple(out)), record)

    assert {f.level for f in findings} == {Level.BLOCKS}
    assert "an upgrade needs 3, for it takes 2 out at a time" in findings[0].sentence


@pytest.mark.parametrize(
    "grant",
    [
        "GRANT ALL PRIVILEGES ON *.* TO `keystone`@`%`",
        "GRANT ALL PRIVILEGES ON `key%`.* TO `keystone`@`%`",
        NARROW.replace("key\\_stone", "keystone"),
    ],
)
def test_a_grant_on_more_than_the_database_is_enough(grant: str) -> None:
    (finding,) = _found("privileges", _granted(grant, "log_bin=0"))

    assert finding.level is Level.PASSED


def test_a_grant_on_another_database_is_not_enough() -> None:
    findings = _found("privileges", _granted(NARROW, "GRANT USAGE ON *.* TO `keystone`@`%`"))

    assert any(f.blocks for f in findings)


def test_keys_that_no_host_has_are_a_warning() -> None:
    cloud = sample_cloud(RECORD)
    hosts = {
        name: replace(seen, key_digests={"fernet": "sha256:" + "f" * 64})
        for name, seen in cloud.hosts.items()
        if isinstance(seen, HostSeen)
    }

    (finding,) = _found("keys", replace(cloud, hosts=hosts))

    assert finding.level is Level.WARNS
    assert "no host has credential keys" in finding.sentence


def test_an_api_may_be_in_the_catalog_under_an_alias_of_its_type() -> None:
    shape = Shape(source=R2024_1, goal=R2024_1.following)
    cloud, record = whole_cloud(load(), ("keystone", "cinder"), shape, policy=Policy())
    named = (replace(e, service="volumev3") if e.service == "block-storage" else e for e in cloud.endpoints)

    findings = check_all(
        replace(cloud, endpoints=tuple(named)),
        record,
        Upgrade(R2024_1.following),
        load(),
        checks=(ENDPOINTS,),
    )

    assert [finding.level for finding in findings] == [Level.PASSED]
