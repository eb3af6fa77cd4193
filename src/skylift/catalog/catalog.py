"""What is known of OpenStack, as data with its sources: typed, and loaded from the TOML files beside.

Third parties add a component by a file of their own in the same form (row 66).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

from skylift.catalog.component import Constraint, KnownComponent
from skylift.model.codec import Malformed, decode
from skylift.model.ids import ComponentName, Seconds, ServiceName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.release import Release


class CatalogInvalid(Refused):
    """A file of the catalog is not what its format says."""

    code = "catalog.invalid"

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(
            f"{file} cannot be read as a component: {why}",
            Remedy(Fix.REPAIR, "correct it as the page 'Add a service' of the documentation says"),
        )


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a kind of step takes, in seconds, with its spread and where the figure comes from."""

    low: Seconds
    likely: Seconds
    high: Seconds
    origin: str


@dataclass(frozen=True)
class Catalog:
    """All that is known."""

    releases: Mapping[Release, str]
    """Known releases and their names."""
    components: Mapping[ComponentName, KnownComponent]
    durations: Mapping[str, Duration]

    @property
    def order(self) -> tuple[Constraint, ...]:
        """Every component's constraints, component by component."""
        return tuple(rule for name in sorted(self.components) for rule in self.components[name].order)

    def component_of(self, service: ServiceName) -> ComponentName | None:
        """The component that ``service`` belongs to; none if no component has it."""
        return self._owners.get(service)

    @cached_property
    def _owners(self) -> Mapping[ServiceName, ComponentName]:
        return {s.name: c.name for c in reversed(tuple(self.components.values())) for s in c.services}

    @property
    def down_after(self) -> Mapping[ComponentName, Seconds]:
        """Per component whose services report, after how many silent seconds one is taken for down."""
        return {c.name: c.roster.down_s for c in self.components.values() if c.roster}

    def version(self, component: ComponentName, service: ServiceName, release: Release) -> int | None:
        """The lowest version that ``service`` of ``release`` writes of itself; none if it is not known."""
        roster = self.components[component].roster
        return roster.version(service, release) if roster else None

    def duration(self, kind: str, subject: str = "") -> Duration:
        """The figure for ``subject`` (such as ``glance:expand``), else for the kind of step."""
        return self.durations.get(subject) or self.durations[kind]

    def sequence(self, wanted: frozenset[ComponentName]) -> tuple[ComponentName, ...]:
        """``wanted`` in an order that keeps every rule between whole components; others by name.

        Raises:
            ValueError: the rules contradict each other.
        """
        rules = [pair for pair in self._between_components() if wanted.issuperset(pair)]
        left, ordered = set(wanted), list[ComponentName]()
        while left:
            free = [c for c in left if not any(after == c and before in left for before, after in rules)]
            if not free:
                msg = f"the order of {', '.join(sorted(left))} contradicts itself"
                raise ValueError(msg)
            ordered.append(min(free))
            left.remove(min(free))
        return tuple(ordered)

    def after(self, component: ComponentName) -> frozenset[ComponentName]:
        """The components that are upgraded after this one by a rule, or by a chain of rules."""
        pairs, found, todo = tuple(self._between_components()), set[ComponentName](), [component]
        while todo:
            here = todo.pop()
            fresh = {then for first, then in pairs if first == here} - found
            found |= fresh
            todo += fresh
        return frozenset(found)

    def _between_components(self) -> Iterator[tuple[ComponentName, ComponentName]]:
        for rule in self.order:
            (verb, before), (then, after) = rule.before.split(" "), rule.after.split(" ")
            pair = (ComponentName(before), ComponentName(after))
            if verb == then == "upgrade" and self.components.keys() >= set(pair):
                yield pair


def filled(argv: tuple[str, ...], artifact: PurePosixPath) -> tuple[str, ...]:
    """A command of the catalog for the artifact at this path."""
    return tuple(word.replace("{artifact}", str(artifact)) for word in argv)


@cache
def load(more: tuple[PurePosixPath, ...] = ()) -> Catalog:
    """The catalog that ships with Skylift, and ``more`` components from files of that form.

    A file may speak of a component that ships with Skylift: it takes its place.

    Raises:
        CatalogInvalid: a file is not what its format says.
    """
    components = [_component(file, document) for file, document in _documents(more)]
    return Catalog(
        releases={Release.parse(r["release"]): r["name"] for r in _read("releases.toml")["releases"]},
        components={component.name: component for component in components},
        durations={kind: Duration(**d) for kind, d in _read("estimates.toml")["estimates"].items()},
    )


def documents(more: tuple[PurePosixPath, ...] = ()) -> tuple[Mapping[str, Any], ...]:
    """The same files as TOML has them: for the verifier, which reads them with code of its own.

    Raises:
        CatalogInvalid: a file is no TOML.
    """
    return tuple(document for _, document in _documents(more))


@cache
def _documents(more: tuple[PurePosixPath, ...]) -> tuple[tuple[Path, Mapping[str, Any]], ...]:
    shipped = sorted(
        Path(str(file)) for file in (files("skylift.catalog") / "components").iterdir() if _is_toml(file.name)
    )
    return tuple((Path(file), _toml(Path(file))) for file in (*shipped, *more))


def _is_toml(name: str) -> bool:
    return name.endswith(".toml")


def _read(path: str) -> dict[str, Any]:
    return tomllib.loads((files("skylift.catalog") / path).read_text(encoding="utf-8"))


def _toml(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogInvalid(file, str(error)) from None


def _component(file: Path, document: Mapping[str, Any]) -> KnownComponent:
    try:
        return decode(KnownComponent, document, defaults=True)
    except Malformed as error:
        raise CatalogInvalid(file, str(error)) from None
