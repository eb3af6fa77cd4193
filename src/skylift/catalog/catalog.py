"""What is known of OpenStack, as data with its sources: typed, and loaded from the TOML files beside."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, Literal

from skylift.model.ids import ComponentName, Seconds
from skylift.model.release import Release


@dataclass(frozen=True, slots=True)
class Phase:
    """One command that brings a component's database further, and when it may run."""

    name: str
    stage: Literal["expand", "converge"]
    """``expand``: while old code serves, before any new; ``converge``: when no old code is left."""
    branch: str
    """Branch of migrations that it runs; ``all`` for every one, empty if it moves rows only."""
    argv: tuple[str, ...]
    """The command, with ``{artifact}`` for the path of the target artifact."""
    destructive: bool
    """Whether old code cannot run on what it leaves behind."""
    because: str
    """Why the order between this phase and the code is as it is."""
    beside_old: str
    """Why old code may serve while it runs; empty if it may not."""
    source: str


@dataclass(frozen=True, slots=True)
class Jump:
    """A proof that two releases of one component may serve side by side."""

    start: Release
    goal: Release
    source: str


@dataclass(frozen=True, slots=True)
class KnownComponent:
    """One OpenStack component, as upstream ships it."""

    name: ComponentName
    service: str
    """Its type in keystone's catalog."""
    health: str
    """Path of a URL that answers below 500 without a token when the service is well."""
    ask: str
    """Path of a URL that any user with a token may read; it makes the service load all it needs."""
    migrations: PurePosixPath
    """Folder of migration files in an artifact; a ``*`` in a name stands for anything."""
    privileges: tuple[str, ...]
    """What the service's own database user needs on its database for all phases."""
    triggers: str
    """Source of the rule that its phases may make triggers, which a binary log hinders; empty if none."""
    upgrade_check: tuple[str, ...]
    """``COMPONENT-status upgrade check``, with ``{artifact}``."""
    doctor: tuple[str, ...]
    """A command that looks for mistakes in the deployment, with ``{artifact}``; empty if it has none."""
    phases: tuple[Phase, ...]
    """In their order."""
    adjacent: str
    """Source of the rule that a release and its next may serve side by side."""
    jumps: tuple[Jump, ...]

    def rolling_proof(self, start: Release, goal: Release) -> str | None:
        """Who says that both releases may serve at the same time; none if nobody does."""
        if start == goal:
            return "the release stays the same"
        if goal == start.following:
            return self.adjacent
        return next((j.source for j in self.jumps if (j.start, j.goal) == (start, goal)), None)


@dataclass(frozen=True, slots=True)
class OrderRule:
    """``before`` is on new code everywhere before ``after`` begins."""

    before: ComponentName
    after: ComponentName
    because: str
    source: str


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a kind of step takes, in seconds, with its spread and where the figure comes from."""

    low: Seconds
    likely: Seconds
    high: Seconds
    origin: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that is known."""

    releases: Mapping[Release, str]
    """Known releases and their names."""
    components: Mapping[ComponentName, KnownComponent]
    order: tuple[OrderRule, ...]
    durations: Mapping[str, Duration]

    def duration(self, kind: str, subject: str = "") -> Duration:
        """The figure for ``subject`` (such as ``glance:expand``), else for the kind of step."""
        return self.durations.get(subject) or self.durations[kind]

    def sequence(self, wanted: frozenset[ComponentName]) -> tuple[ComponentName, ...]:
        """``wanted`` in an order that keeps every rule; those no rule speaks of by name.

        Raises:
            ValueError: the rules contradict each other.
        """
        left, ordered = set(wanted), list[ComponentName]()
        while left:
            free = [c for c in left if not any(r.after == c and r.before in left for r in self.order)]
            if not free:
                msg = f"the order of {', '.join(sorted(left))} contradicts itself"
                raise ValueError(msg)
            ordered.append(min(free))
            left.remove(min(free))
        return tuple(ordered)


def filled(argv: tuple[str, ...], artifact: PurePosixPath) -> tuple[str, ...]:
    """A command of the catalog for the artifact at this path."""
    return tuple(word.replace("{artifact}", str(artifact)) for word in argv)


@cache
def load() -> Catalog:
    """The catalog that ships with Skylift.

    Raises:
        KeyError: a file lacks what its format asks for: a bug, found by the tests.
    """
    components = [_component(_read(f"components/{name}.toml")) for name in _COMPONENTS]
    return Catalog(
        releases={Release.parse(r["release"]): r["name"] for r in _read("releases.toml")["releases"]},
        components={component.name: component for component in components},
        order=tuple(OrderRule(**rule) for rule in _read("order.toml")["order"]),
        durations={kind: Duration(**d) for kind, d in _read("estimates.toml")["estimates"].items()},
    )


_COMPONENTS = ("keystone", "glance", "placement")


def _read(path: str) -> dict[str, Any]:
    return tomllib.loads((files("skylift.catalog") / path).read_text(encoding="utf-8"))


def _component(document: Mapping[str, Any]) -> KnownComponent:
    schema, commands, rolling = document["schema"], document["commands"], document["rolling"]
    return KnownComponent(
        name=ComponentName(document["name"]),
        service=document["service"],
        health=document["health"],
        ask=document["ask"],
        migrations=PurePosixPath(schema["migrations"]),
        privileges=tuple(schema["privileges"]),
        triggers=schema.get("triggers", ""),
        upgrade_check=tuple(commands["upgrade_check"]),
        doctor=tuple(commands.get("doctor", ())),
        phases=tuple(_phase(phase) for phase in document["phases"]),
        adjacent=rolling["adjacent"],
        jumps=tuple(
            Jump(Release.parse(j["from"]), Release.parse(j["to"]), j["source"]) for j in rolling["jumps"]
        ),
    )


def _phase(document: Mapping[str, Any]) -> Phase:
    return Phase(
        name=document["name"],
        stage=document["stage"],
        branch=document.get("branch", ""),
        argv=tuple(document["argv"]),
        destructive=document.get("destructive", False),
        because=document["because"],
        beside_old=document.get("beside_old", ""),
        source=document["source"],
    )
