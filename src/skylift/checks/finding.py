"""What a check found, with its ways out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from skylift.model.problem import Remedy


class Level(Enum):
    """What a finding means for the upgrade."""

    PASSED = "passed"
    WARNS = "warns"
    """The operator should know, and may go on."""
    BLOCKS = "blocks"
    BROKEN = "broken"
    """The check itself failed, so nobody knows: it blocks, and is a bug of Skylift's."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of one check."""

    check: str
    level: Level
    sentence: str
    remedies: tuple[Remedy, ...] = ()
    rows: tuple[int, ...] = ()
    """The requirements that the check is there for."""

    @property
    def blocks(self) -> bool:
        """Whether no upgrade may start."""
        return self.level in {Level.BLOCKS, Level.BROKEN}


def blocked(findings: Iterable[Finding]) -> bool:
    """Whether any finding keeps an upgrade from starting."""
    return any(finding.blocks for finding in findings)
