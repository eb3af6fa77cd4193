"""Who was told what: a file beside the runs, one line of JSON for each notification that is settled.

It is no part of a run's journal: whether a mail was taken is no fact of the cloud, and nothing waits for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from skylift.app.runs import Runs, RunStore
from skylift.model import codec
from skylift.model.codec import canonical, encode


@dataclass(frozen=True, slots=True)
class Settled:
    """A notification that was taken, or that was tried as often as it may be."""

    key: str
    to: str
    """Whom, by the record's name."""
    failed: str | None
    """Why it was not taken at the last try; none if it was."""
    at_ms: int

    @property
    def run(self) -> str:
        """The run it is of."""
        return self.key.split("/")[0]

    @property
    def occasion(self) -> str:
        """What it tells of."""
        return self.key.split("/")[2]


class Outbox(Protocol):
    """What is settled."""

    def settled(self) -> tuple[Settled, ...]:
        """All of it, oldest first."""
        ...

    def settle(self, settled: Settled) -> None:
        """Keep it; when this returns, a power cut can no longer take it away.

        Raises:
            OSError, StoreUnreachable, StoreRefuses: it could not be kept.
        """
        ...


@dataclass(frozen=True, slots=True)
class OutboxFile:
    """An outbox in a file, which need not be there yet."""

    path: Path

    def settled(self) -> tuple[Settled, ...]:
        """A line that a crash has torn is none, and what cannot be read has none: told twice beats never."""
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError:
            return ()
        return tuple(_read(lines))

    def settle(self, settled: Settled) -> None:
        # The line end comes first, so that a torn line spoils no other.
        self.path.touch(mode=0o600)
        with self.path.open("ab") as file:
            file.write(b"\n" + canonical(encode(settled)).rstrip(b"\n"))
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class SharedOutbox:
    """An outbox in a store: whoever takes a run over tells nobody again what was told."""

    store: RunStore

    def settled(self) -> tuple[Settled, ...]:
        return tuple(_read(self.store.told()))

    def settle(self, settled: Settled) -> None:
        self.store.tell(canonical(encode(settled)).rstrip(b"\n"))


def outbox_of(runs: Runs) -> Outbox:
    """The outbox of a cloud's runs, where they are."""
    return OutboxFile(runs.outbox) if runs.store is None else SharedOutbox(runs.store)


def _read(lines: Iterable[bytes]) -> Iterator[Settled]:
    for line in lines:
        try:
            yield codec.decode(Settled, json.loads(line))
        except ValueError:
            continue
