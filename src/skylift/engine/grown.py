"""Mappings that are values, and cheap to add to: what was there before is shared, and not copied.

Adding to a ``dict`` without changing it copies all of it, which makes a run of a million events quadratic.
These are a few dicts, each of at most 32 times as many entries as the one before: what is added is put into
a copy of the first, and one that is full is merged into the next. So an addition copies some 16 entries for
each of them, whatever there is in all. Keys come in an order that is the same in every process and, as in a
``dict``, that in which they were first added: screens, and seeds that are run again, rely on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
G = TypeVar("G")
S = TypeVar("S")

_TIMES = 32


class Grown(Mapping[K, V]):
    """Some keys with their values; none is ever taken away.

    ``first`` is what it begins with, and its own from here on.
    """

    __slots__ = ("_len", "_tiers")

    def __init__(self, first: dict[K, V] | None = None) -> None:
        self._tiers: tuple[dict[K, V], ...] = ({} if first is None else first,)
        """The newest first, and it counts before those after it. None is changed once it is here."""
        self._len = len(self._tiers[0])

    def with_(self, key: K, value: V) -> Grown[K, V]:
        """The same with this one, which may be here already with another value."""
        tiers = [self._tiers[0] | {key: value}, *self._tiers[1:]]
        at, full = 0, _TIMES
        while len(tiers[at]) > full:
            below = tiers[at + 1] if at + 1 < len(tiers) else {}
            tiers[at : at + 2] = [{}, {**below, **tiers[at]}]
            at, full = at + 1, full * _TIMES
        grown: Grown[K, V] = Grown()
        grown._tiers = tuple(tiers)
        grown._len = self._len + (key not in self)
        return grown

    def grown(self) -> Grown[K, V]:
        """The same, as others may see it; what grew in place must not grow after that."""
        return self

    def differing(self, earlier: Grown[K, V]) -> tuple[K, ...]:
        """The keys that have another value here than in ``earlier``, or are in one of both only.

        Looks at what they do not share: of two versions between which little was added that is little.
        """
        ours, theirs = set(map(id, self._tiers)), set(map(id, earlier._tiers))
        apart = [tier for tier in self._tiers if id(tier) not in theirs]
        apart += [tier for tier in earlier._tiers if id(tier) not in ours]
        keys = dict.fromkeys(key for tier in apart for key in tier)
        return tuple(key for key in keys if self.get(key) is not earlier.get(key))

    def __getitem__(self, key: K) -> V:
        for tier in self._tiers:
            if key in tier:
                return tier[key]
        raise KeyError(key)

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]  # it has overloads
        # For each event of a run: the inherited one raises and catches where nothing is found.
        for tier in self._tiers:
            if key in tier:
                return tier[key]
        return default

    def __contains__(self, key: object) -> bool:
        for tier in self._tiers:  # noqa: SIM110 - as often
            if key in tier:
                return True
        return False

    def __iter__(self) -> Iterator[K]:
        below: list[dict[K, V]] = []
        for tier in reversed(self._tiers):
            for key in tier:
                if not any(key in other for other in below):
                    yield key
            below.append(tier)

    def __len__(self) -> int:
        return self._len

    def __repr__(self) -> str:
        return repr(dict(self))


class Growing(Grown[K, V]):
    """The same for as long as nobody else has seen it: it grows in place."""

    __slots__ = ()

    def with_(self, key: K, value: V) -> Growing[K, V]:
        self._tiers[0][key] = value
        return self

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]  # it has overloads
        return self._tiers[0].get(key, default)

    def grown(self) -> Grown[K, V]:
        return Grown(self._tiers[0])

    def __len__(self) -> int:
        return len(self._tiers[0])


class Sorted(Mapping[K, V], Generic[K, V, G]):
    """The same, where it is known at once which keys are in each group of values but the ``usual`` one.

    An addition costs as much more as there is in the unusual groups that it is about.
    """

    __slots__ = ("_apart", "_group", "_usual", "_values")

    def __init__(self, group: Callable[[V], G], usual: G, first: dict[K, V] | None = None) -> None:
        """``first`` is what it begins with, and its own from here on."""
        self._group, self._usual = group, usual
        self._values: Grown[K, V] = Grown(first)
        apart: dict[G, list[K]] = {}
        for key, value in (first or {}).items():
            if (of := group(value)) != usual:
                apart.setdefault(of, []).append(key)
        self._apart = {of: frozenset(keys) for of, keys in apart.items()}

    def with_(self, key: K, value: V) -> Sorted[K, V, G]:
        """The same with this one, which may be here already with another value."""
        grown: Sorted[K, V, G] = Sorted(self._group, self._usual)
        grown._values, grown._apart = self._values, self._apart.copy()
        grown._take(key, value)
        return grown

    def _take(self, key: K, value: V) -> None:
        before, usual, apart = self._values.get(key), self._usual, self._apart
        was, now = usual if before is None else self._group(before), self._group(value)
        if was != usual:
            apart[was] -= {key}
        if now != usual:
            apart[now] = apart.get(now, frozenset()) | {key}
        self._values = self._values.with_(key, value)

    def grown(self) -> Sorted[K, V, G]:
        """As that of ``Grown``."""
        return self

    def within(self, groups: Collection[G]) -> AbstractSet[K]:
        """The keys whose values are in one of ``groups``."""
        found = [self._apart.get(group, frozenset()) for group in groups if group != self._usual]
        if self._usual in groups:
            others = sum(len(keys) for keys in self._apart.values()) - sum(map(len, found))
            return _Within(self._values, lambda value: self._group(value) in groups, len(self) - others)
        return found[0] if len(found) == 1 else frozenset[K]().union(*found)

    def differing(self, earlier: Sorted[K, V, G]) -> tuple[K, ...]:
        """As that of ``Grown``."""
        return self._values.differing(earlier._values)

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]  # it has overloads
        return self._values.get(key, default)

    def __getitem__(self, key: K) -> V:
        return self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


class Sorting(Sorted[K, V, G]):
    """The same for as long as nobody else has seen it: it grows in place."""

    __slots__ = ("_all", "_unusual")

    def __init__(self, group: Callable[[V], G], usual: G) -> None:
        super().__init__(group, usual)
        self._all: dict[K, V] = {}
        self._unusual: set[K] = set()
        """What is in any other group: few at any time, so which one is looked at when somebody asks."""
        self._values = Growing(self._all)

    def with_(self, key: K, value: V) -> Sorting[K, V, G]:
        (self._unusual.discard if self._group(value) == self._usual else self._unusual.add)(key)
        self._all[key] = value
        return self

    def grown(self) -> Sorted[K, V, G]:
        return Sorted(self._group, self._usual, self._all)

    def within(self, groups: Collection[G]) -> AbstractSet[K]:
        found = frozenset(key for key in self._unusual if self._group(self._all[key]) in groups)
        if self._usual not in groups:
            return found
        size = len(self._all) - len(self._unusual) + len(found)
        return _Within(self._all, lambda value: self._group(value) in groups, size)

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]  # it has overloads
        return self._all.get(key, default)


class _Within(AbstractSet[K], Generic[K, V]):
    """What of a mapping counts: asked of, and not copied."""

    __slots__ = ("_counts", "_len", "_of")

    def __init__(self, of: Mapping[K, V], counts: Callable[[V], bool], size: int) -> None:
        self._of, self._counts, self._len = of, counts, size

    @classmethod
    def _from_iterable(cls, it: Iterable[S]) -> AbstractSet[S]:
        return frozenset(it)

    def __contains__(self, key: object) -> bool:
        value = self._of.get(key)  # type: ignore[arg-type]
        return value is not None and self._counts(value)

    def __iter__(self) -> Iterator[K]:
        return (key for key in self._of if key in self)

    def __len__(self) -> int:
        return self._len

    def __repr__(self) -> str:
        return repr(set(self))
