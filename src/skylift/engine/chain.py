"""Rows chained each to the one before it by its hash, and sealed by who wrote it; wherever they are kept.

The chain tells a changed, lost or swapped row, and the head kept beside it tells a lost end. Whoever may
write the rows can forge all of them, but not the seals: those need the key of somebody the record names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from skylift.engine.journal_problems import JournalDamaged
from skylift.engine.problems import SignerNeeded
from skylift.model.seal import PublicKey, Seal, Signer


class Row(NamedTuple):
    """One row as it was written."""

    body: bytes
    chain: bytes
    """The SHA-256 of the row before, and of ``body``."""
    seal: Seal | None

    @property
    def said(self) -> bytes:
        """What its seal is on: all up to here."""
        return b"skylift chain\n" + self.chain

    @property
    def stored(self) -> tuple[bytes, bytes, str, str]:
        """As it is kept: body, chain, key and mark; the last two empty without a seal."""
        return (self.body, self.chain, *((self.seal.key, self.seal.mark) if self.seal else ("", "")))


Stored = tuple[int, object, object, object, object]
"""A row's number, from 1, and what ``Row.stored`` gave, as it is found."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is kept: its name starts the chain, so that no row of one kind fits into another."""

    name: str
    version: int

    @property
    def genesis(self) -> bytes:
        """What the first row is chained to."""
        return hashlib.sha256(f"skylift {self.name} {self.version}".encode()).digest()

    def end_of(self, rows: Sequence[Row]) -> bytes:
        """What the next row is chained to."""
        return rows[-1].chain if rows else self.genesis

    def next_row(self, rows: Sequence[Row], body: bytes, signer: Signer | None, where: str) -> Row:
        """The row that ``body`` becomes after these.

        Raises:
            SignerNeeded: they are sealed, and there is no key to seal this one with.
        """
        if signer is None and rows and rows[-1].seal is not None:
            raise SignerNeeded(where)
        row = Row(body, _link(self.end_of(rows), body), None)
        return Row(body, row.chain, signer.seal(row.said)) if signer else row

    def checked(
        self, known: Sequence[Row], stored: Iterable[Stored], heads: Sequence[object], where: str
    ) -> list[Row]:
        """What is stored after ``known``, each row as it was written; ``heads`` is to be one.

        Raises:
            JournalDamaged: it is not; the problem names the row.
        """
        rows: list[Row] = []
        before = self.end_of(known)
        for expected, (row, body, chain, key, mark) in enumerate(stored, start=len(known) + 1):
            if row != expected:
                raise JournalDamaged(where, f"row {expected} is missing")
            if not isinstance(body, bytes) or (link := _link(before, body)) != chain:
                raise JournalDamaged(where, f"row {row} is not what was written")
            rows.append(Row(body, link, Seal(PublicKey(str(key)), str(mark)) if key or mark else None))
            before = link
        if list(heads) != [(len(known) + len(rows), before)]:
            raise JournalDamaged(where, f"it should not end with row {len(known) + len(rows)}")
        return rows


class Chain(Protocol):
    """Chained rows that are open. Used by one thread; other processes may read and append meanwhile."""

    def append(self, body: bytes, *, after: int) -> None:
        """Add a row as the next one of ``after``; when this returns, a power cut cannot take it away.

        Raises:
            Overtaken: there are more rows than that by now.
            SignerNeeded: its rows are sealed, and there is no key to seal this one with.
            JournalUnwritable: it was not added.
        """
        ...

    def rows(self, after: int = 0) -> tuple[Row, ...]:
        """All rows there are by now, but for the first ``after``.

        Raises:
            JournalDamaged: they are not what was appended.
        """
        ...

    def close(self) -> None:
        """Let go of what is stored; no effect on a closed one."""
        ...


def _link(before: bytes, body: bytes) -> bytes:
    return hashlib.sha256(before + body).digest()
