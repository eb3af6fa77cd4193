"""Looks on at all that happens in a twin, and says what must never be; shares no code with what conducts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from skylift.testing.twin.owed import Owed, Places
from skylift.verifier.fleet.company import Company
from skylift.verifier.fleet.rules import may_stay
from skylift.verifier.fleet.seen import FleetSeen, Violation, fleet_seen


class Watch:
    """Keeps its own books, from the document of a fleet; each event yields what it breaks."""

    def __init__(self, document: Mapping[str, Any], afterwards: str = "") -> None:
        """``afterwards`` is what is to become of instances when every host is through."""
        seen = fleet_seen(document)
        self._entries = dict(seen.instances)
        self._fleet = replace(seen, instances=self._entries)
        self._at = {name: str(entry["host"]) for name, entry in seen.instances.items()}
        self._going: dict[str, str] = {}
        self._out: set[str] = set()
        self._working: set[str] = set()
        self._done: set[str] = set()
        self._dead: set[str] = set()
        self._owed = Owed(self._at)
        self._parted: set[str] = set()
        """Groups that a fault hit."""
        self._on: dict[str, set[str]] = {name: set() for name in seen.hosts}
        self._used = {name: [0, 0, 0] for name in seen.hosts}
        for name, host in self._at.items():
            self._book(name, host, 1)
            self._on[host].add(name)
        self._company = Company(self._fleet, self._at)
        self._together = _pairs(seen)
        self._zones = Counter(map(_zone, seen.hosts.values()))
        self.places = Places(
            afterwards, self._at, lambda host: _use(self._fleet.hosts[host], self._used[host])
        )

    def closed(self, host: str) -> Iterator[Violation]:
        """The run closed a host."""
        self._out.add(host)
        if self.places.begun:
            yield Violation("afterwards", f"{host} is closed when what comes after all hosts has begun")
        zone = _zone(self._fleet.hosts[host])
        in_zone = sum(_zone(self._fleet.hosts[other]) == zone for other in self._out)
        for place, out, size, key in (
            ("the fleet", len(self._out), len(self._fleet.hosts), "out_percent"),
            (f"zone {zone}", in_zone, self._zones[zone], "zone_percent"),
        ):
            most = max(1, size * self._fleet.number(key) // 100)
            if out > most:
                yield Violation("out", f"{out} hosts of {place} are out at once, and {most} may be")

    def opened(self, host: str) -> Iterator[Violation]:
        """The run gave a host back."""
        self._out.discard(host)
        if host in self._working:
            yield Violation("open", f"{host} is opened while it is worked on")

    def began(self, name: str, source: str, target: str) -> Iterator[Violation]:
        """A migration began."""
        if name in self._going:
            yield Violation("two moves", f"{name} is moved to {target} while it goes to {self._going[name]}")
            return
        self._going[name] = target
        afterwards = bool(self.places.kind) and source not in self._out
        if afterwards:
            yield from self.places.began(name, self._at[name], target, out=self._out - self._dead)
        elif not self._owed.one(name, early=target not in self._done):
            yield Violation("once", f"{name} is moved to {target} once more than need be, no fault hit it")
        if source not in self._out and not afterwards:
            yield Violation("turn", f"{name} is moved off {source}, which is not closed")
        if target in self._out:
            yield Violation("target", f"{name} is moved to {target}, which is closed")
        self._book(name, target, 1)
        if any(u > r for u, r in zip(self._used[target], self._fleet.room(target), strict=True)):
            yield Violation("capacity", f"{target} has no room for {name}")
        yield from self._company.arrives(name, target)

    def ended(self, name: str, *, moved: bool) -> Iterator[Violation]:
        """A migration ended, on its target or back on its source."""
        target = self._going.pop(name)
        left = self._at[name] if moved else target
        self._book(name, left, -1)
        self._company.left(name, left)
        if not moved:
            self.hit(name)
            return
        self._on[left].discard(name)
        self._on[target].add(name)
        self._at[name] = target
        self.places.arrived(name)
        if target in self._out:
            yield Violation("target", f"{target} was closed while {name} was on its way to it")

    def hit(self, name: str) -> None:
        """A fault hit an instance: one more move may be needed, and its group may be parted by it."""
        self._owed.more(name)
        self._parted.add(self._entries[name].get("group", ""))

    def appeared(self, entry: Mapping[str, Any]) -> Iterator[Violation]:
        """The scheduler put a new instance on a host."""
        name, host = str(entry["id"]), str(entry["host"])
        self._entries[name], self._at[name] = entry, host
        self._owed.appeared(name)
        self.places.homes[name] = host
        # It may take the room of the second of two that move together.
        near = self._on[host] | {other for other, target in self._going.items() if target == host}
        self._parted.update(self._entries[other].get("group", "") for other in near)
        self._on[host].add(name)
        self._book(name, host, 1)
        if host in self._working:
            yield Violation("empty", f"{name} appears on {host}, which is being worked on")
        yield from self._company.arrives(name, host)

    def work_began(self, host: str) -> Iterator[Violation]:
        """Work on a host began."""
        if host in self._working or host in self._done:
            yield Violation("work", f"{host} is worked on twice")
        self._working.add(host)
        if host not in self._out:
            yield Violation("work", f"{host} is worked on, and open")
        there = [n for n in self._on[host] if not may_stay(self._fleet, self._entries[n])]
        if there or host in self._going.values():
            yield Violation("empty", f"{host} is worked on with {len(there)} instances on it or coming")

    def work_ended(self, host: str) -> None:
        """Work on a host ended well."""
        self._working.discard(host)
        self._done.add(host)

    def died(self, host: str) -> None:
        """A host died, with what was on it."""
        self._dead.add(host)
        for name in self._on[host]:
            self.hit(name)

    def over(self, at: Mapping[str, str], left: Mapping[str, str]) -> Iterator[Violation]:
        """The run is over; ``at`` is where the cloud has instances, ``left`` what the run says is undone."""
        # Only one that did not come back from the work on it may stay closed, and must be named.
        for host in sorted(self._out - (self._working & left.keys())):
            yield Violation("closed", f"{host} is left closed, and nothing says why")
        for host in sorted(self._fleet.due - self._done - left.keys()):
            yield Violation("forgotten", f"{host} is not done, and nothing says why")
        if at != self._at or self._going:
            yield Violation("lost", "instances are not where they were moved to")
        for group, members in self._together.items():
            hosts = {self._at[name] for name in members}
            if len(hosts) > 1 and group not in self._parted:
                yield Violation("together", f"group {group} ends on {', '.join(sorted(hosts))}")

    def _book(self, name: str, host: str, sign: int) -> None:
        for resource, size in enumerate(self._fleet.size(name)):
            self._used[host][resource] += sign * size


def _use(host: Mapping[str, Any], used: list[int]) -> tuple[float, float]:
    """How much of a host's memory and of its processors is taken."""
    return used[0] / host["ram_mib"], used[1] / host["vcpus"]


def _zone(host: Mapping[str, Any]) -> str:
    return str(host.get("zone", "nova"))


def _pairs(fleet: FleetSeen) -> dict[str, list[str]]:
    """Affinity groups that share one host, with their members."""
    members: dict[str, list[str]] = {}
    for name, entry in fleet.instances.items():
        group = entry.get("group", "")
        if group and fleet.rules[group] == "affinity":
            members.setdefault(group, []).append(name)
    return {group: of for group, of in members.items() if len({fleet.instances[n]["host"] for n in of}) == 1}
