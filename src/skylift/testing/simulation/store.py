"""Where a simulated run's journal and lease lie: in memory, or in the product's own files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from skylift.drivers.lease_file import lease
from skylift.drivers.sqlite_journal import SqliteJournal
from skylift.engine.journal import Event, Journal, decode_event
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
            AssertionError, JournalDamaged: the chain is broken.
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


class InMemory:
    """A journal in memory, with a chain beside it that is kept as the rows come."""

    tears = False

    def __init__(self) -> None:
        self._journal = MemoryJournal()
        self._links: list[bytes] = []
        self._holder: Holder | None = None

    def open(self) -> Journal:
        return self._journal

    def kept(self) -> tuple[Event, ...]:
        rows = self._journal.rows
        link = self._links[-1] if self._links else b""
        for row in rows[len(self._links) :]:
            link = hashlib.sha256(link + row).digest()
            self._links.append(link)
        link = b""
        for row, was in zip(rows, self._links, strict=True):
            link = hashlib.sha256(link + row).digest()
            if link != was:
                msg = "a row of the journal is not what was written"
                raise AssertionError(msg)
        return tuple(decode_event(json.loads(row)) for row in rows)

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
