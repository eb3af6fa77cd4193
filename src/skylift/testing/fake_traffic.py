"""Users of the fake cloud, and its balancers: wrong orders show here as failed requests.

A request fails if no backend serves its pool, if it is in flight on a service that is stopped, if the
code that serves it lacks a schema it needs, or if the schema lost what that code still uses. A refused
connection alone costs nothing: HAProxy tries another server (``option redispatch``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from skylift.model.cloud import Backend, BackendState, Revision, UnitState
from skylift.model.ids import ComponentName, HostName, PoolName
from skylift.model.release import Release
from skylift.model.schema import applied, branch_of
from skylift.testing.fake_parking import FakeParking
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
        places = [
            (entry.pool, host.name)
            for entry in cloud.record.services.values()
            for host in (cloud.record.hosts_in(entry.role) if entry.balanced else ())
        ]
        self._places: tuple[Place, ...] = tuple(places)
        self.servers: dict[HostName, dict[Place, FakeServer]] = {}
        self.parking: dict[HostName, FakeParking] = {}
        self.vip_holder: HostName | None = None
        self.session_s: float = SESSION_S
        """How long a request lasts that was in flight when no more were sent to its server."""
        self.requests = 0
        self.failed: list[FailedRequest] = []
        self.longest_gap_s: dict[PoolName, float] = {}
        self.faults: dict[tuple[Release, ComponentName, str, frozenset[str]], str] = {}
        """What is wrong with code of a release on a schema: worked out once, when users first ask."""
        self._last_good: dict[PoolName, float] = {pool: cloud.now for pool, _ in places}
        self._busy_until: dict[Place, float] = {}
        for host in cloud.controllers:
            self.forget(host.name)
        self.move_vip()

    def forget(self, balancer: HostName) -> None:
        """Let a balancer start anew: what it was told is gone, and it takes every server for healthy."""
        self.servers[balancer] = {place: FakeServer() for place in self._places}
        self.parking[balancer] = FakeParking(pool for pool, _ in self._places)

    def move_vip(self) -> None:
        """Give the VIP to the first host that is up, unless its holder is; it does not go back."""
        up = [h.name for h in self._cloud.controllers if self._cloud.is_up(h.name)]
        if self.vip_holder not in up:
            self.vip_holder = up[0] if up else None

    def views(self) -> tuple[Backend, ...]:
        """Every server as each balancer sees it; only the VIP's holder has sessions."""
        return tuple(
            Backend(balancer, pool, server, _state(seen), self.in_flight((pool, server)))
            if balancer == self.vip_holder
            else Backend(balancer, pool, server, _state(seen), 0)
            for balancer, servers in self.servers.items()
            for (pool, server), seen in servers.items()
        )

    def in_flight(self, place: Place) -> int:
        """The requests that ``place`` has in hand now."""
        if place not in self._places or not _serves(self._cloud, place):
            return 0
        return (
            IN_FLIGHT
            if _sent(self._cloud, place) or self._busy_until.get(place, 0.0) > self._cloud.now
            else 0
        )

    def answered(self, pool: PoolName) -> bool:
        """Whether a request to ``pool`` would be answered well now."""
        used = [p for p in self._places if p[0] == pool and _used(self._cloud, p) and _serves(self._cloud, p)]
        return any(not _fault(self._cloud, place) for place in used)

    def complaint(self, pool: PoolName, server: HostName) -> str:
        """What is wrong with a server that is asked past the balancers; empty if it answers well."""
        place = (pool, server)
        return _fault(self._cloud, place) if _serves(self._cloud, place) else "nothing answers"

    def cut(self, place: Place) -> None:
        """End a service with what it has in hand: those requests fail."""
        pool, server = place
        why = f"in flight on {server} when its service was stopped"
        self.failed += [FailedRequest(self._cloud.now, pool, why)] * self.in_flight(place)
        self._busy_until.pop(place, None)

    def pass_moment(self) -> None:
        """Let health checks look once, and users ask each server in use once."""
        self._check_health()
        self.move_vip()
        for parking in self.parking.values():
            parking.pass_moment(self._cloud.now)
        for place in self._places:
            if _sent(self._cloud, place):
                self._busy_until[place] = self._cloud.now + self.session_s
        for pool in dict.fromkeys(pool for pool, _ in self._places):
            if not held(self._cloud, pool):
                self._ask(pool)

    def _check_health(self) -> None:
        for balancer, servers in self.servers.items():
            if not self._cloud.is_up(balancer):
                continue
            for place, server in servers.items():
                if _serves(self._cloud, place) == server.healthy:
                    server.changing_since = None
                    continue
                if server.changing_since is None:
                    server.changing_since = self._cloud.now
                if self._cloud.now - server.changing_since >= (FALL_S if server.healthy else RISE_S):
                    server.healthy, server.changing_since = not server.healthy, None

    def _ask(self, pool: PoolName) -> None:
        used = [place for place in self._places if place[0] == pool and _used(self._cloud, place)]
        serving = [place for place in used if _serves(self._cloud, place)]
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


def _sent(cloud: FakeCloud, place: Place) -> bool:
    """Whether users' requests reach a server."""
    return _used(cloud, place) and not held(cloud, place[0])


def _used(cloud: FakeCloud, place: Place) -> bool:
    holder = cloud.traffic.vip_holder
    if holder is None:
        return False
    seen = cloud.traffic.servers[holder][place]
    return seen.told == "ready" and seen.healthy


def _serves(cloud: FakeCloud, place: Place) -> bool:
    pool, server = place
    units = cloud.hosts[server].units.values()
    return cloud.is_up(server) and any(u.state is UnitState.ACTIVE for u in units if u.pool == pool)


def _fault(cloud: FakeCloud, place: Place) -> str:
    """Why the code that runs there cannot answer on the schema as it is; empty if it can."""
    pool, server = place
    entry = next(e for e in cloud.record.services.values() if e.pool == pool)
    running = cloud.hosts[server].units[entry.unit].running
    release = next((a.release for a in cloud.record.artifacts.values() if a.path == running), None)
    if release is None:
        return f"nothing known runs on {server}"
    databases = cloud.record.components[entry.component].databases.values()
    faults = [_schema_fault(cloud, release, entry.component, there) for there in databases]
    return next((f"the code on {server} {fault}" for fault in faults if fault), "")


def _schema_fault(cloud: FakeCloud, release: Release, component: ComponentName, database: str) -> str:
    schema, rows = cloud.schemas[database], cloud.rows[database]
    of = (release, component, schema, rows)
    if of not in cloud.traffic.faults:
        own = cloud.migrations[release, component, schema]
        every = cloud.migrations.items()
        known = tuple(r for (_, *where), found in every if where == [component, schema] for r in found)
        cloud.traffic.faults[of] = schema_fault(own, known, rows)
    return cloud.traffic.faults[of]


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


def with_branches(revisions: tuple[Revision, ...]) -> tuple[Revision, ...]:
    """The revisions, each labelled with its branch; glance tells it by the name alone."""
    return tuple(replace(r, branch=_named(r.id) or branch_of(revisions, r.id)) for r in revisions)


def _named(revision: str) -> str:
    return next((branch for branch in ("expand", "contract") if f"_{branch}" in revision), "")


def _state(server: FakeServer) -> BackendState:
    if server.told == "drain":
        return BackendState.DRAIN
    return BackendState.UP if server.healthy else BackendState.DOWN
