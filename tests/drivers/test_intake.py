"""What the agent is told when a service is to be closed, and who cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.roster.shown import cloud_and_record

from skylift.catalog.catalog import load
from skylift.drivers.intake import ApiIntake, CannotClose
from skylift.model.closing import closed_at, closed_for, label_in, mark_of, reason_of
from skylift.model.ids import Epoch
from skylift.model.roster import Roster, ServiceReport
from skylift.testing.samples import NOW

CLOUD, RECORD = cloud_and_record()


class Line:
    """The way to the agent; what it is told is kept."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def tell(self, *words: str, changes: bool = False) -> Any:
        assert changes
        self.told.append(words)
        return {}


def placed(service: str) -> tuple[Roster, ServiceReport]:
    row = next(row for row in CLOUD.reports if row.service == service)
    entry = RECORD.components[row.component]
    rosters = load().components[row.component].rosters(entry.databases, entry.services)
    return next(r for r in rosters if r.database == row.database), row


def test_the_agent_is_told_which_row_it_is_and_what_to_write() -> None:
    line = Line()
    intake = ApiIntake(line, lambda: NOW)

    intake.close(*placed("nova-compute"), label="p1")
    intake.open(*placed("cinder-volume"), labels=["p1", "p0"])

    assert line.told == [
        (
            "intake",
            "close",
            "--kind=nova",
            "--id=nova-compute-cmp1",
            "--binary=nova-compute",
            "--host=cmp1",
            f"--reason={reason_of('p1', NOW)}",
        ),
        (
            "intake",
            "open",
            "--kind=cinder",
            "--id=cinder-volume-ctl1",
            "--binary=cinder-volume",
            "--host=ctl1@lvm",
            f"--mark={mark_of('p1')}",
            f"--mark={mark_of('p0')}",
        ),
    ]


def test_an_agent_of_neutron_cannot_be_closed() -> None:
    line = Line()

    with pytest.raises(CannotClose, match="neutron-l3-agent on net1 could not be closed"):
        ApiIntake(line, lambda: NOW).close(*placed("neutron-l3-agent"), label="p1")

    assert line.told == []


def closed(reason: str, *, enabled: bool = False) -> ServiceReport:
    return replace(placed("nova-compute")[1], enabled=enabled, reason=reason)


def test_a_reason_says_for_which_plan_and_since_when() -> None:
    row = closed(reason_of("2024.1-to-2025.1-0a1b2c3d", Epoch(1_795_597_530.7)))

    assert row.reason == "closed by Skylift for 2024.1-to-2025.1-0a1b2c3d, since 2026-11-25T09:05:30+00:00"
    assert (label_in(row), closed_at(row)) == ("2024.1-to-2025.1-0a1b2c3d", Epoch(1_795_597_530.0))
    assert len(reason_of("9999.2-to-9999.2-01234567", NOW)) < 255


@pytest.mark.parametrize(
    "reason",
    ["", "an operator's", "closed by Skylift for p1", "closed by Skylift for p1, since then, it seems"],
)
def test_a_reason_of_another_form_is_not_ours(reason: str) -> None:
    row = closed(reason)

    assert (label_in(row), closed_at(row), closed_for(row, ["", "p1"])) == ("", None, False)


def test_a_service_that_is_open_was_closed_by_nobody_whatever_its_row_still_says() -> None:
    row = closed(reason_of("p1", NOW), enabled=True)

    assert (label_in(row), closed_at(row), closed_for(row, ["p1"])) == ("", None, False)


def test_a_closing_whose_time_nobody_can_read_has_none() -> None:
    assert closed_at(closed("closed by Skylift for p1, since May")) is None
