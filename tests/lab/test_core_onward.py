"""A core cloud further, 2025.1 to 2026.1, in which Heat's engines are switched together."""

from __future__ import annotations

import pytest
from tests.lab.hop import Hop, HopClaims, StrangersClaim, go

from skylift.gate.lab.host import Lab

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(5400)]


@pytest.fixture(scope="module")
def hop(onward_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Hop:
    return go(onward_lab, tmp_path_factory.mktemp("hop"), "2026.1")


class TestOnward(HopClaims, StrangersClaim):
    """To the newest release."""
