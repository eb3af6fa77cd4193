"""How a component is brought to the goal: live where somebody says that it can be, else as a whole."""

from __future__ import annotations

from enum import Enum

from skylift.catalog.catalog import Catalog
from skylift.catalog.component import KnownComponent
from skylift.model.cloud import BackendState, Cloud
from skylift.model.goal import Goal, Upgrade
from skylift.model.ids import HostName, ServiceName
from skylift.model.record import Record, ServiceEntry
from skylift.model.release import Release
from skylift.planning.parking import cannot_switch
from skylift.planning.refusals import NotRolling, not_read

_TWO = 2


class Mode(Enum):
    """How a component is brought to the goal."""

    ROLLING = "rolling"
    """Host by host: its API never stops."""
    COLD = "cold"
    """All of it is stopped, and started on new code."""


def mode_of(
    record: Record, catalog: Catalog, known: KnownComponent, hop: tuple[Release, Release], *, goal: Goal
) -> tuple[Mode, str]:
    """Rolling where it is proved; cold where it is not and the operator accepts that.

    Raises:
        NotRolling: it is not, and the record does not accept an outage of this component.
    """
    start, end = hop
    against = _against_rolling(known, start, end) or _against_together(record, catalog, known, hop)
    if not against:
        return Mode.ROLLING, known.rolling_proof(start, end) or ""
    if known.name in record.policy.outages:
        return Mode.COLD, against
    between = start.following
    shorter = isinstance(goal, Upgrade) and end != between
    by_hops = shorter and not _against_rolling(known, start, between)
    how = (f"go there in hops, the first is: skylift plan --to {between} -o FILE",) if by_hops else ()
    accept = f"accept that {known.name} does not answer meanwhile: add {known.name} to policy.outages"
    raise NotRolling(known.name, against, goal, *how, accept=accept)


def batch_of(
    cloud: Cloud, record: Record, entry: ServiceEntry, coming: tuple[HostName, ...], *, goal: Goal
) -> int:
    """How many backends may be out at once so that one is always left.

    A backend that is out counts if its own turn brings it back, for those go first.

    Raises:
        NotRead: a balancer did not answer, so nobody knows what it has in use.
        NotRolling: too few are in use.
    """
    for balancer in cloud.silent_balancers:
        raise not_read(cloud, f"backends {balancer}", goal)
    views = cloud.backends_of(entry.pool)
    servers = {b.server for b in views}
    up = {s for s in servers if all(b.state is BackendState.UP for b in views if b.server == s)}
    usable = len(up | (servers & set(coming)))
    if usable < _TWO or not up:
        raise NotRolling(
            entry.component,
            f"pool {entry.pool} has {len(up)} of {len(servers)} backends in use, and one must serve while "
            "another is out",
            goal,
            f"see the pool's backends with 'skylift inspect', and bring two into use in pool {entry.pool}",
        )
    return min(record.policy.batch, usable - 1)


def _against_together(
    record: Record, catalog: Catalog, known: KnownComponent, hop: tuple[Release, Release]
) -> str:
    """Why a service that must be switched on all its hosts together cannot be."""
    present = record.components[known.name].services
    for name, rule in known.together(*hop).items():
        if name in present and (why := cannot_switch(record, catalog, known, rule)):
            return f"no {name} may live beside one of the other release, and requests cannot wait: {why}"
    return ""


def _against_rolling(known: KnownComponent, start: Release, goal: Release) -> str:
    """Why both releases may not serve side by side; empty if somebody says that they may."""
    if start == goal:
        return ""
    if cold := next((phase for phase in known.phases if phase.stage == "cold"), None):
        return f"{known.name}:{cold.name} may not run beside its services: {cold.because} ({cold.source})"
    if known.rolling_proof(start, goal) is None:
        return f"nothing proves that {start} and {goal} serve side by side"
    if known.pin and known.pin.mechanism == "option":
        return (
            f"both releases understand each other only while {known.pin.option} holds the new one back, and "
            f"Skylift changes no configuration ({known.pin.source})"
        )
    return ""


def as_they_go(services: tuple[ServiceName, ...], mode: Mode, *, back: bool) -> tuple[ServiceName, ...]:
    """Services in their order: what is stopped as a whole starts as on the way up, what others need first."""
    return services[::-1] if back and mode is not Mode.COLD else services
