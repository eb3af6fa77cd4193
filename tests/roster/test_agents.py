"""What rows of services mean: who is gone, what is held back, and what the checks and the plan say of it."""

# ruff: noqa: E501 - the table of failures reads best with a line for each

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.roster.shown import CATALOG, GOAL, STRAY, cloud_and_record, findings, stray

from skylift.checks.finding import Level
from skylift.model.cloud import Cloud
from skylift.model.ids import Epoch, HostName, ServiceName
from skylift.model.roster import is_placed, pins, stale
from skylift.testing.samples import NOW

COMPUTE = ServiceName("nova-compute")
DAY_S = 86_400

Change = Callable[[Cloud], Cloud]


def of(service: str, host: str, **changed: Any) -> Change:
    """A change of what one service on one host reports."""

    def change(cloud: Cloud) -> Cloud:
        return replace(
            cloud,
            reports=tuple(
                replace(r, **changed) if (r.service, r.host) == (service, host) else r for r in cloud.reports
            ),
        )

    return change


def without(service: str, host: str) -> Change:
    return lambda cloud: replace(
        cloud, reports=tuple(r for r in cloud.reports if (r.service, r.host) != (service, host))
    )


SILENT = Epoch(NOW - 91)
FAILURES: dict[str, tuple[str, Level, Change, str, str]] = {
    "no row": ("agents", Level.BLOCKS, without("nova-compute", "cmp1"), "nova-compute on cmp1 does not report: it has no row", "ssh cmp1 journalctl -u nova-compute.service"),
    "silent": ("agents", Level.BLOCKS, of("cinder-volume", "ctl2@lvm", seen_at=SILENT), "cinder-volume on ctl2 does not report: it did last at 2025-11-24", "ssh ctl2 journalctl"),
    "never seen": ("agents", Level.BLOCKS, of("heat-engine", "ctl1", seen_at=None), "it did last at no time at all", "ssh ctl1 journalctl"),
    "disabled": ("agents", Level.WARNS, of("nova-compute", "cmp2", enabled=False, reason="broken fan"), "nova-compute on cmp2 is disabled: broken fan", ""),
    "a host that the record does not know": ("agents", Level.WARNS, lambda c: replace(c, reports=(*c.reports, stray(c, seen_at=Epoch(NOW)))), f"nova-compute reports as {STRAY}, where the record does not place it", "give it the role"),
    "gone and old": ("stale-services", Level.BLOCKS, lambda c: replace(c, reports=(*c.reports, stray(c, version=61))), f"the row of nova-compute on {STRAY} in nova_cell1 is stale", "openstack --os-compute-api-version 2.53 compute service delete stray-1"),
    "gone, and as new as the target": ("stale-services", Level.WARNS, lambda c: replace(c, reports=(*c.reports, stray(c, version=68))), "it holds nothing back", "service delete stray-1"),
    "silent for a day": ("stale-services", Level.BLOCKS, of("nova-compute", "cmp1", seen_at=Epoch(NOW - DAY_S - 1)), "is stale: it did not report for more than 24 h", "service delete nova-compute-cmp1"),
    "forced down": ("stale-services", Level.WARNS, lambda c: replace(c, reports=(*c.reports, stray(c, version=61, holds=False))), "it holds nothing back", "service delete stray-1"),
    "too old": ("version-distance", Level.BLOCKS, of("nova-compute", "cmp1", version=65), "nova-compute on cmp1 says that it is of version 65, and 2025.1 starts beside 66 and newer only", "skylift inspect"),
}  # fmt: skip


@pytest.mark.parametrize("check", ["agents", "stale-services", "version-distance"])
def test_a_cloud_whose_services_all_report_has_nothing_against_it(check: str) -> None:
    cloud, record = cloud_and_record()

    assert [f.level for f in findings(check, cloud, record)] == [Level.PASSED]


@pytest.mark.parametrize("case", FAILURES)
def test_each_check_fails_for_its_reason_with_its_message_and_a_way_out(case: str) -> None:
    check, level, change, told, remedy = FAILURES[case]
    cloud, record = cloud_and_record()

    found = [f for f in findings(check, change(cloud), record) if told in f.sentence]

    assert {f.level for f in found} == {level}, findings(check, change(cloud), record)
    assert any(remedy in r.how for f in found for r in f.remedies), found


@pytest.mark.parametrize("check", ["agents", "stale-services", "version-distance"])
def test_rows_that_could_not_be_read_block(check: str) -> None:
    cloud, record = cloud_and_record()

    found = findings(check, replace(cloud, reports=(), unread={"reports nova_cell1": "no route"}), record)

    assert {f.level for f in found if "could not be read" in f.sentence} == {Level.BLOCKS}


def test_the_lowest_row_decides_in_each_cell_whether_or_not_it_lives() -> None:
    cloud, _ = cloud_and_record(cells=("cell1", "cell2"))
    old = stray(cloud, version=61)

    found = pins((*cloud.reports, old))

    assert found["nova_cell1", COMPUTE] == 61
    assert found["nova_cell2", COMPUTE] == 66


def test_only_rows_that_count_hold_anything() -> None:
    cloud, _ = cloud_and_record()

    services = {service for _, service in pins(cloud.reports)}

    assert services == {"nova-compute", "cinder-volume", "cinder-scheduler", "cinder-backup"}


@pytest.mark.parametrize(
    ("told", "own"),
    [
        ("cmp1", True),
        ("cmp1.example.org", True),
        ("cmp1@lvm", True),
        ("cmp1@lvm#pool", True),
        ("cmp10", False),
    ],
)
def test_a_row_is_of_a_host_whatever_stands_behind_its_name(told: str, own: bool) -> None:  # noqa: FBT001 - a case
    cloud, record = cloud_and_record()

    assert stray(cloud, host=told).is_from(HostName("cmp1")) is own
    assert is_placed(stray(cloud, host=told), record) is own


def test_a_row_that_lives_is_not_stale_whatever_its_host_is_called() -> None:
    cloud, record = cloud_and_record()
    alive = stray(cloud, host="rbd:volumes@rbd-1", seen_at=Epoch(NOW - 3))

    assert stale((alive,), record, NOW, CATALOG.down_after) == ()


def test_how_long_a_row_may_be_silent_is_the_operators_word() -> None:
    cloud, record = cloud_and_record()
    patient = replace(record, policy=replace(record.policy, stale_after_h=48))
    silent = of("nova-compute", "cmp1", seen_at=Epoch(NOW - DAY_S - 1))(cloud)

    assert [f.level for f in findings("stale-services", silent, patient)] == [Level.PASSED]


def test_every_release_that_the_catalog_speaks_of_has_a_number_and_they_never_fall() -> None:
    for known in CATALOG.components.values():
        for versions in known.roster.versions if known.roster else ():
            numbers = [versions.numbers[release] for release in sorted(versions.numbers)]
            assert numbers == sorted(numbers), known.name
            assert set(versions.oldest) <= set(versions.numbers)
            assert set(versions.services) <= {service.name for service in known.services}
    assert CATALOG.version(next(iter(CATALOG.components)), COMPUTE, GOAL) is None
