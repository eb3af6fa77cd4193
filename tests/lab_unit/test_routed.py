"""Who carried a router when its host went down is told by the last look before that."""

from __future__ import annotations

import pytest
from tests.lab.routed import Carriers, last_before

ON_1, BETWEEN, ON_2 = (
    Carriers(10.0, frozenset({"net1"}), frozenset({"net1"})),
    Carriers(11.0, frozenset(), frozenset({"net1", "net2"})),
    Carriers(12.5, frozenset({"net2"}), frozenset({"net2"})),
)


@pytest.mark.parametrize(("moment", "seen"), [(10.0, ON_1), (12.4, BETWEEN), (99.0, ON_2)])
def test_the_last_look_before_a_moment_counts_whatever_the_order(moment: float, seen: Carriers) -> None:
    assert last_before([BETWEEN, ON_2, ON_1], moment) == seen


def test_what_was_never_looked_at_before_is_no_proof() -> None:
    with pytest.raises(ValueError, match="empty"):
        last_before([ON_1, ON_2], 9.0)


def test_hosts_are_those_that_carry_either() -> None:
    assert BETWEEN.hosts == {"net1", "net2"}
