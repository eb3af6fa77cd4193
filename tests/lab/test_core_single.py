"""A core cloud that takes each release: 2024.2 to 2025.1, a single hop."""

from __future__ import annotations

import pytest
from tests.lab.hop import Hop, HopClaims, StrangersClaim, go

from skylift.gate.lab.host import Lab

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(5400)]


@pytest.fixture(scope="module")
def hop(single_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Hop:
    return go(single_lab, tmp_path_factory.mktemp("hop"), "2025.1")


class TestSingleHop(HopClaims, StrangersClaim):
    """From a release that is no SLURP release."""
