"""When no plan is made, and which way out is offered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import pytest
from tests.planning.planned import planned, with_backend, with_rows

from skylift.model.cloud import BackendState, Cloud, Revision
from skylift.model.ids import ArtifactName, ComponentName, HostName
from skylift.model.problem import Refused
from skylift.model.record import Record
from skylift.model.release import Release
from skylift.planning.refusals import (
    NoArtifact,
    NoPath,
    NotAdditive,
    NotRead,
    NotRolling,
    SchemaUnknown,
    UnknownArtifact,
    UnknownComponent,
)
from skylift.testing.samples import (
    KEYSTONE,
    KEYSTONE_SERVICE,
    R2023_1,
    R2024_1,
    R2025_1,
    artifact_name,
    sample_cloud,
    sample_record,
)

CTL1, CTL2, CTL3 = (HostName(f"ctl{n}") for n in (1, 2, 3))
Site = tuple[Cloud, Record, Release]


def site(record: Record | None = None) -> Site:
    chosen = record or sample_record()
    return sample_cloud(chosen), chosen, R2024_1


def over_two_hops() -> Site:
    return (*site()[:2], R2025_1)


def back() -> Site:
    record = sample_record(release=R2024_1)
    return sample_cloud(record, release=R2024_1, goal=R2023_1), record, R2023_1


def without_artifact() -> Site:
    cloud, record, goal = site()
    artifacts = {name: a for name, a in record.artifacts.items() if a.release != goal}
    return cloud, dataclasses.replace(record, artifacts=artifacts), goal


def with_a_stranger_running() -> Site:
    cloud, record, goal = site()
    unit = dataclasses.replace(cloud.units[KEYSTONE_SERVICE, CTL2], running="/usr")
    return dataclasses.replace(cloud, units={**cloud.units, (KEYSTONE_SERVICE, CTL2): unit}), record, goal


def with_an_unknown_component() -> Site:
    cloud, record, goal = site()
    tally = ComponentName("tally")
    entry = dataclasses.replace(record.components[KEYSTONE], name=tally)
    return cloud, dataclasses.replace(record, components={**record.components, tally: entry}), goal


def with_an_unread_unit() -> Site:
    cloud, record, goal = site()
    units = {key: unit for key, unit in cloud.units.items() if key != (KEYSTONE_SERVICE, CTL3)}
    unread = {"unit keystone ctl3": "ctl3 does not answer"}
    return dataclasses.replace(cloud, units=units, unread=unread), record, goal


def with_a_silent_balancer(*, only: bool = True) -> Site:
    """Of one of them nobody could read what it has in use; of none, if not ``only`` of that one."""
    cloud, record, goal = site()
    heard = tuple(b for b in cloud.backends if only and b.balancer != CTL3)
    silent = (CTL3,) if only else (CTL1, CTL2, CTL3)
    unread = {f"backends {host}": f"no socket on {host}" for host in silent}
    return dataclasses.replace(cloud, backends=heard, unread=unread), record, goal


def with_silent_balancers() -> Site:
    return with_a_silent_balancer(only=False)


def with_an_unread_schema() -> Site:
    cloud, record, goal = site()
    schemas = {name: schema for name, schema in cloud.schemas.items() if name != KEYSTONE}
    return dataclasses.replace(cloud, schemas=schemas), record, goal


def with_unread_migrations() -> Site:
    cloud, record, goal = site()
    return dataclasses.replace(cloud, migrations={}), record, goal


def with_a_newer_schema() -> Site:
    cloud, record, goal = site()
    return with_rows(cloud, KEYSTONE, {"from-the-future"}), record, goal


def with_an_empty_schema() -> Site:
    cloud, record, goal = site()
    return with_rows(cloud, KEYSTONE, ()), record, goal


def with_an_expand_that_needs_a_contract() -> Site:
    cloud, record, goal = site()
    of = (KEYSTONE, "", artifact_name(R2024_1))
    late = Revision("late", ("47147121",), ("c88cdce8f248",), "expand")
    migrations: Mapping[tuple[ComponentName, str, ArtifactName], tuple[Revision, ...]] = {
        **cloud.migrations,
        of: (*cloud.migrations[of], late),
    }
    return dataclasses.replace(cloud, migrations=migrations), record, goal


def with_one_controller() -> Site:
    return site(sample_record(controllers=1))


def with_one_backend_up() -> Site:
    cloud, record, goal = site(sample_record(controllers=2))
    unit = dataclasses.replace(cloud.units[KEYSTONE_SERVICE, CTL2], running="/opt/openstack/artifacts/2024.1")
    unit = dataclasses.replace(unit, linked=unit.running)
    cloud = dataclasses.replace(cloud, units={**cloud.units, (KEYSTONE_SERVICE, CTL2): unit})
    return with_backend(cloud, KEYSTONE, CTL2, BackendState.DOWN), record, goal


def over_an_unproved_jump() -> Site:
    cloud, record, _ = site()
    later = {artifact_name(R2023_1): Release(2026, 1), artifact_name(R2024_1): Release(2027, 1)}
    artifacts = {
        name: dataclasses.replace(record.artifacts[name], release=release) for name, release in later.items()
    }
    return cloud, dataclasses.replace(record, artifacts=artifacts), Release(2027, 1)


@pytest.mark.parametrize(
    ("make", "problem", "says"),
    [
        (over_two_hops, NoPath, "from 2023.1 to 2025.1"),
        (back, NoPath, "from 2024.1 to 2023.1"),
        (without_artifact, NoArtifact, "no artifact of that release"),
        (with_a_stranger_running, UnknownArtifact, "keystone on ctl2 runs /usr"),
        (with_an_unknown_component, UnknownComponent, "component tally"),
        (with_an_unread_unit, NotRead, "unit keystone ctl3 could not be read: ctl3 does not answer"),
        (with_a_silent_balancer, NotRead, "backends ctl3 could not be read: no socket on ctl3"),
        (with_silent_balancers, NotRead, "backends ctl1 could not be read: no socket on ctl1"),
        (with_an_unread_schema, NotRead, "schema keystone could not be read"),
        (with_unread_migrations, NotRead, "migrations keystone openstack-2024.1 could not be read"),
        (with_a_newer_schema, SchemaUnknown, "is at from-the-future, which openstack-2024.1 does not know"),
        (with_an_empty_schema, SchemaUnknown, "is at nothing"),
        (with_an_expand_that_needs_a_contract, NotAdditive, "99de3849d860, c88cdce8f248"),
        (with_one_controller, NotRolling, "1 of 1 backends in use"),
        (with_one_backend_up, NotRolling, "1 of 2 backends in use"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_no_plan_is_made_where_nobody_could_say_that_it_is_safe(
    make: Callable[[], Site], problem: type[Refused], says: str
) -> None:
    cloud, record, goal = make()

    with pytest.raises(problem) as refused:
        planned(cloud, record, goal)

    assert says in str(refused.value)
    assert refused.value.remedies


def test_two_hops_are_refused_with_the_first_of_them() -> None:
    cloud, record, goal = over_two_hops()

    with pytest.raises(NoPath) as refused:
        planned(cloud, record, goal)

    assert "skylift plan --to 2024.1" in refused.value.remedies[0].how


def test_migrations_that_lie_nowhere_yet_are_got_by_staging() -> None:
    cloud, record, goal = with_unread_migrations()

    with pytest.raises(NotRead) as refused:
        planned(cloud, record, goal)

    assert "skylift stage --to 2024.1" in refused.value.remedies[0].how


def test_a_jump_without_a_proof_is_refused() -> None:
    """A jump that upstream tests for schemas is not thereby one that serves side by side."""
    cloud, record, goal = over_an_unproved_jump()

    with pytest.raises(NotRolling) as refused:
        planned(cloud, record, goal)

    assert "nothing proves that 2026.1 and 2027.1 serve side by side" in str(refused.value)
