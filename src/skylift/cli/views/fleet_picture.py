"""Hosts over time as one SVG: a row per host, by when its turn begins; grey moves, blue work."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from skylift.fleet.plan import FleetPlan, Turn

_WIDTH, _LEFT, _TOP, _HEIGHT = 1000, 110, 34, 600
_MOST_LABELS = 40
"""Rows up to which each has its host's name beside it."""
_TICKS_S = (60, 300, 600, 1800, 3600, 7200, 21600, 86400)
_MOST_TICKS = 12
_FONT = 'font-family="sans-serif" font-size="11"'


def picture(plan: FleetPlan) -> str:
    """The picture; hovering over a row names the host, its wave and its times."""
    row = max(0.05, min(14.0, _HEIGHT / max(1, len(plan.turns))))
    height = _TOP + row * len(plan.turns) + 10
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" {_FONT}>',
            f"<title>{len(plan.turns)} hosts in {plan.waves} waves</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            *_axis(plan, height),
            *(line for n, turn in enumerate(plan.turns) for line in _row(plan, turn, _TOP + n * row, row)),
            "</svg>",
            "",
        )
    )


def _x(plan: FleetPlan, ms: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - 10) * ms / (max(1, plan.makespan) * 1000)


def _axis(plan: FleetPlan, height: float) -> Iterator[str]:
    step = next((s for s in _TICKS_S if plan.makespan / s <= _MOST_TICKS), plan.makespan // _MOST_TICKS + 1)
    for at_s in range(0, plan.makespan + 1, step):
        x = _x(plan, at_s * 1000)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{height:.0f}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{_TOP - 12}" text-anchor="middle">{_clock(at_s)}</text>'


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}"


def _row(plan: FleetPlan, turn: Turn, y: float, height: float) -> Iterator[str]:
    told = f"{turn.host}, wave {turn.wave}: closed {_clock(turn.closed // 1000)}, empty "
    told += f"{_clock(turn.empty // 1000)}, back {_clock(turn.back // 1000)}"
    yield f"<g><title>{escape(told)}</title>"
    for begin, end, colour in ((turn.closed, turn.empty, "#b8bec6"), (turn.empty, turn.back, "#2f6fb5")):
        x, width = _x(plan, begin), _x(plan, end) - _x(plan, begin)
        size = f'width="{width:.1f}" height="{height * 0.9:.2f}"'
        yield f'<rect x="{x:.1f}" y="{y:.2f}" {size} fill="{colour}"/>'
    if len(plan.turns) <= _MOST_LABELS:
        yield f'<text x="{_LEFT - 6}" y="{y + height * 0.8:.1f}" text-anchor="end">{escape(turn.host)}</text>'
    yield "</g>"
