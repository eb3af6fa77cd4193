"""Words in columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_GAP = "  "


def columns(*rows: Sequence[object]) -> list[str]:
    """One line per row, each column as wide as its widest word; the last is as long as it is."""
    told = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*told, strict=True)]
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in told
    ]


def indented(lines: Iterable[str], by: int) -> list[str]:
    """The lines, moved to the right by ``by`` blanks."""
    return [" " * by + line for line in lines]
