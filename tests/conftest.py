"""What all tests share: golden files, which a reviewer reads, and examples that may take their time.

``pytest --update-golden`` rewrites golden files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Claims that several modules make say what they saw, as those of a test module do.
pytest.register_assert_rewrite("tests.lab.hop", "skylift.testing.contracts")

# A machine that is busy with other work makes an example slow, and no claim is about that.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

GOLDEN = Path(__file__).parent / "golden"

Golden = Callable[[str, bytes], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the files under tests/golden")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares bytes with the golden file of a name, or rewrites it when asked to."""

    def compare(name: str, found: bytes) -> None:
        file = GOLDEN / name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(found)
        assert file.is_file(), f"{file} is not there: pytest --update-golden writes it"
        assert found.decode() == file.read_text(encoding="utf-8")

    return compare
