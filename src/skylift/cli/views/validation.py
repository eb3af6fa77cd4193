"""The verdict on a cloud after an upgrade."""

from __future__ import annotations

from typing import Any

from skylift.app.validate import Outcome, Validation
from skylift.cli.views.columns import columns, indented
from skylift.model.codec import encode


def lines(validation: Validation) -> list[str]:
    """Each service on each host, each issue with what to do, and the verdict last."""
    services = [
        (s.service, s.host, s.release or "nothing known", s.outcome.value) for s in validation.services
    ]
    told = columns(("service", "host", "runs", "verdict"), *services)
    for issue in validation.issues:
        grave = issue.outcome is Outcome.FAILED
        told += ["", f"{'failed' if grave else 'issue'}: {issue.sentence}"]
        told += indented((str(remedy) for remedy in issue.remedies), 2)
    return [*told, "", f"upgrade to {validation.goal}: {validation.outcome.value}"]


def document(validation: Validation) -> dict[str, Any]:
    """The same, for ``--json``."""
    encoded: dict[str, Any] = encode(validation)
    return encoded
