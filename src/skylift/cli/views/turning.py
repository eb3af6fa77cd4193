"""The reasons for one host's turn, as an operator reads them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from skylift.fleet.reasons import Turning
from skylift.model.codec import encode

_SHOWN = 10


def lines(told: Turning) -> list[str]:
    """What is done, when, onto which hosts, and what it waits for."""
    onto = [f"{host} ({count})" for host, count in told.onto.items()]
    times = f"closed at {_span(told.closed_s)}, empty at {_span(told.empty_s)}, back at {_span(told.back_s)}"
    return [
        f"{told.step}: {told.title}",
        f"  wave       {told.wave}",
        f"  planned    {times}",
        f"  moves to   {_names(onto) or 'nobody has to move'}",
        f"  way back   {told.way_back}",
        f"  waits for  {_names(told.waits_for) or 'no other host'}"
        + (": it is emptied onto them, and they must be done" if told.waits_for else ""),
        f"  then       {_names(told.then) or 'no host is emptied onto it'}",
    ]


def document(told: Turning) -> dict[str, Any]:
    """The same, for ``--json``."""
    encoded: dict[str, Any] = encode(told)
    return encoded


def _names(names: Collection[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(list(names)[:_SHOWN]) + more


def _span(seconds: int) -> str:
    return f"{seconds // 60:02}:{seconds % 60:02}"
