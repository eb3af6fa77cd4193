"""Users who make stacks on the fake cloud: an engine of one release ends none that one of another began.

A stack whose engines are stopped stands still, and those of the release that began it go on with it. It is
lost as soon as an engine of another release lives, for that takes its messages, too. An engine that is told
to stop ends what it has begun and begins nothing. Source: heat/engine/service.py, ``EngineService.stop``,
which ends its RPC server first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from skylift.model.cloud import UnitState
from skylift.model.ids import ComponentName, Epoch, ServiceName
from skylift.model.work import EXAMPLES, InHand, Piece
from skylift.testing.fake_traffic import held

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

HEAT, HEAT_ENGINE, HEAT_API = ComponentName("heat"), ServiceName("heat-engine"), ServiceName("heat-api")
STACK_S = 4


@dataclass(slots=True)
class FakeStack:
    """One stack that a user asked for."""

    id: str
    asked_at: Epoch
    left_s: int
    """For how long engines have yet to work on it."""
    begun_by: PurePosixPath | None = None
    """The artifact of the engine that began it; none until one did."""
    lost: bool = False

    @property
    def in_hand(self) -> bool:
        """Whether it is under way, as its row says."""
        return self.left_s > 0 and not self.lost


class FakeStacks:
    """Every stack that was asked for, and what became of it."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self.every_s = 0
        """How often a user asks for one; 0 for never."""
        self.takes_s = STACK_S
        self.all: list[FakeStack] = []

    @property
    def lost(self) -> list[FakeStack]:
        """What no engine ends any more."""
        return [stack for stack in self.all if stack.lost]

    def pass_moment(self) -> None:
        """Let a user ask, if it is time for that and requests flow, and engines work."""
        cloud = self._cloud
        asks = bool(self.every_s) and cloud.now % self.every_s == 0
        if asks and not held(cloud, cloud.record.services[HEAT_API].pool):
            self.all.append(FakeStack(f"stack{len(self.all)}", cloud.now, self.takes_s))
        living = set(self._living()) if self.all else set()
        begins = set(self._living(UnitState.ACTIVE)) if self.all else set()
        for stack in (s for s in self.all if s.in_hand and (begins or (living and s.begun_by))):
            stack.begun_by = stack.begun_by or min(begins)
            stack.lost = living != {stack.begun_by}
            stack.left_s -= 1

    def of(self, database: str) -> Iterator[InHand]:
        """What is under way, as Heat's table shows it."""
        own = [stack for stack in self.all if stack.in_hand]
        if own and database in self._cloud.record.components[HEAT].databases.values():
            oldest = tuple(Piece(stack.id, stack.asked_at) for stack in own[:EXAMPLES])
            yield InHand(HEAT, database, "stack", "CREATE_IN_PROGRESS", len(own), oldest)

    def _living(self, *states: UnitState) -> Iterator[PurePosixPath]:
        """What the engines run, those among them that are about to end; or of these states alone."""
        unit = self._cloud.record.services[HEAT_ENGINE].unit
        for host in self._cloud.hosts.values():
            found = host.units.get(unit)
            if found and found.running and (found.state in states or not states):
                yield found.running
