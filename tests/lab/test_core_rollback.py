"""A core cloud's upgrade is taken back from every stage before its contract.

Issue 5, proof 1, in the brief form: without Cinder, Heat and Horizon. ``SKYLIFT_TEST_STAGES=3,5`` goes these
ways back alone, by the number of their stop from 1. Each begins and ends with the cloud as it was, so that
those after it find it so; only the first upgrade of a new cloud has schemas to expand, for these stay so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.lab.back import STOPS, Stop, Traveller, Trip
from tests.lab.restored import failed_as
from tests.lab.turned import differences, hash_of

from skylift.cli.exits import Exit
from skylift.gate.lab.host import Lab
from skylift.gate.matrix import STAGES
from skylift.planning.plan import Stage

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(7200)]

Claim = Callable[..., None]

GAP_MAX_MS = 20_000
"""As in the story of reboots: what is parked waits, and nothing waits longer."""
CHOSEN = {int(word) for word in os.environ.get(STAGES, "").split(",") if word}
STOPS_CHOSEN = [stop for number, stop in enumerate(STOPS, 1) if not CHOSEN or number in CHOSEN]
GONE_BACK = [stop for stop in STOPS_CHOSEN if stop.changed]
KILLED = [stop for stop in GONE_BACK if stop.deaths]


@dataclass(slots=True)
class Journeys:
    """Each way back is gone once, by the first test that asks for it."""

    traveller: Traveller
    begun: set[str] = field(default_factory=set)
    trips: dict[str, Trip | None] = field(default_factory=dict)

    def of(self, stop: Stop) -> Trip:
        if stop.name not in self.begun:
            self.begun.add(stop.name)
            self.trips[stop.name] = self.traveller.goes(stop)
        if stop.name not in self.trips:
            pytest.fail(f"the upgrade until {stop.name}, or its way back, did not come to its end")
        trip = self.trips[stop.name]
        if trip is None:
            pytest.skip("the schemas of this cloud are expanded already, as an earlier upgrade left them")
        return trip


@pytest.fixture(scope="module")
def journeys(back_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Journeys:
    return Journeys(Traveller.of(back_lab, tmp_path_factory.mktemp("back")))


def each(stops: list[Stop]) -> Callable[[Claim], Claim | None]:
    """A claim for each of these; where none of them was chosen it is no test, and none is skipped."""
    return (
        pytest.mark.parametrize("stop", stops, ids=[stop.name for stop in stops]) if stops else lambda _: None
    )


@each(STOPS_CHOSEN)
def test_what_the_cloud_was_it_is_again(journeys: Journeys, stop: Stop, record_property: Any) -> None:
    """The first claim, for those after it ask what became of the same way back."""
    trip = journeys.of(stop)
    record_property("requests", sum(report["requests"] for report in trip.reports))
    record_property("figures", f"state {hash_of(trip.before)}, then {hash_of(trip.after)}; {trip.figures}")

    assert differences(trip.before, trip.after) == []
    assert hash_of(trip.before) == hash_of(trip.after)


@each(GONE_BACK)
def test_the_way_back_is_complete(journeys: Journeys, stop: Stop) -> None:
    trip = journeys.of(stop)

    assert trip.offered.code == Exit.OK, trip.offered.remarks
    assert trip.ordeal is not None
    assert trip.ordeal.ended[-1].code == Exit.OK, trip.ordeal.ended[-1].remarks[-3000:]
    # A gap without a failed request is an issue, too, and two busy cores have such gaps: they have a bound.
    told = [issue["sentence"] for issue in trip.back["issues"]]
    assert [sentence for sentence in told if not sentence.startswith("the longest gap of ")] == []
    assert trip.back["longest_gap_ms"] <= GAP_MAX_MS, told
    assert trip.back["verdict"] in {"completed", "completed with issues"}


@each([stop for stop in STOPS_CHOSEN if not stop.changed])
def test_where_no_service_was_turned_over_nothing_is_to_be_taken_back(journeys: Journeys, stop: Stop) -> None:
    assert "no service had begun to be upgraded" in failed_as(journeys.of(stop).offered, "rollback.nothing")


@each(STOPS_CHOSEN)
def test_no_request_failed_on_the_way_up_or_back(journeys: Journeys, stop: Stop) -> None:
    reports = journeys.of(stop).reports

    assert [report["failures"] for report in reports] == [[] for _ in reports]
    assert all(report["requests"] > 100 for report in reports)


@each(STOPS_CHOSEN)
def test_schemas_stay_as_they_were_when_it_was_taken_back(journeys: Journeys, stop: Stop) -> None:
    """Expanded, if they had been: old code runs on them, and nobody takes them back."""
    trip = journeys.of(stop)
    expands = any(step.stage is Stage.EXPAND for step in trip.plan.steps)

    assert trip.after_schemas == trip.stopped_schemas
    if not expands:
        assert trip.stopped_schemas == trip.before_schemas


@each(STOPS_CHOSEN)
def test_every_guest_counts_on(journeys: Journeys, stop: Stop) -> None:
    trip = journeys.of(stop)
    guests = [guest for report in trip.reports for guest in report["guests"]]

    assert {address: away.anew for address, away in trip.away.items() if away.anew} == {}
    assert all(away.counts for away in trip.away.values())
    assert [(guest["lost"], guest["restarts"]) for guest in guests] == [(0, 0)] * len(guests)


@each(GONE_BACK)
def test_every_witness_of_the_way_back_is_as_it_was_made(journeys: Journeys, stop: Stop) -> None:
    seen = {witness["name"]: witness["intact"] for witness in journeys.of(stop).back["witnesses"]}

    assert seen
    assert all(seen.values()), seen


@each(KILLED)
def test_a_way_back_that_was_killed_starts_no_command_twice(journeys: Journeys, stop: Stop) -> None:
    ordeal = journeys.of(stop).ordeal
    assert ordeal is not None

    started = ordeal.jobs_started()

    assert [ended.code for ended in ordeal.ended] == [-9] * len(stop.deaths) + [Exit.OK]
    assert started
    assert {job: times for job, times in started.items() if times != 1} == {}
