"""Users of the fake cloud, and its balancers: wrong orders show here as failed requests.

A request fails if no backend serves its pool, if it is in flight on a service that is stopped, if the
code that serves it lacks a schema it needs, or if the schema lost what that code still uses. A refused
connection alone costs nothing: HAProxy tries another server (``option redispatch``).
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from skylift.model.cloud import Backend, BackendState, Revision, UnitState
from skylift.model.ids import HostName, PoolName
from skylift.model.schema import applied
from skylift.testing.fake_parking import FakeParking
from skylift.testing.fake_schemas import Of
from skylift.testing.fake_state import FailedRequest, FakeServer

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

FALL_S = 2
"""How long a server fails its checks before a balancer stops using it."""
RISE_S = 1
SESSION_S = 3
IN_FLIGHT = 2
"""Requests in flight on a server in use."""

Place = tuple[PoolName, HostName]


class FakeTraffic:
    """The balancers and the requests that go through the one that has the VIP."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        record = cloud.record
        self.served_by = {entry.pool: entry for entry in record.services.values() if entry.balanced}
        """By pool, whose it is."""
        self._pools: dict[PoolName, tuple[Place, ...]] = {
            pool: tuple((pool, host.name) for host in record.hosts_in(entry.role))
            for pool, entry in self.served_by.items()
            if record.hosts_in(entry.role)
        }
        self._places = tuple(place for places in self._pools.values() for place in places)
        self.releases = {artifact.path: artifact.release for artifact in record.artifacts.values()}
        self.servers: dict[HostName, dict[Place, FakeServer]] = {}
        self.parking: dict[HostName, FakeParking] = {}
        self.vip_holder: HostName | None = None
        self.session_s: float = SESSION_S
        """How long a request lasts that was in flight when no more were sent to its server."""
        self.requests = 0
        self.failed: list[FailedRequest] = []
        self.longest_gap_s: dict[PoolName, float] = {}
        self.faults: dict[tuple[Of, frozenset[str]], str] = {}
        """What is wrong with code of a release on a schema: worked out once, when users first ask."""
        self._last_good: dict[PoolName, float] = dict.fromkeys(self._pools, cloud.now)
        self._busy_until: dict[Place, float] = {}
        for host in cloud.controllers:
            self.forget(host.name)
        self.move_vip()

    def forget(self, balancer: HostName) -> None:
        """Let a balancer start anew: what it was told is gone, and it takes every server for healthy."""
        self.servers[balancer] = {place: FakeServer() for place in self._places}
        self.parking[balancer] = FakeParking(self._pools)

    def move_vip(self) -> None:
        """Give the VIP to the first host that is up, unless its holder is; it does not go back."""
        up = [h.name for h in self._cloud.controllers if self._cloud.is_up(h.name)]
        if self.vip_holder not in up:
            self.vip_holder = up[0] if up else None

    def views(self) -> tuple[Backend, ...]:
        """Every server as each balancer sees it; only the VIP's holder has sessions."""
        serving, used = _serving(self._cloud), _used(self._cloud)
        return tuple(
            Backend(
                balancer,
                place[0],
                place[1],
                _state(seen),
                self._in_hand(place, used) if balancer == self.vip_holder and place in serving else 0,
            )
            for balancer, servers in self.servers.items()
            for place, seen in servers.items()
        )

    def in_flight(self, place: Place) -> int:
        """The requests that ``place`` has in hand now."""
        known = place in self._places and place in _serving(self._cloud)
        return self._in_hand(place, _used(self._cloud)) if known else 0

    def _in_hand(self, place: Place, used: AbstractSet[Place]) -> int:
        """Of a place that serves, in use or not."""
        sent = place in used and not held(self._cloud, place[0])
        return IN_FLIGHT if sent or self._busy_until.get(place, 0.0) > self._cloud.now else 0

    def answered(self, pool: PoolName) -> bool:
        """Whether a request to ``pool`` would be answered well now."""
        answering = _used(self._cloud) & _serving(self._cloud)
        return any(
            place in answering and not _fault(self._cloud, place) for place in self._pools.get(pool, ())
        )

    def complaint(self, pool: PoolName, server: HostName) -> str:
        """What is wrong with a server that is asked past the balancers; empty if it answers well."""
        place = (pool, server)
        return _fault(self._cloud, place) if place in _serving(self._cloud) else "nothing answers"

    def cut(self, place: Place) -> None:
        """End a service with what it has in hand: those requests fail."""
        pool, server = place
        why = f"in flight on {server} when its service was stopped"
        self.failed += [FailedRequest(self._cloud.now, pool, why)] * self.in_flight(place)
        self._busy_until.pop(place, None)

    def pass_moment(self) -> None:
        """Let health checks look once, and users ask each server in use once."""
        serving = _serving(self._cloud)
        self._check_health(serving)
        self.move_vip()
        for parking in self.parking.values():
            parking.pass_moment(self._cloud.now)
        used = _used(self._cloud)
        for pool, places in self._pools.items():
            if held(self._cloud, pool):
                continue
            asked = [place for place in places if place in used]
            self._busy_until |= dict.fromkeys(asked, self._cloud.now + self.session_s)
            self._ask(pool, [place for place in asked if place in serving])

    def _check_health(self, serving: AbstractSet[Place]) -> None:
        for balancer, servers in self.servers.items():
            if not self._cloud.is_up(balancer):
                continue
            for place, server in servers.items():
                if (place in serving) == server.healthy:
                    server.changing_since = None
                    continue
                if server.changing_since is None:
                    server.changing_since = self._cloud.now
                if self._cloud.now - server.changing_since >= (FALL_S if server.healthy else RISE_S):
                    server.healthy, server.changing_since = not server.healthy, None

    def _ask(self, pool: PoolName, serving: Sequence[Place]) -> None:
        faults = [_fault(self._cloud, place) for place in serving]
        self.requests += max(len(serving), 1)
        if not serving:
            self.failed.append(FailedRequest(self._cloud.now, pool, "no backend serves"))
        for fault in faults:
            if fault:
                self.failed.append(FailedRequest(self._cloud.now, pool, fault))
        if serving and not all(faults):
            gap = self._cloud.now - self._last_good[pool]
            self.longest_gap_s[pool] = max(gap, self.longest_gap_s.get(pool, 0.0))
            self._last_good[pool] = self._cloud.now


