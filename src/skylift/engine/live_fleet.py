"""A cloud as the conductor of a fleet's run sees it and asks it, through the ports.

What the run has closed is told by the mark that is on the cloud, and where its operator had closed a host
before, by the journal. How far the work on a host is, the journal tells. All else is seen again each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from skylift.engine.fold import Run
from skylift.engine.host_turn import HostTurn
from skylift.fleet.fleet import Fleet, GroupName, Instance, InstanceId, State
from skylift.fleet.nova import (
    flavor_name,
    flavor_of,
    fleet_from,
    groups_in,
    groups_of,
    instance_of,
    passing,
)
from skylift.fleet.sight import Action, Close, HostSeen, Migrate, Open, Sight, Stage, Work
from skylift.fleet.verdict import Way
from skylift.model.closing import mark_of
from skylift.model.ids import Epoch, HostName
from skylift.model.maintenance import Maintenance
from skylift.model.problem import Problem, Transient, Uncertain
from skylift.ports import Changes, ComputeSeen, MigrationSeen, Ports
from skylift.ports.compute import Document

_OVERLAP_S = 120
"""What changed is asked for from so long before the last look: clocks differ, and rows are written late."""
_ANEW_S = 60
"""Groups are read again no sooner than this after the last time, when an instance has appeared."""
_DOWN_S = 30
"""For how long a service must be seen down until its host is taken for down: the bus may stumble."""
_VM = {"active": State.ACTIVE, "paused": State.PAUSED, "stopped": State.STOPPED, "building": State.ACTIVE}
_STALE_S = 120
"""After so long a migration is not believed to go on if its instance is gone, or has nothing to do. A live
one is cleaned up on its source for some seconds when its instance is on the target already."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One look, with what the conductor need not know."""

    sight: Sight
    migrations: tuple[MigrationSeen, ...]
    passing: Mapping[str, HostName]
    """Servers of ours that go by themselves, by name, with their hosts: none is moved, and no host is worked
    on while one is there."""


@dataclass(slots=True)
class _Known:
    """What was last seen, by id."""

    servers: dict[str, Document] = field(default_factory=dict)
    aggregates: tuple[Document, ...] = ()
    group_of: Mapping[str, GroupName] = field(default_factory=dict)
    at: Epoch = Epoch(0.0)
    groups_at: Epoch = Epoch(0.0)
    ungrouped: bool = False
    """Whether an instance has appeared of which it is not known who it must be with, or apart from."""


