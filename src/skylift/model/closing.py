"""A host that a service is closed on: it gets no new work there, and whoever closed it left a reason.

Only a reason of ours, with the label of a plan that this one knows, is ever taken back.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime

from skylift.model.ids import Epoch
from skylift.model.roster import ServiceReport

_REASON = re.compile(r"closed by Skylift for (?P<label>\S+), since (?P<at>\S+)")


def reason_of(label: str, at: Epoch) -> str:
    """What is written beside a service that is closed for the plan with this label."""
    return f"{mark_of(label)}{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S+00:00}"


def mark_of(label: str) -> str:
    """How every reason begins that was written for the plan with this label."""
    return f"closed by Skylift for {label}, since "


def label_in(row: ServiceReport) -> str:
    """The label of the plan that it was closed for; empty if it is open, or somebody else closed it."""
    found = None if row.enabled else _REASON.fullmatch(row.reason)
    return found["label"] if found else ""


def closed_for(row: ServiceReport, labels: Collection[str]) -> bool:
    """Whether a service was closed for one of these plans."""
    return label_in(row) in {*labels} - {""}


def closed_at(row: ServiceReport) -> Epoch | None:
    """Since when it is closed, if we did that; none if it is open, or somebody else closed it."""
    found = None if row.enabled else _REASON.fullmatch(row.reason)
    try:
        return Epoch(datetime.fromisoformat(found["at"]).timestamp()) if found else None
    except ValueError:
        return None
