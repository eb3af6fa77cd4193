"""What a plain rolling restart costs the users of the same cloud, under the same probes."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from skylift.gate import naive
from skylift.gate.lab.host import Lab
from skylift.gate.matrix import UPGRADE, Measured
from skylift.model.codec import encode
from skylift.model.release import Release

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(5400)]


def test_a_plain_rolling_restart_costs_users_requests_or_works(
    control_lab: Lab, record_property: Any
) -> None:
    """A zero of ours says nothing if nobody loses anything."""
    seen = naive.run(control_lab.folder / "cloud.yaml", Release(2025, 1), _tell)

    told = {
        "requests": seen.requests,
        "failed": seen.failed,
        "works": seen.works,
        "lost": len(seen.lost),
        "boots": encode(seen.boots),
        "guests": encode(seen.guests),
        "longest_gap_ms": seen.longest_gap_ms,
    }
    measured = Measured.of(told, "2024.1 to 2025.1", "plain rolling restart")
    record_property(UPGRADE, json.dumps(measured._asdict()))
    record_property("figures", naive.summary(seen))
    assert seen.failures


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
