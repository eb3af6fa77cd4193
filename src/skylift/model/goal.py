"""What the operator wants of a cloud."""

from __future__ import annotations

from dataclasses import dataclass

from skylift.model.release import Release


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Every component of the record runs ``to`` (row 12: an upgrade changes the release)."""

    to: Release


Goal = Upgrade
