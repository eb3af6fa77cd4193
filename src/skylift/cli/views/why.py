"""The reasons for one step, as an operator reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from skylift.model.codec import encode
from skylift.model.ids import StepId
from skylift.planning.plan import Edge, Notice
from skylift.planning.why import Reasons


def lines(told: Reasons) -> list[str]:
    """What the step does, what users see of it, its way back, and each edge with its reason."""
    impact = told.impact
    notice = "nothing" if impact.notice is Notice.NONE else f"{impact.notice.value} ({impact.api})"
    return [
        f"{told.step}: {told.title}",
        f"  stage      {told.stage.value}",
        f"  users see  {notice}",
        f"  way back   {told.way_back}",
        "  waits for" if told.waits_for else "  waits for nothing",
        *_edges((e.before, e) for e in told.waits_for),
        "  then" if told.then else "  nothing waits for it",
        *_edges((e.after, e) for e in told.then),
    ]


def document(told: Reasons) -> dict[str, Any]:
    """The same, for ``--json``."""
    encoded: dict[str, Any] = encode(told)
    return encoded


def _edges(edges: Iterable[tuple[StepId, Edge]]) -> Iterator[str]:
    for other, edge in edges:
        yield f"    {other}, because {edge.because} [{edge.source}]"
