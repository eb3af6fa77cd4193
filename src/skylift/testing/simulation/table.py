"""What many seeds came to: faults by kind and phase, and how often each invariant was looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from skylift.testing.simulation.kinds import STAGES, FaultKind
from skylift.testing.simulation.play import Ran

PHASES = ("opening", *(stage.value for stage in STAGES), "giving up")
ENOUGH = 400
"""From so many seeds on, a kind of fault that never befell is a flaw of the simulation itself."""


@dataclass(slots=True)
class Table:
    """The sum of what was played."""

    seeds: int = 0
    sites: Counter[tuple[str, str]] = field(default_factory=Counter)
    befell: Counter[tuple[FaultKind, str]] = field(default_factory=Counter)
    firsts: Counter[FaultKind] = field(default_factory=Counter)
    """How many seeds were dealt each kind first."""
    checks: Counter[str] = field(default_factory=Counter)
    events: int = 0
    processes: int = 0
    violations: int = 0
    broken: list[str] = field(default_factory=list)
    """Those seeds in which an invariant was broken, each with what was."""

    def add(self, ran: Ran) -> None:
        """One more seed."""
        self.seeds += 1
        self.sites[ran.site, ran.outcome] += 1
        self.befell.update((fault.kind, fault.phase) for fault in ran.befell)
        self.firsts.update([ran.first] if ran.first else [])
        self.checks += ran.checks
        self.events += ran.events
        self.processes += ran.processes
        self.violations += len(ran.broken)
        if ran.broken:
            self.broken.append(str(ran))

    def join(self, other: Table) -> None:
        """More seeds, played elsewhere."""
        self.seeds += other.seeds
        self.sites += other.sites
        self.befell += other.befell
        self.firsts += other.firsts
        self.checks += other.checks
        self.events += other.events
        self.processes += other.processes
        self.violations += other.violations
        self.broken += other.broken

    def document(self) -> dict[str, Any]:
        """As JSON: what ``read`` reads."""
        return {
            "seeds": self.seeds,
            "clouds": [[*of, count] for of, count in sorted(self.sites.items())],
            "faults": [
                [k.value, p, self.befell[k, p]] for k in FaultKind for p in PHASES if self.befell[k, p]
            ],
            "firsts": {kind.value: count for kind, count in self.firsts.items()},
            "checks": dict(sorted(self.checks.items())),
            "events": self.events,
            "processes": self.processes,
            "violations": self.violations,
            "broken": self.broken,
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Table:
        """The table that was kept.

        Raises:
            KeyError, ValueError: it was written by another version.
        """
        return cls(
            seeds=kept["seeds"],
            sites=Counter({(cloud, ended): count for cloud, ended, count in kept["clouds"]}),
            befell=Counter({(FaultKind(kind), phase): count for kind, phase, count in kept["faults"]}),
            firsts=Counter({FaultKind(kind): count for kind, count in kept["firsts"].items()}),
            checks=Counter(kept["checks"]),
            events=kept["events"],
            processes=kept["processes"],
            violations=kept["violations"],
            broken=list(kept["broken"]),
        )

    @property
    def kinds(self) -> int:
        """How many kinds of fault befell."""
        return len({kind for kind, _ in self.befell})

    @property
    def missing(self) -> tuple[FaultKind, ...]:
        """The kinds that should have, and did not."""
        seen = {kind for kind, _ in self.befell}
        return tuple(kind for kind in FaultKind if kind not in seen) if self.seeds >= ENOUGH else ()

    @property
    def verdict(self) -> str:
        """The last line."""
        return f"simulate: {self.seeds} seeds, {self.kinds} fault kinds, {self.violations} violations"

    def grids(self) -> Iterator[Grid]:
        """Clouds, faults and invariants."""
        yield Grid(("cloud", "ended", "seeds"), [(*of, str(n)) for of, n in sorted(self.sites.items())])
        yield Grid(("fault", *PHASES, "all"), [self._row(kind) for kind in FaultKind])
        yield Grid(("invariant", "looked at"), [(n, str(m)) for n, m in sorted(self.checks.items())])

    @property
    def total(self) -> str:
        """All of it in numbers."""
        checks, faults = sum(self.checks.values()), sum(self.befell.values())
        return f"{self.events} events, {self.processes} processes, {faults} faults, {checks} checks"

    def lines(self) -> Iterator[str]:
        """The whole table."""
        for grid in self.grids():
            yield from in_columns(grid.heads, grid.rows)
            yield ""
        yield self.total

    def _row(self, kind: FaultKind) -> tuple[str, ...]:
        found = [self.befell[kind, phase] for phase in PHASES]
        return (kind.value, *(str(number or "") for number in found), str(sum(found)))


class Grid(NamedTuple):
    """A part of the table: what its columns are, and its rows."""

    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]


def in_columns(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Columns as wide as they need; numbers to the right."""
    whole = [heads, *rows]
    widths = [max(len(row[column]) for row in whole) for column in range(len(heads))]
    for row in whole:
        cells = (c.rjust(w) if c.isdecimal() else c.ljust(w) for c, w in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
