"""The geometry of the report's picture: steps above, and below them what each API's users got."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skylift.app.report import Attempt, Report
from skylift.model.sample import DONE, OK, Sample
from skylift.planning.plan import Stage

WIDTH = 1000
LEFT = 165
"""Room for the names of stages, of what their steps are about, and of APIs."""
_SECOND = 88
"""Where the second column of names begins."""
_RIGHT = 14
_BAR = 15
_LANE = 19
_STRIP = 64
_GAP = 12
_TOP = 26
_SLICES = 240
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)
_MOST_TICKS = 11
_LABEL_PX = 6.4


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt at one step."""

    attempt: Attempt
    x: float
    y: float
    width: float
    label: str
    """What of the step's id fits into it; empty if nothing does."""


@dataclass(frozen=True, slots=True)
class Lane:
    """The steps of one stage that are about the same thing: a component, a backup."""

    stage: str
    """Empty if the lane above has the same."""
    name: str
    y: float
    height: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """A short time of one API: how slow its slowest answer was, and how many requests failed."""

    x: float
    y: float
    height: float
    failed: int
    told: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One API's part of the picture; ``slowest_ms`` is what its full height means."""

    api: str
    y: float
    slices: tuple[Slice, ...]
    slowest_ms: int
    failed: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A time on the axis, since the beginning."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole picture, in pixels of its own ``WIDTH``."""

    height: float
    slice_width: float
    lanes: tuple[Lane, ...]
    strips: tuple[Strip, ...]
    ticks: tuple[Tick, ...]
    changed_x: float | None
    width: int = WIDTH
    left: int = LEFT
    second: int = _SECOND
    bar: int = _BAR
    strip: int = _STRIP


@dataclass(frozen=True, slots=True)
class _Scale:
    began: float
    ended: float

    def x(self, moment: float) -> float:
        share = (min(max(moment, self.began), self.ended) - self.began) / (self.ended - self.began)
        return round(LEFT + share * (WIDTH - LEFT - _RIGHT), 1)


def chart(report: Report) -> Chart | None:
    """The picture of a run; none if nothing has happened yet."""
    times = [report.run.opened_ms / 1000, report.run.last_ms / 1000]
    times += [time for sample in report.samples for time in (sample.scheduled, sample.ended)]
    if max(times) - min(times) < 1:
        return None
    scale = _Scale(min(times), max(times))
    lanes = _lanes(report, scale)
    below = (lanes[-1].y + lanes[-1].height if lanes else _TOP) + _GAP
    apis = [api.api for api in report.availability.apis]
    strips = [
        _strip(api, report.samples, scale, below + place * (_STRIP + _GAP)) for place, api in enumerate(apis)
    ]
    return Chart(
        height=below + len(strips) * (_STRIP + _GAP),
        slice_width=round((WIDTH - LEFT - _RIGHT) / _SLICES, 2),
        lanes=tuple(lanes),
        strips=tuple(strips),
        ticks=_ticks(scale),
        changed_x=None if report.changed_from is None else scale.x(report.changed_from),
    )


def _lanes(report: Report, scale: _Scale) -> list[Lane]:
    lanes: list[Lane] = []
    y = float(_TOP)
    for stage in Stage:
        own = [attempt for attempt in report.attempts if attempt.stage is stage]
        for place, name in enumerate(dict.fromkeys(map(_about, own))):
            bars, rows = _packed((a for a in own if _about(a) == name), scale, y)
            lanes.append(Lane(stage.value if place == 0 else "", name, y, rows * _LANE, bars))
            y += rows * _LANE
        y += _GAP / 2 if own else 0
    return lanes


def _about(attempt: Attempt) -> str:
    return attempt.step.partition(":")[0]


def _packed(attempts: Iterable[Attempt], scale: _Scale, y: float) -> tuple[tuple[Bar, ...], int]:
    """Each attempt in the first row that is free when it begins; and how many rows that takes."""
    free_at: list[float] = []
    bars: list[Bar] = []
    for attempt in attempts:
        x = scale.x(attempt.began_ms / 1000)
        end = scale.ended if attempt.ended_ms is None else attempt.ended_ms / 1000
        row = next((n for n, free in enumerate(free_at) if free <= x), len(free_at))
        free_at[row : row + 1] = [scale.x(end)]
        width = max(scale.x(end) - x - 1, 2.0)
        fits = int((width - 6) / _LABEL_PX)
        label = next((text for text in _labels(attempt) if len(text) <= fits), "")
        bars.append(Bar(attempt, x, y + row * _LANE, round(width, 1), label))
    return tuple(bars), len(free_at)


def _labels(attempt: Attempt) -> tuple[str, ...]:
    """What to write into a bar, the longest first: its lane says what it is about."""
    what = attempt.step.partition(":")[2] or attempt.step
    return what, what.partition("@")[0]


def _strip(api: str, samples: Sequence[Sample], scale: _Scale, y: float) -> Strip:
    length = (scale.ended - scale.began) / _SLICES
    sliced: dict[int, list[Sample]] = {}
    for sample in samples:
        if sample.api == api and sample.outcome != DONE:
            sliced.setdefault(min(int((sample.ended - scale.began) / length), _SLICES - 1), []).append(sample)
    slowest = max((s.latency_ms for s in samples if s.api == api and s.outcome == OK), default=1.0)
    slices = tuple(
        _slice(scale.x(scale.began + number * length), y, found, slowest)
        for number, found in sorted(sliced.items())
    )
    return Strip(api, y, slices, round(slowest), sum(s.failed for s in slices))


def _slice(x: float, y: float, samples: Sequence[Sample], slowest: float) -> Slice:
    good = [sample.latency_ms for sample in samples if sample.good]
    failed = len(samples) - len(good)
    height = _STRIP if failed else max(max(good) / slowest * _STRIP, 1.5)
    told = f"{len(samples)} requests, {failed} failed"
    if good:
        told += f", slowest answer {max(good):.0f} ms"
    return Slice(x, round(y + _STRIP - height, 1), round(height, 1), failed, told)


def _ticks(scale: _Scale) -> tuple[Tick, ...]:
    length = scale.ended - scale.began
    every = next((t for t in _TICKS if length / t <= _MOST_TICKS), _TICKS[-1])
    return tuple(
        Tick(scale.x(scale.began + at), f"{at // 60}:{at % 60:02}") for at in range(0, int(length) + 1, every)
    )
