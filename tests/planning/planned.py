"""Plans of the sample cloud, for tests of planning and of the verifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable

from hypothesis import strategies as st

from skylift.catalog.catalog import load
from skylift.model.cloud import BackendState, Cloud, SchemaSeen
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, Digest, HostName
from skylift.model.record import Policy, Record
from skylift.model.release import Release
from skylift.planning.plan import Plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.samples import COMPONENTS, R2023_1, R2024_1, R2025_1, ROWS, sample_cloud, sample_record

RECORD_DIGEST = Digest("sha256:" + "a" * 64)
Site = tuple[Cloud, Record, Release]


def planned(cloud: Cloud, record: Record, goal: Release = R2024_1) -> Plan:
    return plan_upgrade(cloud, record, Upgrade(goal), load(), record_digest=RECORD_DIGEST)


def sample_plan(*, controllers: int = 3, components: Collection[ComponentName] = COMPONENTS) -> Plan:
    record = sample_record(controllers=controllers, components=components)
    return planned(sample_cloud(record), record)


def with_rows(cloud: Cloud, component: ComponentName, rows: Iterable[str]) -> Cloud:
    schemas = {**cloud.schemas, component: SchemaSeen(component, "", frozenset(rows))}
    return dataclasses.replace(cloud, schemas=schemas)


def with_backend(cloud: Cloud, component: ComponentName, host: HostName, state: BackendState) -> Cloud:
    backends = tuple(
        dataclasses.replace(b, state=state) if b.pool == str(component) and b.server == host else b
        for b in cloud.backends
    )
    return dataclasses.replace(cloud, backends=backends)


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """Clouds of 2 to 5 controllers, anywhere between two releases, some with a backend left drained."""
    number = draw(st.integers(2, 5))
    components = draw(st.sets(st.sampled_from(COMPONENTS), min_size=1))
    start, goal = draw(st.sampled_from([(R2023_1, R2024_1), (R2024_1, R2025_1)]))
    policy = Policy(batch=draw(st.integers(1, 3)))
    record = sample_record(controllers=number, components=components, release=start, policy=policy)
    hosts = [host.name for host in record.hosts_in("controller")]
    pairs = [(component, host) for component in sorted(components) for host in hosts]
    upgraded = draw(st.sets(st.sampled_from(pairs)))
    cloud = sample_cloud(record, release=start, goal=goal, upgraded=upgraded)
    for component in sorted(components):
        done = {(component, host) for host in hosts} <= upgraded
        contracted = done and draw(st.booleans())
        if contracted or start == R2024_1:
            cloud = with_rows(cloud, component, ROWS[goal][component])
    for component, host in sorted(draw(st.sets(st.sampled_from(pairs), max_size=1))):
        cloud = with_backend(cloud, component, host, BackendState.DRAIN)
    return cloud, record, goal
