"""What the verifier reads of a fleet, a policy and a plan, from their documents alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

DEFAULTS: Mapping[str, int] = {
    "host_s": 1200,
    "out_percent": 100,
    "zone_percent": 100,
    "aggregate_percent": 100,
    "headroom_percent": 0,
    "leaving": 1,
    "arriving": 1,
    "migrations": 0,
}
"""What a policy means where it says nothing, as docs/reference/fleet-file.md has it."""
STAYS = frozenset({"stop", "in place"})
"""Verdicts with which an instance remains on its host."""


class Violation(NamedTuple):
    """A rule that a plan breaks, and where."""

    rule: str
    sentence: str


class TurnSeen(NamedTuple):
    """One row of a plan's turns."""

    host: str
    wave: int
    closed: int
    empty: int
    back: int


class MoveSeen(NamedTuple):
    """One row of a plan's moves."""

    instance: str
    source: str
    target: str
    way: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FleetSeen:
    """The documents, with what is looked up often."""

    hosts: Mapping[str, Mapping[str, Any]]
    flavors: Mapping[str, Mapping[str, Any]]
    instances: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, str]
    """Per group, what it asks for."""
    isolated: frozenset[str]
    policy: Mapping[str, Any]
    due: frozenset[str]
    """Hosts to be worked on."""
    takes: frozenset[str]
    """Hosts that take instances from the start."""

    def number(self, key: str) -> int:
        """A figure of the policy."""
        return int(self.policy.get(key, DEFAULTS[key]))

    def room(self, host: str) -> tuple[int, int, int]:
        """What a host offers with headroom taken off: memory, processors, disk."""
        of, left = self.hosts[host], 100 - self.number("headroom_percent")
        return (
            of["ram_mib"] * left // 100,
            of["vcpus"] * left // 100,
            of.get("disk_gib", 0) * left // 100,
        )

    def size(self, instance: str) -> tuple[int, int, int]:
        """What an instance takes of each."""
        flavor = self.flavors[self.instances[instance]["flavor"]]
        return flavor["ram_mib"], flavor["vcpus"], flavor.get("disk_gib", 0)


@dataclass(frozen=True, slots=True)
class AfterSeen:
    """The last part of a plan's document: who is brought back, or moved so that hosts are evenly full."""

    kind: str
    moves: Sequence[MoveSeen]
    stays: frozenset[str]
    """Instances that the plan says are not brought back."""


@dataclass(frozen=True, slots=True)
class PlanSeen:
    """A plan's document."""

    turns: Sequence[TurnSeen]
    moves: Sequence[MoveSeen]
    verdicts: Mapping[str, str]
    """Per instance that is not simply moved live, what is done with it."""
    held: frozenset[str]
    """Hosts that are left alone, as an instance on them waits for somebody."""
    stranded: frozenset[str]
    """Hosts that the planner says it found no way to empty."""
    refused: Sequence[Mapping[str, Any]]
    after: AfterSeen | None = None
    """What is done when every host is through; none if nothing is."""

    @property
    def every(self) -> Sequence[MoveSeen]:
        """All moves, those afterwards too."""
        return [*self.moves, *(self.after.moves if self.after else ())]


def fleet_seen(document: Mapping[str, Any]) -> FleetSeen:
    """Read a fleet's document."""
    hosts, policy = document["hosts"], document.get("policy", {})
    only = frozenset(policy.get("only", ())) or frozenset(hosts)
    up = frozenset(name for name, host in hosts.items() if host.get("up", True))
    done = frozenset(name for name, host in hosts.items() if host.get("done", False))
    closed = frozenset(name for name, host in hosts.items() if host.get("closed", False))
    aggregates = document.get("aggregates", {})
    return FleetSeen(
        hosts,
        document["flavors"],
        {entry["id"]: entry for entry in document["instances"]},
        {name: group["rule"] for name, group in document.get("groups", {}).items()},
        frozenset(name for name, of in aggregates.items() if of.get("isolated", False)),
        policy,
        (only & up) - done,
        (up - closed) & (done | (frozenset(hosts) - only)),
    )


def plan_seen(document: Mapping[str, Any]) -> PlanSeen:
    """Read a plan's document."""
    return PlanSeen(
        [TurnSeen(*row) for row in document["turns"]],
        [MoveSeen(*row) for row in document["moves"]],
        {entry["instance"]: entry["way"] for entry in document["verdicts"]},
        frozenset(document["held"]),
        frozenset(document["stranded"]),
        document["refused"],
        _after_seen(document["afterwards"]) if "afterwards" in document else None,
    )


def _after_seen(document: Mapping[str, Any]) -> AfterSeen:
    return AfterSeen(
        document["kind"],
        [MoveSeen(*row) for row in document["moves"]],
        frozenset(stay["instance"] for stay in document["stays"]),
    )
