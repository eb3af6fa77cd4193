"""Facts: what a plan relies on, and what may drift without harm."""

from __future__ import annotations

import dataclasses

from tests.planning.planned import planned, with_backend, with_rows

from skylift.model.cloud import BackendState, Cloud, HostSeen, UnitSeen, UnitState
from skylift.model.ids import Epoch, HostName
from skylift.model.record import Policy, Record
from skylift.planning.facts import drift, facts_of
from skylift.testing.samples import GLANCE, KEYSTONE, KEYSTONE_SERVICE, sample_cloud, sample_record

CTL2 = HostName("ctl2")


def drifted(cloud: Cloud, record: Record | None = None) -> list[str]:
    """What a plan of the sample cloud says of ``cloud``."""
    original = sample_record()
    plan = planned(sample_cloud(original), original)
    return [str(d) for d in drift(plan, facts_of(cloud, record or original))]


def with_unit(cloud: Cloud, unit: UnitSeen) -> Cloud:
    return dataclasses.replace(cloud, units={**cloud.units, (KEYSTONE_SERVICE, CTL2): unit})


def test_an_unchanged_cloud_has_not_drifted() -> None:
    assert drifted(sample_cloud(sample_record())) == []


def test_a_reboot_a_fuller_disk_and_a_restart_are_no_drift() -> None:
    """Unrelated drift is tolerated: nothing in a plan rests on it."""
    cloud = sample_cloud(sample_record())
    host = cloud.hosts[CTL2]
    assert isinstance(host, HostSeen)
    other = dataclasses.replace(host, boot_id="another", disk_free_bytes=5 * 2**30, clock_offset_ms=900)
    cloud = dataclasses.replace(cloud, hosts={**cloud.hosts, CTL2: other}, observed_at=Epoch(2e9))
    unit = dataclasses.replace(cloud.units[KEYSTONE_SERVICE, CTL2], pid=77, started_at=Epoch(2e9))

    assert drifted(with_unit(cloud, unit)) == []


def test_another_artifact_is_drift_and_named() -> None:
    cloud = sample_cloud(sample_record())
    unit = dataclasses.replace(cloud.units[KEYSTONE_SERVICE, CTL2], running="/opt/other")

    assert drifted(with_unit(cloud, unit)) == [
        "artifact keystone ctl2 was /opt/openstack/artifacts/2023.1, and is /opt/other now"
    ]


def test_a_balancer_that_cannot_be_read_is_drift() -> None:
    """A plan rests on what every balancer has in use; what the others say is no answer for it."""
    cloud = sample_cloud(sample_record())
    heard = tuple(b for b in cloud.backends if b.balancer != CTL2)
    silent = dataclasses.replace(cloud, backends=heard, unread={f"backends {CTL2}": "no socket"})

    assert "backend glance/ctl1 was up, and is up, unread on ctl2 now" in drifted(silent)


def test_a_failed_unit_is_drift_and_named() -> None:
    cloud = sample_cloud(sample_record())
    unit = dataclasses.replace(cloud.units[KEYSTONE_SERVICE, CTL2], state=UnitState.FAILED)

    assert drifted(with_unit(cloud, unit)) == ["unit keystone ctl2 was active, and is failed now"]


def test_a_schema_that_somebody_migrated_is_drift_and_named() -> None:
    cloud = with_rows(sample_cloud(sample_record()), GLANCE, {"2024_1_contract01"})

    assert "schema glance was 2023_1_contract01, and is 2024_1_contract01 now" in drifted(cloud)


def test_a_backend_that_one_balancer_drains_is_drift_and_named() -> None:
    cloud = with_backend(sample_cloud(sample_record()), KEYSTONE, CTL2, BackendState.DRAIN)

    assert drifted(cloud) == ["backend keystone/ctl2 was up, and is drain now"]


def test_a_database_cluster_that_lost_a_member_is_drift_and_named() -> None:
    """A plan changes schemas, and a cluster that is not whole bears no schema change."""
    cloud = sample_cloud(sample_record())
    galera = {
        host: dataclasses.replace(node, size=2) for host, node in cloud.galera.items() if host != "ctl3"
    }

    assert drifted(dataclasses.replace(cloud, galera=galera)) == [
        "galera ctl1 was Primary Synced 3, and is Primary Synced 2 now",
        "galera ctl2 was Primary Synced 3, and is Primary Synced 2 now",
        "galera ctl3 was Primary Synced 3, and is not there now",
    ]


def test_a_new_controller_and_another_batch_are_drift() -> None:
    record = sample_record(controllers=4, policy=Policy(batch=2))

    found = drifted(sample_cloud(record), record)

    assert "hosts keystone was ctl1 ctl2 ctl3, and is ctl1 ctl2 ctl3 ctl4 now" in found
    assert "policy batch was 1, and is 2 now" in found


def test_what_cannot_be_read_any_more_is_drift_with_its_reason() -> None:
    cloud = sample_cloud(sample_record())
    units = {key: unit for key, unit in cloud.units.items() if key != (KEYSTONE_SERVICE, CTL2)}
    unread = {"unit keystone ctl2": "ctl2 does not answer"}

    found = drifted(dataclasses.replace(cloud, units=units, unread=unread))

    assert "unit keystone ctl2 was active, and is unread: ctl2 does not answer now" in found
