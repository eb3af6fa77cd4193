"""Nova and Placement: what is where, and instances that are moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from skylift.model.ids import Epoch, HostName

Document = Mapping[str, Any]
"""A thing as Nova or Placement answers it, of which only what is read here must be there."""


@dataclass(frozen=True, slots=True)
class ComputeSeen:
    """All of a cloud's compute hosts and instances: answers, as the lists that are in them."""

    servers: tuple[Document, ...]
    """Of all projects, those without a host among them."""
    services: tuple[Document, ...]
    """Of ``nova-compute``."""
    aggregates: tuple[Document, ...]
    groups: tuple[Document, ...]
    """Server groups of all projects, each with its members: a list of servers does not tell their group."""
    providers: tuple[Document, ...]
    inventories: Mapping[str, Mapping[str, Document]]
    """By provider's uuid, then by resource class."""
    traits: Mapping[str, tuple[str, ...]]
    """By provider's uuid."""


@dataclass(frozen=True, slots=True)
class MigrationSeen:
    """One migration of an instance, as Nova keeps it."""

    id: str
    """What an abort is asked with."""
    instance: str
    source: HostName
    target: HostName | None
    """None as long as the scheduler has not chosen one."""
    live: bool
    resize: bool
    """Whether its owner asked for another flavor: then only she may confirm it."""
    status: str
    """Nova's own word."""
    began_at: Epoch
    left_mib: int | None = None
    """Memory that is yet to be sent; none if that is not known, or no longer."""

    @property
    def under_way(self) -> bool:
        """Whether it goes on, or waits to be confirmed."""
        return self.status in UNDER_WAY

    @property
    def awaits_confirmation(self) -> bool:
        """Whether a cold one has arrived, and holds room on both hosts until it is confirmed."""
        return not self.live and self.status == "finished"


UNDER_WAY = frozenset(
    {
        *("accepted", "queued", "preparing", "running", "post-migrating"),
        *("pre-migrating", "migrating", "finished", "confirming", "reverting"),
    }
)
"""Status words of migrations that go on. Source: nova/objects/migration.py and nova/compute/manager.py of
2024.2 and 2025.1, which write them; live ones end as completed, failed, error or cancelled, cold ones as
confirmed, reverted, failed or error."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is now of what changes while a fleet is worked on."""

    services: tuple[Document, ...]
    """All of them."""
    servers: tuple[Document, ...]
    """Those that changed since the moment that was asked for; of one that is gone, the status ``DELETED``."""
    migrations: tuple[MigrationSeen, ...]
    """All that go on."""


class Tell(Enum):
    """What an instance can be told that takes no more words."""

    CONFIRM = "confirm"
    """Stay where a cold migration has brought you, and let go of the other host."""
    STOP = "stop"
    START = "start"


class Compute(Protocol):
    """Nova and Placement, as their administrator has them.

    Whether hosts take new work is ``Intake``'s. A yes to what changes something says that it was accepted;
    what became of it is seen in ``changes`` and ``migrations``.
    """

    def survey(self) -> ComputeSeen:
        """Everything, for a plan. Of a large cloud this takes minutes: it is read page by page.

        Raises:
            Transient: an API does not answer, or a cell of Nova does not, and so its instances are missing.
            Refused: the credentials may not see it.
        """
        ...

    def groups(self) -> tuple[Document, ...]:
        """Server groups of all projects, as ``survey`` has them: who is in one is told by nothing else.

        Raises:
            Transient, Refused: as for ``survey``.
        """
        ...

    def changes(self, since: Epoch) -> Changes:
        """What is under way, and the servers that changed since then.

        Raises:
            Transient, Refused: as for ``survey``.
        """
        ...

    def migrations(self, instance: str) -> tuple[MigrationSeen, ...]:
        """Every migration that Nova remembers of an instance, the newest first, with what is left to send."""
        ...

    def migrate(self, instance: str, target: HostName, *, live: bool) -> None:
        """Begin to move an instance to this host, if the scheduler finds that it fits there.

        Disks that the hosts do not share are copied with it.

        Raises:
            Refused: it is in a state that does not allow it, or one of the two is not known.
            Transient: the API does not answer; it may have begun all the same, so look.
        """
        ...

    def abort(self, instance: str, migration: str) -> None:
        """End a live migration that has not come over yet: the instance runs on where it is.

        Raises:
            Refused: it is over, or can no longer be ended.
            Transient: as for ``migrate``.
        """
        ...

    def tell(self, instance: str, word: Tell) -> None:
        """Tell an instance something.

        Raises:
            Refused: it is in a state that does not allow it.
            Transient: as for ``migrate``.
        """
        ...