class LiveFleet:
    """``FleetCloud`` over the ports. ``fleet`` is grown when flavors appear that were not there before."""

    def __init__(
        self,
        ports: Ports,
        turns: Mapping[HostName, HostTurn],
        *,
        labels: tuple[str, ...],
        of: Maintenance,
    ) -> None:
        self._ports, self._turns, self._of = ports, turns, of
        self._marks = tuple(mark_of(label) for label in labels)
        self._known = _Known()
        self._busy: dict[str, Epoch] = {}
        self._down: dict[HostName, Epoch] = {}
        self._idle: dict[str, Epoch] = {}
        self._going: dict[str, Epoch] = {}
        self._stays_closed = frozenset(host for host, turn in turns.items() if not turn.work)
        self.fleet = Fleet({}, {}, ())
        self.complaints: dict[str, str] = {}
        """What was last said of a call that did not go well, by the host or instance it was about."""

    def open(self, now: Epoch) -> Fleet:
        """Read all of it, before the first look.

        Raises:
            Transient, Refused: as ``Compute.survey``.
        """
        seen = self._ports.compute.survey()
        self._learn(seen, now)
        found = fleet_from(seen, shared_storage=self._of.shared_storage)
        self.fleet = replace(found, flavors=dict(found.flavors), groups=dict(found.groups))
        return self.fleet

    def look(self, run: Run, now: Epoch) -> Looked | None:
        """What is now; none if it could not be seen whole."""
        try:
            seen = self._ports.compute.changes(Epoch(self._known.at - _OVERLAP_S))
            self._take(seen, now)
            self._join_groups(now)
        except (Transient, Uncertain) as silent:
            self.complaints["look"] = str(silent)
            return None
        self.complaints.pop("look", None)
        return self._looked(seen, run, now)

    def ask(self, action: Action) -> None:
        """Ask for something to be begun; what is said of it is kept, and not believed."""
        about = action.instance if isinstance(action, Migrate) else action.host
        try:
            match action:
                case Close(host):
                    if closing := self._turns[host].closing:
                        closing.advance(self._ports)
                case Open(host):
                    for opening in self._turns[host].openings:
                        opening.advance(self._ports)
                case Migrate(instance, _, target, way):
                    self._ports.compute.migrate(instance, target, live=way is Way.LIVE)
                case Work():
                    pass  # its steps are pushed one by one
        except Problem as problem:
            self.complaints[about] = str(problem)
        else:
            self.complaints.pop(about, None)

    def complaint(self, host: HostName, looked: Looked) -> str:
        """What was last said against a host, or against moving whoever is on it; begins with a semicolon."""
        about = (host, *looked.sight.on.get(host, {}))
        said = [self.complaints[name] for name in about if name in self.complaints]
        return f"; last it was said: {said[0]}" if said else ""

    def _learn(self, seen: ComputeSeen, now: Epoch) -> None:
        self._known = _Known(
            {s["id"]: s for s in seen.servers}, seen.aggregates, groups_of(seen.groups), now, now
        )

    def _take(self, seen: Changes, now: Epoch) -> None:
        for server in seen.servers:
            if server.get("status") == "DELETED":
                self._known.servers.pop(server["id"], None)
                continue
            self._known.ungrouped |= server["id"] not in self._known.servers and not passing(server)
            self._known.servers[server["id"]] = server
        self._known.at = now

    def _join_groups(self, now: Epoch) -> None:
        """Read the groups again, and them alone: to read all of a large cloud takes minutes."""
        known = self._known
        if known.ungrouped and now - known.groups_at > _ANEW_S:
            groups = self._ports.compute.groups()
            known.group_of, known.groups_at, known.ungrouped = groups_of(groups), now, False
            for name, group in groups_in(groups).items():
                self.fleet.groups.setdefault(name, group)  # type: ignore[attr-defined] # our own dict

    def _looked(self, seen: Changes, run: Run, now: Epoch) -> Looked:
        migrations = tuple(self._lively(seen.migrations, now))
        moving = {
            InstanceId(m.instance): m
            for m in migrations
            if m.source in self.fleet.hosts
            and m.instance in self._known.servers
            and not m.resize
            # One that lasts for ever is nothing to wait for: its instance is busy, and nobody moves it.
            and now - self._going[m.id] <= self._of.move + self._of.patience
        }
        on: dict[HostName, dict[InstanceId, Instance]] = {name: {} for name in self.fleet.hosts}
        ours: dict[str, HostName] = {}
        for server in self._known.servers.values():
            host = HostName(str(server.get("OS-EXT-SRV-ATTR:host") or ""))
            going = moving.get(InstanceId(server["id"]))
            host = going.source if going else host
            if host in on and passing(server):
                ours[server["name"]] = host
            elif host in on:
                instance = self._instance(server, host, now, moves=going is not None)
                on[host][instance.id] = instance
        hosts = {host: self._host(host, service, run, now) for host, service in _services(self.fleet, seen)}
        gone = {name: HostSeen(up=False) for name in self.fleet.hosts if name not in hosts}
        calls = {i: _call(m, on) for i, m in moving.items() if i in on[m.source]}
        moment = round(now * 1000) - run.opened_ms
        return Looked(Sight(moment, {**hosts, **gone}, on, calls), migrations, ours)

    def _lively(self, migrations: tuple[MigrationSeen, ...], now: Epoch) -> Iterator[MigrationSeen]:
        """Those that go on, and not by their status alone: of a process that died that says nothing."""
        ids = {m.id for m in migrations}
        self._going = {m.id: self._going.get(m.id, now) for m in migrations}
        self._idle = {name: since for name, since in self._idle.items() if name in ids}
        for one in migrations:
            server = self._known.servers.get(one.instance)
            waits = server is not None and server.get("OS-EXT-STS:vm_state") == "resized"
            if server is None or (server.get("OS-EXT-STS:task_state") is None and not waits):
                if now - self._idle.setdefault(one.id, now) > _STALE_S:
                    continue
            else:
                self._idle.pop(one.id, None)
            yield one

    def _host(self, host: HostName, service: Document, run: Run, now: Epoch) -> HostSeen:
        turn = self._turns.get(host)
        stage = turn.stage(run) if turn else Stage.DUE
        disabled = service["status"] == "disabled"
        marked = disabled and str(service.get("disabled_reason") or "").startswith(self._marks)
        # Whoever gave it back took the mark off; of one that its operator had closed, only the journal tells.
        taken = turn is not None and turn.begun(run) and (stage is Stage.UNDER_WAY or disabled)
        kept = host in self._stays_closed
        if service["state"] == "up":
            self._down.pop(host, None)
        down_s = now - self._down.setdefault(host, now) if service["state"] != "up" else 0
        return HostSeen(
            up=down_s < _DOWN_S and not service.get("forced_down"),
            ours=turn is not None and (taken or (marked and not (kept and stage is Stage.DONE))),
            closed=kept or (disabled and not marked),
            work=stage,
        )

    def _instance(self, server: Document, host: HostName, now: Epoch, *, moves: bool) -> Instance:
        name = flavor_name(server)
        if name not in self.fleet.flavors:
            self.fleet.flavors[name] = flavor_of(server, self._known.aggregates)  # type: ignore[index] # our own dict
        group = self._known.group_of.get(server["id"])
        group_of = {server["id"]: group} if group in self.fleet.groups and group else {}
        found = replace(instance_of(server, group_of, shared_storage=self._of.shared_storage), host=host)
        vm = _VM.get(str(server.get("OS-EXT-STS:vm_state")), State.ACTIVE)
        if moves:
            return replace(found, state=vm)
        if found.state is not State.BUSY:
            self._busy.pop(found.id, None)
            return found
        since = self._busy.setdefault(found.id, now)
        return replace(found, state=vm) if now - since < self._of.patience else found


def _call(seen: MigrationSeen, on: Mapping[HostName, object]) -> Migrate:
    """A migration as it would be asked for; one whose target is not known yet takes room where it is."""
    target = seen.target if seen.target in on else seen.source
    return Migrate(
        InstanceId(seen.instance), seen.source, target or seen.source, Way.LIVE if seen.live else Way.COLD
    )


def _services(fleet: Fleet, seen: Changes) -> Iterator[tuple[HostName, Document]]:
    """What is told of nova-compute on each host of the fleet."""
    for service in seen.services:
        if service["host"] in fleet.hosts:
            yield HostName(service["host"]), service
