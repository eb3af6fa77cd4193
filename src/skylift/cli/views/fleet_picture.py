"""Hosts over time as one SVG: a row per host; grey is emptied, blue is worked on.

Green is what is moved off a host or to it when all are through; red is what failed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from skylift.fleet.plan import FleetPlan, Move, Turn
from skylift.model.ids import HostName

EMPTIED, WORKED_ON, MOVED, FAILED = "#b8bec6", "#2f6fb5", "#4f9d69", "#b3261e"
_WIDTH, _LEFT, _TOP, _HEIGHT = 1000, 110, 34, 600
_MOST_LABELS = 40
"""Rows up to which each has its host's name beside it."""
_TICKS_S = (60, 300, 600, 1800, 3600, 7200, 21600, 86400)
_MOST_TICKS = 12
_SVG = "http://www.w3.org/2000/svg"
_FONT = 'font-family="sans-serif" font-size="11"'


@dataclass(frozen=True, slots=True)
class Row:
    """One host over time, or what is done with all of them."""

    name: str
    told: str
    """What is said of it to whoever points at it."""
    spans: tuple[tuple[int, int, str], ...]
    """From when to when, in milliseconds from the start, and in which colour."""


def picture(plan: FleetPlan) -> str:
    """A plan, by when each turn begins; hovering over a row names the host, its wave and its times."""
    later = _afterwards(plan)
    rows = [_row(turn, later.get(turn.host, ())) for turn in plan.turns]
    ends = plan.afterwards.ends if plan.afterwards else 0
    lasts_s = max(plan.makespan, -(-ends // 1000))
    return drawn(rows, lasts_s, f"{len(plan.turns)} hosts in {plan.waves} waves")


def drawn(rows: Sequence[Row], lasts_s: int, title: str) -> str:
    """Rows over so many seconds."""
    row = max(0.05, min(14.0, _HEIGHT / max(1, len(rows))))
    height = _TOP + row * len(rows) + 10
    return "\n".join(
        (
            f'<svg xmlns="{_SVG}" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" {_FONT}>',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            *_axis(lasts_s, height),
            *(
                line
                for n, of in enumerate(rows)
                for line in _drawn(of, _TOP + n * row, row, lasts_s=lasts_s, named=len(rows) <= _MOST_LABELS)
            ),
            "</svg>",
            "",
        )
    )


def _row(turn: Turn, later: Sequence[Move]) -> Row:
    told = f"{turn.host}, wave {turn.wave}: closed {_clock(turn.closed // 1000)}, empty "
    told += f"{_clock(turn.empty // 1000)}, back {_clock(turn.back // 1000)}"
    own = ((turn.closed, turn.empty, EMPTIED), (turn.empty, turn.back, WORKED_ON))
    return Row(turn.host, told, (*own, *((move.start, move.end, MOVED) for move in later)))


def _afterwards(plan: FleetPlan) -> dict[HostName, list[Move]]:
    """Per host, what is moved off it or to it when all are through."""
    found: defaultdict[HostName, list[Move]] = defaultdict(list)
    for move in plan.afterwards.moves if plan.afterwards else ():
        found[move.source].append(move)
        found[move.target].append(move)
    return found


def _x(ms: int, lasts_s: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - 10) * ms / (max(1, lasts_s) * 1000)


def _axis(lasts_s: int, height: float) -> Iterator[str]:
    step = next((s for s in _TICKS_S if lasts_s / s <= _MOST_TICKS), lasts_s // _MOST_TICKS + 1)
    for at_s in range(0, lasts_s + 1, step):
        x = _x(at_s * 1000, lasts_s)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{height:.0f}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{_TOP - 12}" text-anchor="middle">{_clock(at_s)}</text>'


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}"


def _drawn(of: Row, y: float, height: float, *, lasts_s: int, named: bool) -> Iterator[str]:
    yield f"<g><title>{escape(of.told)}</title>"
    for begin, end, colour in of.spans:
        x, width = _x(begin, lasts_s), _x(end, lasts_s) - _x(begin, lasts_s)
        size = f'width="{width:.1f}" height="{height * 0.9:.2f}"'
        yield f'<rect x="{x:.1f}" y="{y:.2f}" {size} fill="{colour}"/>'
    if named:
        yield f'<text x="{_LEFT - 6}" y="{y + height * 0.8:.1f}" text-anchor="end">{escape(of.name)}</text>'
    yield "</g>"
