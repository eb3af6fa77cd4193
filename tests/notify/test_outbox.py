"""What is settled outlives a crash in the middle of a line, and whatever else stands in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.app.outbox import OutboxFile, Settled

FIRST = Settled("run-1/1/opened", "ops", None, 1)
SECOND = Settled("run-1/2/halted", "ops", "status 503", 2)
THIRD = Settled("run-2/1/opened", "ops", None, 3)


@pytest.fixture
def outbox(tmp_path: Path) -> OutboxFile:
    return OutboxFile(tmp_path / "told")


def test_what_is_settled_is_kept_in_order_for_its_owner_alone(outbox: OutboxFile) -> None:
    assert outbox.settled() == ()

    for settled in (FIRST, SECOND):
        outbox.settle(settled)

    assert outbox.settled() == (FIRST, SECOND)
    assert (SECOND.run, SECOND.occasion) == ("run-1", "halted")
    assert outbox.path.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_is_lost_alone_wherever_it_was_torn(outbox: OutboxFile) -> None:
    outbox.settle(FIRST)
    begun = len(outbox.path.read_bytes())
    outbox.settle(SECOND)
    whole = outbox.path.read_bytes()

    for end in range(begun, len(whole)):
        outbox.path.write_bytes(whole[:end])
        outbox.settle(THIRD)

        assert outbox.settled() == (FIRST, THIRD), end


@given(noise=st.binary(max_size=60))
def test_nothing_in_the_file_stops_a_run(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    outbox = OutboxFile(tmp_path_factory.mktemp("told") / "told")
    outbox.path.write_bytes(noise)
    outbox.settle(FIRST)

    assert outbox.settled()[-1:] == (FIRST,)
