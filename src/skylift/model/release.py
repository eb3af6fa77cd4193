"""OpenStack releases and the supported jumps between them.

Source: governance resolution 2022-02-10, "Release Cadence Adjustment" (SLURP), in force since 2023.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_FORM = re.compile(r"(20\d\d)\.([12])")


@dataclass(frozen=True, slots=True, order=True)
class Release:
    """One coordinated OpenStack release; ``Release(2024, 1)`` prints as ``2024.1``."""

    year: int
    half: Literal[1, 2]

    @classmethod
    def parse(cls, text: str) -> Release:
        """Read ``2024.1``.

        Raises:
            ValueError: ``text`` is not a year and a half.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            msg = f"{text!r} is not a release: write a year and a half, such as 2024.1"
            raise ValueError(msg)
        return cls(int(match[1]), 1 if match[2] == "1" else 2)

    @property
    def slurp(self) -> bool:
        """Whether upstream tests a jump from here over the next release (since 2023.1)."""
        return self.half == 1 and self.year >= 2023  # noqa: PLR2004 - the resolution's own year

    @property
    def following(self) -> Release:
        """The next coordinated release."""
        return Release(self.year, 2) if self.half == 1 else Release(self.year + 1, 1)

    def may_hop_to(self, goal: Release) -> bool:
        """Whether upstream supports going from here to ``goal`` in one hop."""
        return goal == self.following or (self.slurp and goal.slurp and goal == self.following.following)

    def __str__(self) -> str:
        return f"{self.year}.{self.half}"


def hops(start: Release, goal: Release) -> tuple[Release, ...]:
    """The releases to pass through, in order, ending with ``goal``; empty if already there.

    Takes the two-release jump wherever upstream tests it (SLURP to SLURP), so that
    2023.1 to 2025.1 is two hops and 2024.2 to 2025.2 is two as well.

    Raises:
        ValueError: ``goal`` is older than ``start``; a downgrade is a rollback, not a path.
    """
    if goal < start:
        msg = f"{goal} is older than {start}: a way back is a rollback, not an upgrade"
        raise ValueError(msg)
    path: list[Release] = []
    here = start
    while here < goal:
        jump = here.following.following
        here = jump if jump <= goal and here.may_hop_to(jump) else here.following
        path.append(here)
    return tuple(path)
