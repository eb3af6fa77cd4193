"""The short form of a core cloud's upgrade, with three kills: two hosts at a time, after the first.

Cinder, Heat and Horizon serve on as they are: their own upgrades are in the whole matrix.
"""

from __future__ import annotations

import pytest
from tests.lab.hop import Hop, HopClaims, go
from tests.lab.ordeal import Death

from skylift.gate.lab.host import Lab
from skylift.model.ids import StepId

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]

DEATHS = (
    Death(StepId("neutron:expand"), "at work", "ctl1"),
    Death(StepId("nova-conductor:stop@ctl1"), "done"),
    Death(StepId("nova-compute:close@cmp1"), "done"),
)
WITHOUT = ("cinder", "heat", "horizon")


@pytest.fixture(scope="module")
def hop(brief_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Hop:
    folder = tmp_path_factory.mktemp("hop")
    return go(brief_lab, folder, "2025.1", DEATHS, without=WITHOUT, baseline=30, batch=2)


class TestKilledThreeTimes(HopClaims):
    """Before the first new service, in a conductor's restart, and while a host is closed."""

    enough, enough_boots = 3000, 10
