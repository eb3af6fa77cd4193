from __future__ import annotations

from collections.abc import Iterator

import pytest

from skylift.testing.api_standin import ApiStandIn, api_standin


@pytest.fixture
def apis() -> Iterator[ApiStandIn]:
    with api_standin() as server:
        yield server
