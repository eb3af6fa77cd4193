"""The journal of one run as the events of a chain, wherever that is kept."""

from __future__ import annotations

import json

from skylift.engine.chain import Chain, Kind, Row
from skylift.engine.in_bulk import in_bulk
from skylift.engine.journal import FORMAT, Event, decode_event, encode_event
from skylift.engine.journal_problems import JournalDamaged
from skylift.model.codec import Malformed

JOURNAL = Kind("journal", FORMAT)

_read = json.JSONDecoder().raw_decode


class ChainJournal:
    """An open journal. Used by one thread; other processes may read and append to the same one meanwhile.

    Closes ``chain`` when it is closed, or cannot be read.

    Raises:
        JournalDamaged: a row is no event.
    """

    def __init__(self, chain: Chain, where: str) -> None:
        self._where = where
        self._chain = chain
        try:
            self._events = list(decoded(chain.rows(), where))
        except JournalDamaged:
            chain.close()
            raise

    def append(self, event: Event, *, after: int) -> None:
        self._chain.append(encode_event(event), after=after)
        self._events.append(event)

    def events(self, after: int = 0) -> tuple[Event, ...]:
        known = len(self._events)
        self._events += decoded(self._chain.rows(after=known), self._where, known)
        return tuple(self._events[after:])

    def close(self) -> None:
        self._chain.close()


def decoded(rows: tuple[Row, ...], where: str, known: int = 0) -> tuple[Event, ...]:
    """The events in ``rows``, which come after ``known`` others.

    Raises:
        JournalDamaged: one is none; it is named.
    """
    with in_bulk():
        return tuple(_decode(row.body, number, where) for number, row in enumerate(rows, start=known + 1))


def _decode(body: bytes, row: int, where: str) -> Event:
    try:
        text = str(body, "utf-8")
        document, end = _read(text)
        event = decode_event(document)
    except (Malformed, ValueError) as error:
        raise JournalDamaged(where, f"row {row} is no event of format {FORMAT}: {error}") from error
    if text[end:] != "\n":
        raise JournalDamaged(where, f"row {row} is more than an event of format {FORMAT}")
    return event
