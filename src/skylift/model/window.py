"""When work may start: weekly windows in the time of a place, less the days on which nothing may change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from skylift.model.ids import Epoch

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON_DAYS = 400
"""How far ahead is looked: more than any freeze lasts."""

_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """Every week on ``days``, from ``begins_min`` for ``lasts_min``: minutes, by the clock on the wall."""

    days: frozenset[int]
    """0 is Monday."""
    begins_min: int
    """After midnight."""
    lasts_min: int

    @classmethod
    def parse(cls, text: str) -> Window:
        """``sat 01:00-05:00``, ``daily 22:00-04:00`` (into the next day), ``sun 00:00-24:00``.

        Raises:
            ValueError: it is none of these.
        """
        day, _, hours = text.partition(" ")
        begins, ends = (_minutes(hour) for hour in hours.split("-"))
        if begins == _DAY_MIN:
            raise ValueError(text)
        days = frozenset(range(7)) if day == "daily" else frozenset({DAYS.index(day)})
        return cls(days, begins, ends - begins if ends > begins else ends - begins + _DAY_MIN)


@dataclass(frozen=True, slots=True)
class Freeze:
    """Days on which nothing may start, the first and the last included."""

    first: date
    last: date

    @classmethod
    def parse(cls, text: str) -> Freeze:
        """``2026-12-20/2027-01-06``, or one day.

        Raises:
            ValueError: it is neither, or ends before it begins.
        """
        first, _, last = text.partition("/")
        freeze = cls(date.fromisoformat(first), date.fromisoformat(last or first))
        if freeze.last < freeze.first:
            raise ValueError(text)
        return freeze


@dataclass(frozen=True, slots=True)
class Span:
    """From ``opens`` until just before ``closes``."""

    opens: Epoch
    closes: Epoch

    @property
    def lasts_s(self) -> float:
        """How long it is open, in seconds."""
        return self.closes - self.opens


@dataclass(frozen=True, slots=True)
class Calendar:
    """The windows of one cloud; without any it is open but for its freezes."""

    zone: tzinfo
    windows: tuple[Window, ...]
    freezes: tuple[Freeze, ...]

    def spans(self, now: Epoch) -> tuple[Span, ...]:
        """When it is open from ``now`` on, in order and apart; the first one may have begun before.

        An hour that the clocks skip or repeat makes a window shorter, never longer.
        """
        today = datetime.fromtimestamp(now, UTC).astimezone(self.zone).date()
        days = [today + timedelta(days=n) for n in range(-2, HORIZON_DAYS)]
        whole = [Span(self._moment(days[0], 0, opens=True), self._moment(days[-1], 0, opens=False))]
        pieces = sorted(self._open_on(days), key=lambda span: span.opens) if self.windows else whole
        for freeze in self.freezes:
            first = self._moment(freeze.first, 0, opens=False)
            last = self._moment(freeze.last, _DAY_MIN, opens=True)
            pieces = [left for piece in pieces for left in _without(piece, first, last)]
        return tuple(span for span in _joined(pieces) if span.closes > now)

    def _open_on(self, days: list[date]) -> Iterator[Span]:
        for day in days:
            for window in self.windows:
                if day.weekday() in window.days:
                    opens = self._moment(day, window.begins_min, opens=True)
                    closes = self._moment(day, window.begins_min + window.lasts_min, opens=False)
                    if opens < closes:
                        yield Span(opens, closes)

    def _moment(self, day: date, minutes: int, *, opens: bool) -> Epoch:
        wall = datetime.combine(day + timedelta(days=minutes // _DAY_MIN), time(), self.zone)
        wall = wall.replace(hour=minutes % _DAY_MIN // 60, minute=minutes % 60)
        # A time that the clocks skip or repeat is two moments: open at the later, close at the earlier.
        both = (wall.replace(fold=0).timestamp(), wall.replace(fold=1).timestamp())
        return Epoch(max(both) if opens else min(both))


def _without(span: Span, first: Epoch, last: Epoch) -> Iterator[Span]:
    if span.opens < first:
        yield Span(span.opens, min(span.closes, first))
    if last < span.closes:
        yield Span(max(span.opens, last), span.closes)


def _joined(spans: list[Span]) -> Iterator[Span]:
    """Those that touch or overlap as one."""
    left = [span for span in spans if span.opens < span.closes]
    while left:
        here, *left = left
        while left and left[0].opens <= here.closes:
            here = Span(here.opens, max(here.closes, left.pop(0).closes))
        yield here


def _minutes(hour: str) -> int:
    hours, minutes = hour.split(":")
    found = int(hours) * 60 + int(minutes)
    if not (0 <= int(minutes) < 60 and 0 <= found <= _DAY_MIN):  # noqa: PLR2004 - minutes of an hour
        raise ValueError(hour)
    return found
