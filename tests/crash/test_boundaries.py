"""Issue 5, proof 3: every durable boundary is died at, before and after; the page of it is generated."""

from __future__ import annotations

from inspect import getmembers, isfunction
from typing import get_type_hints

from tests.crash.boundaries import ELSEWHERE, OUTSIDE, boundaries, deaths

from skylift.engine.journal import EVENTS
from skylift.ports import Ports
from skylift.testing.simulation.wire import CHANGES

ANSWERING = {"canaries.place"}
"""The one change that says more than that it was asked for."""


def test_every_durable_boundary_is_died_at_before_and_after() -> None:
    found, scenes = deaths()

    assert [death.boundary for death in found if not death.tried] == []
    assert len(found) == len(EVENTS.keys() - ELSEWHERE) + len(CHANGES) - len(OUTSIDE) > 20
    assert sum(scenes.values()) > 2000


def test_the_changes_are_all_calls_of_all_ports_that_only_do() -> None:
    """So none can be added to a port and be forgotten here: who looks has an answer."""
    ends = get_type_hints(Ports)
    silent = {
        f"{name}.{verb}"
        for name, port in ends.items()
        for verb, call in getmembers(port, isfunction)
        if not verb.startswith("_") and get_type_hints(call)["return"] is type(None)
    }

    assert silent | ANSWERING == CHANGES


def test_what_is_said_to_be_outside_is_a_change_of_the_vantage_host_or_of_runs_that_ended() -> None:
    assert OUTSIDE.keys() <= CHANGES
    assert ELSEWHERE.keys() <= EVENTS.keys()
    assert {name for name in OUTSIDE if not name.startswith("vantage.")} == {"jobs.forget"}
    assert not set(boundaries()) & OUTSIDE.keys()
