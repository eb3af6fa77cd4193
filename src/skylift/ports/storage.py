"""The storage cluster whose daemons run on hosts that are to be rebooted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from skylift.model.storage import Stopping, StorageSeen


class Storage(Protocol):
    """Ceph, as its administrator has it."""

    def look(self) -> StorageSeen:
        """The whole cluster; nothing in it if the record names none.

        Placement groups are as the manager tells them that runs now: one that is gone tells nothing.

        Raises:
            Transient: nobody answers that may be asked, or no manager runs.
        """
        ...

    def stopping(self, osds: Collection[int], monitors: Collection[str]) -> Stopping:
        """What would come of stopping these now. Reads only.

        Raises:
            Transient: as for ``look``.
        """
        ...

    def keep_in(self, bucket: str) -> None:
        """Let no OSD under a node of the CRUSH tree be taken out while it is down; no effect if it is so.

        Raises:
            Refused: there is no such node.
            Transient: nobody answers; it may be done all the same, so look and repeat.
        """
        ...

    def let_out(self, bucket: str) -> None:
        """Let them be taken out again; no effect if they may.

        Raises:
            Refused, Transient: as for ``keep_in``.
        """
        ...
