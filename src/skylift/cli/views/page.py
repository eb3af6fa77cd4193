"""What the pages of reports have in common: their templates, and how they tell times."""

from __future__ import annotations

from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined


def pages() -> Environment:
    """The templates: one file each without any reference to another; what is not ours is escaped."""
    environment = Environment(
        loader=PackageLoader("skylift.cli.views"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": moment, "span": span}
    return environment


def moment(ms: int) -> str:
    """A time of day in UTC, to the second."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(ms: int) -> str:
    """Minutes and seconds; tenths of a second below a minute."""
    return f"{ms // 60_000} min {ms // 1000 % 60:02} s" if ms >= 60_000 else f"{ms / 1000:.1f} s"  # noqa: PLR2004
