"""The same cloud further, 2025.1 to 2026.1: a second SLURP jump over what the first one left."""

from __future__ import annotations

import pytest
from tests.lab.hop import Hop, HopClaims, StrangersClaim, go

from skylift.gate.lab.host import Lab

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(5400)]


class TestOnward(HopClaims, StrangersClaim):
    """To the newest release."""

    @pytest.fixture(scope="class")
    def hop(self, core_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Hop:
        return go(core_lab, tmp_path_factory.mktemp("hop"), "2026.1")
