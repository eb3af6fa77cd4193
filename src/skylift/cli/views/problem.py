"""A problem with its ways out, the same words everywhere."""

from __future__ import annotations

from typing import Any

from skylift.model.problem import Problem


def lines(problem: Problem) -> list[str]:
    """The sentence, then each remedy on a line of its own."""
    return [
        f"{problem.code}: {problem}",
        *(f"  {remedy.fix.value}: {remedy.how}" for remedy in problem.remedies),
    ]


def document(problem: Problem) -> dict[str, Any]:
    """The same, for ``--json``."""
    return {
        "code": problem.code,
        "sentence": str(problem),
        "remedies": [{"fix": r.fix.value, "how": r.how} for r in problem.remedies],
        "page": f"docs/problems/{problem.code}.md",
    }
