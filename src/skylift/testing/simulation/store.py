"""Where a simulated run's journal and lease lie: in memory, or in the product's own files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from skylift.drivers.lease_file import lease
from skylift.drivers.sqlite_journal import SqliteJournal
from skylift.engine.journal import Event, Journal
from skylift.engine.journal_problems import JournalDamaged
from skylift.engine.problems import Holder, RunHeld
from skylift.testing.memory_journal import MemoryJournal


class Store(Protocol):
    """The machine's disk: it outlives every process."""

    tears: bool
    """Whether a power cut may leave a part of an append behind."""

    def open(self) -> Journal:
        """The journal, as a process sees it that was just started."""
        ...

    def kept(self) -> tuple[Event, ...]:
        """The events as the bytes on disk tell them, each row of the chain looked at.

        Raises:
            JournalDamaged: the chain is broken.
        """
        ...

    def tear(self, event: Event, *, after: int, cut: int) -> None:
        """Begin to append ``event``, and lose power when ``cut`` thousandths of it are written."""
        ...

    def hold(self, holder: Holder) -> AbstractContextManager[None]:
        """The lease, for as long as the block runs.

        Raises:
            RunHeld: another process has it.
        """
        ...


class _Chained(MemoryJournal):
    """A journal in memory, with a chain beside it that is kept as the rows are written."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[bytes] = []

    def append(self, event: Event, *, after: int) -> None:
        super().append(event, after=after)
        self.links.append(_link(self.links[-1] if self.links else b"", self.rows[-1]))


class InMemory:
    """A journal in memory."""

    tears = False

    def __init__(self) -> None:
        self.journal = _Chained()
        self._holder: Holder | None = None

    def open(self) -> Journal:
        return self.journal

    def kept(self) -> tuple[Event, ...]:
        """What was read of a row before is still what it says, for the chain proves each row anew."""
        link = b""
        for row, was in zip(self.journal.rows, self.journal.links, strict=True):
            link = _link(link, row)
            if link != was:
                raise JournalDamaged("in memory", "a row is not what was written")
        return self.journal.events()

    def tear(self, event: Event, *, after: int, cut: int) -> None:
        """Nothing of it: a list has no half rows."""

    @contextmanager
    def hold(self, holder: Holder) -> Iterator[None]:
        if self._holder is not None:
            raise RunHeld(self._holder)
        self._holder = holder
        try:
            yield
        finally:
            self._holder = None


def _link(before: bytes, row: bytes) -> bytes:
    return hashlib.sha256(before + row).digest()


class OnDisk:
    """The product's own journal and lease in a folder."""

    tears = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = 0

    def open(self) -> Journal:
        return SqliteJournal(self._path)

    def kept(self) -> tuple[Event, ...]:
        journal = SqliteJournal(self._path)
        try:
            return journal.events()
        finally:
            journal.close()

    def tear(self, event: Event, *, after: int, cut: int) -> None:
        """The disk as the power cut leaves it is another file: the old one has the whole transaction."""
        log = self._path.with_name(self._path.name + "-wal")
        journal = SqliteJournal(self._path)
        whole, before = self._path.read_bytes(), log.read_bytes()
        journal.append(event, after=after)
        then = log.read_bytes()
        journal.close()
        begun = len(before) if then.startswith(before) else 0
        self._disk += 1
        self._path.write_bytes(whole)
        left = then[: begun + (len(then) - begun) * cut // 1000]
        self._path.with_name(self._path.name + "-wal").write_bytes(left)

    def hold(self, holder: Holder) -> AbstractContextManager[None]:
        return lease(self._folder, holder)

    @property
    def _path(self) -> Path:
        return self._folder / f"journal{self._disk or ''}"
