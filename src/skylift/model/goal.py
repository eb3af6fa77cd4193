"""What the operator wants of a cloud."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from skylift.model.ids import ComponentName, Digest, RunId
from skylift.model.release import Release


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Every component of the record runs ``to`` (row 12: an upgrade changes the release)."""

    to: Release

    @property
    def again(self) -> str:
        """The command that plans for it, to be pasted."""
        return f"skylift plan --to {self.to} -o FILE"


@dataclass(frozen=True, slots=True)
class Rollback:
    """Components that a run changed run ``to`` again, the release that it found them at (row 39)."""

    kind: ClassVar[str] = "rollback"

    to: Release
    reached: Release
    """The release that the run led to, whether or not it got there."""
    run: RunId
    """The run that is taken back."""
    plan: Digest
    """Of its plan."""
    components: tuple[ComponentName, ...]
    """What goes back, in the order in which it was upgraded."""
    begun: tuple[str, ...]
    """The events of the run that had begun, in the words of the catalog's constraints: by them the window of
    each component is judged again, before and while the plan is applied."""

    @property
    def again(self) -> str:
        """The command that plans for it, to be pasted."""
        return take_back(self.run, self.components)


def take_back(run: RunId, components: Iterable[ComponentName] = ()) -> str:
    """The command that plans to take back a run, or these components of it."""
    named = "".join(f" --component {name}" for name in components)
    return f"skylift rollback {run}{named} -o back.plan"


Goal = Upgrade | Rollback
