"""The reasons for one step, as an operator reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from skylift.engine.fold import Run
from skylift.engine.verbs import NOT_BEGUN
from skylift.model.codec import encode
from skylift.model.ids import StepId
from skylift.planning.plan import Edge, Notice
from skylift.planning.why import Reasons


def lines(told: Reasons, run: Run | None = None) -> list[str]:
    """What the step does, where it stands in ``run``, what users see of it, its way back, and each edge."""
    impact = told.impact
    notice = "nothing" if impact.notice is Notice.NONE else f"{impact.notice.value} ({impact.api})"
    return [
        f"{told.step}: {told.title}",
        f"  stage      {told.stage.value}",
        *([f"  stands     {_stands(told, run)} (run {run.id})"] if run else ()),
        f"  users see  {notice}",
        *_way_back(told),
        "  waits for" if told.waits_for else "  waits for nothing",
        *_edges((e.before, e) for e in told.waits_for),
        "  then" if told.then else "  nothing waits for it",
        *_edges((e.after, e) for e in told.then),
    ]


def document(told: Reasons, run: Run | None = None) -> dict[str, Any]:
    """The same, for ``--json``."""
    encoded: dict[str, Any] = encode(told)
    return encoded | {"run": run.id if run else None, "stands": _stands(told, run) if run else None}


def _stands(told: Reasons, run: Run) -> str:
    at = run.steps.get(told.step)
    if at is not None and at.problem is not None:
        return f"{at.phase.value}: {at.problem.code}: {at.problem.sentence}"
    if at is not None:
        return at.phase.value
    left = [edge.before for edge in told.waits_for if edge.before not in run.passed]
    more = f" and {len(left) - 1} more" if left[1:] else ""
    return f"{NOT_BEGUN}, waits for {left[0]}{more}" if left else NOT_BEGUN


def _way_back(told: Reasons) -> Iterator[str]:
    """What ends with the step comes first: that there is nothing to undo of it alone leads nobody back."""
    if not told.ends:
        yield f"  way back   {told.way_back}"
        return
    first, named = told.ends[0], ", ".join(window.component for window in told.ends)
    yield f"  way back   ENDS HERE for {named}: {first.because} [{first.source}]"
    yield f"             of the step alone: {told.way_back}"


def _edges(edges: Iterable[tuple[StepId, Edge]]) -> Iterator[str]:
    for other, edge in edges:
        yield f"    {other}, because {edge.because} [{edge.source}]"
