"""The verdict on a cloud after an upgrade."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from skylift.app.validate import Issue, Outcome, Validation
from skylift.cli.views.columns import columns, indented
from skylift.model.codec import encode


def lines(validation: Validation) -> list[str]:
    """Each service on each host, each issue, what to do about it or about several, and the verdict last."""
    services = [
        (s.service, s.host, s.release or "nothing known", s.outcome.value) for s in validation.services
    ]
    told = columns(("service", "host", "runs", "verdict"), *services)
    for remedies, issues in groupby(validation.issues, lambda issue: issue.remedies):
        told += ["", *(f"{_grade(issue)}: {issue.sentence}" for issue in issues)]
        told += indented(map(str, remedies), 2)
    return [*told, "", f"the goal, {validation.goal}: {validation.outcome.value}"]


def _grade(issue: Issue) -> str:
    grades = {Outcome.FAILED: "failed", Outcome.UNFINISHED: "under way"}
    return grades.get(issue.outcome, "issue")


def document(validation: Validation) -> dict[str, Any]:
    """The same, for ``--json``."""
    encoded: dict[str, Any] = encode(validation)
    return encoded
