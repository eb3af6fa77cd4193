"""How often an instance may be moved, and where to when every host is through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet

from skylift.verifier.fleet.seen import Violation

OWED = 2
"""Moves of an instance that no fault hit: one, and one more for plans that are made again on the way.

Who goes to a host that is yet to be worked on must leave it again, and is owed that too, once.
"""


class Owed:
    """Moves that each instance may yet be given until every host is through."""

    def __init__(self, instances: Iterable[str]) -> None:
        self._owed = Counter(dict.fromkeys(instances, OWED))
        self._early: set[str] = set()
        """Instances that went to a host before that was done."""

    def one(self, name: str, *, early: bool) -> bool:
        """One is given, to a host that is not done if it is ``early``; whether it was owed."""
        if early and name not in self._early:
            self._early.add(name)
            self._owed[name] += 1
        self._owed[name] -= 1
        return self._owed[name] >= 0

    def more(self, name: str) -> None:
        """A fault hit it: one more move may be needed."""
        self._owed[name] += 1

    def appeared(self, name: str) -> None:
        """A new instance."""
        self._owed[name] = OWED


class Places:
    """What must hold of moves when every host is through; ``kind`` is empty if there are to be none."""

    def __init__(self, kind: str, at: dict[str, str], use: Callable[[str], tuple[float, float]]) -> None:
        self.kind, self._at, self._use = kind, at, use
        self.homes = dict(at)
        self.begun = 0
        self._going: set[str] = set()
        self._moved: set[str] = set()

    def began(self, name: str, source: str, target: str, *, out: AbstractSet[str]) -> Iterator[Violation]:
        """A migration off an open host began; ``out`` are hosts that the run has closed."""
        self.begun += 1
        self._going.add(name)
        for host in sorted(out):
            yield Violation("afterwards", f"{name} is moved off {source}, and {host} is not through")
        if name in self._moved:
            yield Violation("once", f"{name} is moved to {target} for the second time afterwards")
        if self.kind == "bring-back" and target != self.homes[name]:
            yield Violation("afterwards", f"{name} is brought to {target}, and was on {self.homes[name]}")
        uses = zip(self._use(source), self._use(target), strict=True)
        if self.kind == "balance" and all(left <= come for left, come in uses):
            yield Violation("afterwards", f"{name} is moved from {source} to {target}, which is no emptier")

    def arrived(self, name: str) -> None:
        """An instance is on its target."""
        if name in self._going:
            self._going.remove(name)
            self._moved.add(name)

    def over(self, stays: Iterable[str]) -> Iterator[Violation]:
        """The run is over, and says that these are not where they should be."""
        said = set(stays)
        for name, home in self.homes.items() if self.kind == "bring-back" else ():
            if self._at[name] != home and name not in said:
                yield Violation("afterwards", f"{name} is not back on {home}, and nothing says why")