def held(cloud: FakeCloud, pool: PoolName) -> bool:
    """Whether users' requests wait; they fail neither now nor for having waited."""
    holder = cloud.traffic.vip_holder
    return holder is not None and cloud.traffic.parking[holder].holds(pool, cloud.now)


def _used(cloud: FakeCloud) -> AbstractSet[Place]:
    """Where users' requests are sent to, unless they are held."""
    if cloud.traffic.vip_holder is None:
        return frozenset()
    servers = cloud.traffic.servers[cloud.traffic.vip_holder].items()
    return {place for place, seen in servers if seen.healthy and seen.told == "ready"}


def _serving(cloud: FakeCloud) -> AbstractSet[Place]:
    """Where a unit is active on a host that is up."""
    return {
        (unit.pool, host.name)
        for host in cloud.hosts.values()
        if host.up_at <= cloud.now
        for unit in host.units.values()
        if unit.state is UnitState.ACTIVE
    }


def _fault(cloud: FakeCloud, place: Place) -> str:
    """Why the code that runs there cannot answer on the schema as it is; empty if it can."""
    pool, server = place
    entry = cloud.traffic.served_by[pool]
    running = cloud.hosts[server].units[entry.unit].running
    release = None if running is None else cloud.traffic.releases.get(running)
    if release is None:
        return f"nothing known runs on {server}"
    for database, schema in cloud.schemas.of(entry.component).items():
        of = (release, entry.component, schema.name)
        if fault := _schema_fault(cloud, of, cloud.rows[database]):
            return f"the code on {server} {fault}"
    return ""


def _schema_fault(cloud: FakeCloud, of: Of, rows: frozenset[str]) -> str:
    if (of, rows) not in cloud.traffic.faults:
        known = cloud.schemas.known(*of[1:])
        cloud.traffic.faults[of, rows] = schema_fault(cloud.schemas.declared(of), known, rows)
    return cloud.traffic.faults[of, rows]


def schema_fault(own: tuple[Revision, ...], known: tuple[Revision, ...], rows: frozenset[str]) -> str:
    """What is wrong between code with the migrations ``own`` and a schema at ``rows``; empty if nothing.

    It needs all of its own that are no contract, and bears nothing that a later contract removed.
    ``known`` has what all releases declare.
    """
    have = applied(known, rows)
    lacking = sorted(r.id for r in own if r.branch != "contract" and r.id not in have)
    if lacking:
        return f"needs {lacking[0]}, which the schema does not have"
    foreign = have - {r.id for r in own}
    removed = sorted(r.id for r in known if r.branch == "contract" and r.id in foreign)
    return f"uses what {removed[0]} removed from the schema" if removed else ""


def _state(server: FakeServer) -> BackendState:
    if server.told == "drain":
        return BackendState.DRAIN
    return BackendState.UP if server.healthy else BackendState.DOWN
