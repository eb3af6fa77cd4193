"""Whether users' requests can wait for as long as services need that cannot hand their work over."""

from __future__ import annotations

from collections.abc import Sequence

from skylift.actions.action import Action
from skylift.actions.await_ended import AwaitEnded
from skylift.actions.parking import ParkPool, UnparkPool
from skylift.actions.service_run import AwaitHealthy, StartService, StopService
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.catalog.catalog import Catalog
from skylift.catalog.component import KnownComponent, Together
from skylift.model.ids import PoolName, ServiceName
from skylift.model.record import Record

_RESTART = (StopService, SwitchArtifact, StartService, AwaitHealthy)


def pools_of(record: Record, services: Sequence[ServiceName]) -> tuple[PoolName, ...]:
    """The pools of those of ``services`` that the cloud has."""
    return tuple(record.services[name].pool for name in services if name in record.services)


def cannot_park(record: Record, catalog: Catalog) -> str:
    """Why users' requests cannot wait during a restart; empty if they can."""
    return _too_long(record, catalog, "a restart", (ParkPool, *_RESTART, UnparkPool))


def cannot_switch(record: Record, catalog: Catalog, known: KnownComponent, rule: Together) -> str:
    """Why all hosts of a service cannot be switched together while requests wait; empty if they can.

    The hosts go side by side, so that it takes as long as one of them.
    """
    entry, pools = record.components[known.name], pools_of(record, rule.park)
    if not known.rosters(entry.databases, entry.services):
        return f"nothing tells when what users asked of {known.name} has ended"
    parts: list[type[Action]] = [AwaitEnded, *_RESTART]
    for _ in pools:
        parts += [ParkPool, UnparkPool]
    return _too_long(record, catalog, f"to switch every {rule.service} together", parts) if pools else ""


def _too_long(record: Record, catalog: Catalog, what: str, parts: Sequence[type[Action]]) -> str:
    if record.balancer.parking is None:
        return "the record names no map by which the balancers would hold them (balancer.parking)"
    likely = sum(catalog.duration(action.kind).likely for action in parts)
    if likely > record.policy.park_s:
        allowed = record.policy.park_s
        return f"{what} likely takes {likely} s, and the record lets them wait {allowed} s (policy.park_s)"
    return ""
