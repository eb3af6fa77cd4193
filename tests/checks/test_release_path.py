"""Which hops may be made: what upstream supports, and what is left of a run that stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skylift.catalog.catalog import load
from skylift.checks.finding import Finding, Level
from skylift.checks.registry import check_all
from skylift.model.cloud import Cloud, SchemaSeen
from skylift.model.goal import Upgrade
from skylift.model.ids import HostName
from skylift.model.release import Release
from skylift.testing.samples import (
    EXPANDED_2024_1,
    KEYSTONE,
    R2023_1,
    R2024_1,
    R2025_1,
    artifact_name,
    sample_cloud,
    sample_record,
)

RECORD = sample_record()
CTL1, CTL2 = HostName("ctl1"), HostName("ctl2")


def _path(cloud: Cloud, goal: Release) -> list[Finding]:
    return [f for f in check_all(cloud, RECORD, Upgrade(goal), load()) if f.check == "release-path"]


@pytest.mark.parametrize(
    ("start", "goal", "told"),
    [
        (R2023_1, R2025_1, "the supported path is 2023.1 -> 2024.1 -> 2025.1"),
        (R2024_1, R2023_1, "which is newer than 2023.1: a way back is no upgrade"),
        (R2023_1, Release(2024, 2), "the supported path is 2023.1 -> 2024.1 -> 2024.2"),
        (R2023_1, Release(2031, 1), "2031.1 is not a release Skylift knows: it knows 2023.1"),
    ],
)
def test_a_path_upstream_does_not_support_is_refused_with_the_legal_one(
    start: Release, goal: Release, told: str
) -> None:
    """Row 91: the distance between releases is enforced."""
    findings = _path(sample_cloud(RECORD, release=start), goal)

    assert all(f.blocks and told in f.sentence for f in findings)
    assert all("skylift check --to" in f.remedies[0].how for f in findings)


@pytest.mark.parametrize(
    ("start", "goal"), [(R2023_1, R2024_1), (R2024_1, R2025_1), (R2023_1, Release(2023, 2))]
)
def test_an_adjacent_release_and_a_slurp_jump_are_legal(start: Release, goal: Release) -> None:
    (finding,) = _path(sample_cloud(RECORD, release=start), goal)

    assert finding.level is Level.PASSED


def test_a_cloud_that_is_there_already_is_told_so() -> None:
    findings = _path(sample_cloud(RECORD, release=R2024_1, goal=R2024_1), R2024_1)

    assert [f.level for f in findings] == [Level.WARNS]
    assert "every service runs 2024.1 already" in findings[0].sentence


def test_a_run_that_stopped_before_contract_may_go_on() -> None:
    cloud = sample_cloud(RECORD, release=R2024_1, goal=R2024_1)
    expanded = SchemaSeen(KEYSTONE, "", EXPANDED_2024_1[KEYSTONE])
    cloud = replace(cloud, schemas={**cloud.schemas, KEYSTONE: expanded})

    findings = check_all(cloud, RECORD, Upgrade(R2024_1), load())

    assert not any(f.blocks for f in findings)
    (schema,) = [f for f in findings if f.check == "schema"]
    assert "it lacks 99de3849d860, c88cdce8f248, and a plan brings it there" in schema.sentence


def test_a_run_that_stopped_half_way_may_go_on() -> None:
    upgraded = [(KEYSTONE, CTL1), (KEYSTONE, CTL2)]
    half = sample_cloud(RECORD, upgraded=upgraded)
    target = RECORD.artifacts[artifact_name(R2024_1)]
    half = replace(half, staged={**half.staged, (target.name, CTL1): target.digest})

    findings = check_all(half, RECORD, Upgrade(R2024_1), load())

    assert not any(f.blocks for f in findings)
    assert [f.check for f in findings if f.level is Level.WARNS] == ["schema"]
