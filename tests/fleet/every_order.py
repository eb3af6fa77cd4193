"""The fewest waves that any plan by the rule takes, found by trying them all; for a handful of hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations

Contents = tuple[tuple[int, ...], ...]
"""Per host, the sizes of what is on it, in order."""


def fewest_waves(rooms: Sequence[int], contents: Contents, first: frozenset[int]) -> int | None:
    """With these hosts as the first wave, emptied onto the others; None if the others cannot follow.

    Each further wave is emptied at once onto hosts of waves before it. A plan without barriers takes no
    fewer: what left one of its waves and those before fits onto those before, the rest is where it was.
    """
    others = [h for h in range(len(rooms)) if h not in first]
    reached = {(found, first) for found in emptied(rooms, contents, first, others)}
    waves = 1
    while reached:
        if any(len(done) == len(rooms) for _, done in reached):
            return waves
        waves += 1
        reached = {
            (after, done | wave)
            for found, done in reached
            for wave in subsets([h for h in others if h not in done])
            for after in emptied(rooms, found, wave, sorted(done))
        }
    return None


def subsets(hosts: Sequence[int]) -> Iterator[frozenset[int]]:
    """All that are not empty."""
    sizes = range(1, len(hosts) + 1)
    return map(frozenset, chain.from_iterable(combinations(hosts, size) for size in sizes))


def emptied(
    rooms: Sequence[int], contents: Contents, sources: frozenset[int], targets: Sequence[int]
) -> set[Contents]:
    """All ways to move what is on some hosts to others that have room for it."""
    left = tuple(() if host in sources else on for host, on in enumerate(contents))
    found = {left}
    for size in (size for host in sources for size in contents[host]):
        found = {
            (*on[:target], tuple(sorted((*on[target], size))), *on[target + 1 :])
            for on in found
            for target in targets
            if sum(on[target]) + size <= rooms[target]
        }
    return found
