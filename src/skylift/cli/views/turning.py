"""The reasons for one host's turn, as an operator reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


def afterwards(of: Mapping[str, Any]) -> list[str]:
    """The same of what is done when every host is through, from the plan's document."""
    moves, stays = of["moves"], [f"{stay['instance']}: {stay['reason']}" for stay in of["stays"]]
    begins = min((move[4] for move in moves), default=0) // 1000
    sources, targets = {move[1] for move in moves}, {move[2] for move in moves}
    return [
        f"{of['kind']}: move instances where they shall be when every host is through",
        f"  planned    begins at {_span(begins)}, ends at {_span(of['ends'] // 1000)}",
        f"  moves      {len(moves)}, off {len(sources)} hosts to {len(targets)}; at least {of['fewest']}",
        f"  stays      {_names(stays) or 'nobody who was moved and should not'}",
        "  way back   what was moved stays where it is; nobody is stopped, and none moves twice",
        "  waits for  every host to be done, or skipped",
    ]


def _names(names: Collection[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(list(names)[:_SHOWN]) + more


def _span(seconds: int) -> str:
    return f"{seconds // 60:02}:{seconds % 60:02}"
