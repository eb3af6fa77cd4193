"""The worlds that a death may leave behind, and what is compared of them."""

from __future__ import annotations

import copyreg
import pickle
from collections import ChainMap, Counter
from collections.abc import Callable
from io import BytesIO
from typing import Any

from skylift.catalog.component import KnownComponent, KnownSchema
from skylift.model.cloud import Revision
from skylift.model.record import HostEntry, Record
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fuse import Fuse
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.simulation.wire import CHANGES

_kept: dict[int, object] = {}


def _of_number(number: int) -> object:
    return _kept[number]


def _by_number(value: object) -> tuple[Callable[[int], object], tuple[int]]:
    _kept[id(value)] = value
    return _of_number, (id(value),)


_UNCHANGING = (Record, HostEntry, KnownComponent, KnownSchema, Revision)
_AS_THEY_ARE: ChainMap[Any, Any] = ChainMap(dict.fromkeys(_UNCHANGING, _by_number), copyreg.dispatch_table)
"""What no run can change, such as the catalog: most of a world's bytes, if it were written out each time."""


def frozen(world: object) -> bytes:
    """The world as it is now; two that are equal have the same bytes. For this process alone."""
    into = BytesIO()
    pickler = pickle.Pickler(into)
    pickler.dispatch_table = _AS_THEY_ARE
    pickler.dump(world)
    return into.getvalue()


def thawed(world: bytes) -> Any:
    """A world of its own, as it was when it was frozen."""
    return pickle.loads(world)  # noqa: S301 - our own bytes


def is_durable(touch: str) -> bool:
    """Whether what is left behind by a death after a touch is another than by one before it."""
    return touch.startswith("journal ") or touch in CHANGES


def shape(cloud: FakeCloud) -> object:
    """All of a cloud that an upgrade changes, without the times and process numbers of this run."""
    return (
        {h.name: (h.links, h.staged) for h in cloud.hosts.values()},
        {(h.name, n): (u.state, u.running) for h in cloud.hosts.values() for n, u in h.units.items()},
        cloud.rows,
        sorted(cloud.backups),
        cloud.witnesses,
        {(b.balancer, b.pool, b.server): b.state for b in cloud.traffic.views()},
    )


def deeds(cloud: FakeCloud) -> Counter[tuple[str, str]]:
    return Counter((deed.host, deed.what) for deed in cloud.deeds)


class Snapshots(Fuse):
    """Keeps the world as it is before each touch: what a kill -9 just there would leave behind.

    The process's own memory is lost in a kill and all else is deterministic, so of two equal worlds
    (between them the process only read) one is enough to resume from.
    """

    def __init__(self, world: tuple[FakeCloud, MemoryJournal]) -> None:
        super().__init__(10**9)
        self._world = world
        self.worlds: dict[bytes, str] = {}
        self._numbers: dict[bytes, int] = {}
        self._met: list[int] = []
        """Of the world before each touch, its number among the worlds."""

    def touch(self, what: str) -> None:
        place = f"killed after {len(self.touched)} touches, before {what}"
        world = frozen(self._world)
        self.worlds.setdefault(world, place)
        self._met.append(self._numbers.setdefault(world, len(self._numbers)))
        super().touch(what)

    def chosen(self, *, every: int) -> list[tuple[bytes, str]]:
        """The worlds before and after each durable boundary, and one in so many of the others."""
        near = {
            met
            for number, what in enumerate(self.touched)
            if is_durable(what)
            for met in self._met[number : number + 2]
        }
        return [world for n, world in enumerate(self.worlds.items()) if n in near or n % every == 0]
