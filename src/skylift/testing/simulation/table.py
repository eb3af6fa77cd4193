"""What many seeds came to: faults by kind and phase, and how often each invariant was looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

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
    checks: Counter[str] = field(default_factory=Counter)
    events: int = 0
    processes: int = 0
    broken: list[Ran] = field(default_factory=list)
    """Those in which an invariant was broken."""

    def add(self, ran: Ran) -> None:
        """One more seed."""
        self.seeds += 1
        self.sites[ran.site, ran.outcome] += 1
        self.befell += ran.befell
        self.checks += ran.checks
        self.events += ran.events
        self.processes += ran.processes
        if ran.broken:
            self.broken.append(ran)

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
        wrong = sum(len(ran.broken) for ran in self.broken)
        return f"simulate: {self.seeds} seeds, {self.kinds} fault kinds, {wrong} violations"

    def _row(self, kind: FaultKind) -> tuple[str, ...]:
        found = [self.befell[kind, phase] for phase in PHASES]
        return (kind.value, *(str(number or "") for number in found), str(sum(found)))

    def lines(self) -> Iterator[str]:
        """The whole table."""
        yield from _grid(("cloud", "ended", "seeds"), ((*of, str(n)) for of, n in sorted(self.sites.items())))
        yield ""
        yield from _grid(("fault", *PHASES, "all"), map(self._row, FaultKind))
        yield ""
        yield from _grid(("invariant", "looked at"), ((n, str(m)) for n, m in sorted(self.checks.items())))
        yield ""
        checks, faults = sum(self.checks.values()), sum(self.befell.values())
        yield f"{self.events} events, {self.processes} processes, {faults} faults, {checks} checks"


def _grid(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Columns as wide as they need; numbers to the right."""
    whole = [heads, *rows]
    widths = [max(len(row[column]) for row in whole) for column in range(len(heads))]
    for row in whole:
        cells = (c.rjust(w) if c.isdecimal() else c.ljust(w) for c, w in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
