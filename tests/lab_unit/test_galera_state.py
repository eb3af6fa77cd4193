"""Claims about what a database member tells the balancers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from skylift.gate.lab.hostside.galera_state import status

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def synced(tmp_path: Path) -> Path:
    (tmp_path / "mysqld.pid").write_text(f"{os.getpid()}\n")
    (tmp_path / "wsrep-state").write_text("synced\n")
    return tmp_path


def test_a_synced_member_may_be_used(synced: Path) -> None:
    assert status(synced) == 200


@pytest.mark.parametrize("state", ["joiner", "donor", "joined", "disconnected", ""])
def test_any_other_state_is_out_of_use(synced: Path, state: str) -> None:
    (synced / "wsrep-state").write_text(f"{state}\n")

    assert status(synced) == 503


def test_a_member_about_to_stop_gets_nothing_new(synced: Path) -> None:
    (synced / "leaving").touch()

    assert status(synced) == 404


def test_the_last_word_of_a_dead_member_does_not_count(synced: Path) -> None:
    (synced / "mysqld.pid").write_text("4194305\n")

    assert status(synced) == 503


def test_a_member_never_started_is_out_of_use(tmp_path: Path) -> None:
    assert status(tmp_path) == 503
