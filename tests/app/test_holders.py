"""Whoever says a word to a run that another process holds waits until that one lives or is dead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, desk_at

from skylift.app.bench import Bench
from skylift.app.holders import await_holder
from skylift.app.site import Site
from skylift.engine.problems import Holder, Pulse
from skylift.model.ids import RunId

REY = Holder(4711, "console", "rey", 0, RUN)


class Lease:
    """A lease, as a store tells of it time after time; the last is told for ever."""

    def __init__(self, holder: Holder | None, pulses: Sequence[Pulse | None]) -> None:
        self.lease = self
        self._holder, self._pulses = holder, list(pulses)

    def holder(self) -> Holder | None:
        return self._holder

    def pulse(self) -> Pulse | None:
        return self._pulses.pop(0) if len(self._pulses) > 1 else self._pulses[0]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path)


def waits(desk: Desk, lease: Lease, *, impatient: int = 100) -> int:
    """How often it waited; an operator presses Ctrl-C in the end."""
    waited = [0]

    def pause() -> None:
        waited[0] += 1

    bench: Bench = replace(desk.bench, pause=pause, asked_to_stop=lambda: waited[0] >= impatient)
    runs = replace(desk.site.runs, store=lease)  # type: ignore[arg-type]  # as much of one as is asked
    site: Site = replace(desk.site, runs=runs)
    await_holder(site, RUN, bench)
    return waited[0]


@pytest.mark.parametrize(
    ("pulses", "times"),
    [
        ([Pulse(3, 9.2), Pulse(3, 8.2), Pulse(3, 15.0)], 2),
        ([Pulse(3, 2.0), Pulse(3, 1.0), None], 2),
        ([Pulse(3, 2.0), Pulse(4, 1.0), Pulse(4, 0.5), None], 3),
        ([Pulse(3, 2.0), Pulse(4, 15.0), Pulse(4, 12.0), Pulse(4, 15.0)], 3),
    ],
    ids=["it renews its lease", "its lease ends", "it hands over and ends", "another takes over, and lives"],
)
def test_it_waits_for_a_sign_of_life_or_the_end_of_the_lease(
    desk: Desk, pulses: list[Pulse | None], times: int
) -> None:
    assert waits(desk, Lease(REY, pulses)) == times
    assert "rey with process 4711 on console" in desk.remarks[0]


@pytest.mark.parametrize("holder", [None, replace(REY, run=RunId("another"))])
def test_nobody_waits_for_who_does_not_hold_this_run(desk: Desk, holder: Holder | None) -> None:
    assert (waits(desk, Lease(holder, [Pulse(3, 9.0)])), desk.remarks) == (0, [])


def test_ctrl_c_ends_the_wait(desk: Desk) -> None:
    assert waits(desk, Lease(REY, [Pulse(3, 9.0)]), impatient=4) == 4
