"""Issue 5, proof 3: every durable boundary is died at, before and after; the page of it is generated."""

from __future__ import annotations

from tests.crash.boundaries import ELSEWHERE, OUTSIDE, boundaries, deaths

from skylift.engine.journal import EVENTS
from skylift.testing.simulation.wire import CHANGES


def test_every_durable_boundary_is_died_at_before_and_after() -> None:
    found, scenes = deaths()

    assert [death.boundary for death in found if not death.tried] == []
    assert len(found) == len(EVENTS.keys() - ELSEWHERE) + len(CHANGES) - len(OUTSIDE) > 20
    assert sum(scenes.values()) > 2000


def test_what_is_said_to_be_outside_is_a_change_and_of_the_vantage_host_alone() -> None:
    assert OUTSIDE.keys() <= CHANGES
    assert ELSEWHERE.keys() <= EVENTS.keys()
    assert {name.partition(".")[0] for name in OUTSIDE} == {"vantage"}
    assert not set(boundaries()) & OUTSIDE.keys()
