"""What the operator wants of a cloud."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from skylift.model.backup import Backup
from skylift.model.ids import ComponentName, Digest, RunId, StepId
from skylift.model.release import Release

ANY_PLAN = (
    "skylift plan --to RELEASE -o FILE; of compute hosts with --reboot, --hypervisor or --drain HOST in the "
    "place of --to; back: skylift rollback RUN -o FILE"
)
"""The commands that make a plan, where it cannot be told of which kind one is."""


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


@dataclass(frozen=True, slots=True)
class Restored:
    """A database that is put back to what a backup has, by the operator's own consent."""

    backup: Backup
    finished: int
    """Of when it is, in seconds since 1970-01-01 UTC: what was written since its dump began is lost."""
    rehearsed_by: StepId
    """The step of the run that restored it on a scratch server, and found it whole."""
    rows: tuple[str, ...]
    """Of its table of versions, as they were then, sorted."""


@dataclass(frozen=True, slots=True)
class Restore(Rollback):
    """A rollback of what no step leads back any more: databases are restored, and their components cold."""

    kind: ClassVar[str] = "restore"

    restored: tuple[Restored, ...]
    rehearsed: tuple[StepId, ...]
    """The rehearsals that the run has done: a backup without one is never restored."""

    @property
    def again(self) -> str:
        """The command that plans for it, to be pasted."""
        return take_back(self.run, self.components, restore=True)


def take_back(run: RunId | None, components: Iterable[ComponentName] = (), *, restore: bool = False) -> str:
    """The command that plans to take back a run, or the newest one, or these components of it."""
    words = [*([run] if run else []), *(f"--component {name}" for name in components)]
    told = " ".join(["skylift rollback", *words, *(["--restore"] if restore else [])])
    return f"{told} -o back.plan"


Goal = Upgrade | Rollback | Restore
