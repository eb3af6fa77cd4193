"""Where the policy is automatic, workers take back a run that costs users too much: real processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.store.conftest import Processes

from skylift.app.audit import read_deed
from skylift.app.wiring import audit_rows
from skylift.engine.fold import Standing, fold
from skylift.engine.operate import taken_back_by
from skylift.model.ids import PoolName, RunId
from skylift.testing.crew.crew import GOAL, RUN, Crew, crew_at
from skylift.testing.crew.shift import Shift
from skylift.testing.crew.worker import record
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_state import FailedRequest

HALF = 150
"""Events after which some services are new."""


@pytest.fixture
def crew(processes: Processes, tmp_path: Path) -> Iterator[Crew]:
    declared = record()
    cloud = FakeCloud(replace(declared, policy=replace(declared.policy, rollback="automatic")))
    cloud.stage(GOAL.to)
    with crew_at(tmp_path, processes.reference, processes.cloud, cloud=cloud) as crew:
        yield crew


def lose(crew: Crew) -> None:
    """More than the policy allows."""
    with crew.alone:
        lost = FailedRequest(crew.cloud.now, PoolName("glance"), "502")
        crew.cloud.traffic.failed += [lost] * (crew.cloud.record.policy.loss.failed_requests + 1)


def releases(crew: Crew) -> set[str]:
    return {str(u.running)[-6:] for host in crew.cloud.hosts.values() for u in host.units.values()}


def runs(crew: Crew) -> tuple[RunId, ...]:
    return crew.store.shelf.known()


def test_workers_take_a_run_back_once_though_each_driver_is_killed(crew: Crew) -> None:
    """The upgrade's as its budget is spent, and the way back's in the middle; nobody is asked."""
    crew.begin(workers=2)
    crew.reaches(HALF)
    lose(crew)
    crew.driver().kill()

    crew.until(lambda: len(runs(crew)) > 1, "a way back")
    (back,) = set(runs(crew)) - {RUN}
    with crew.alone:
        mixed = releases(crew)
    way_back = Shift(store=crew.store, id=back, start=crew.start, limit_s=crew.limit_s, workers=crew.workers)
    way_back.reaches(40)
    way_back.driver().kill()
    way_back.completes()
    crew.until(lambda: not crew.store.shelf.restless(), "the rest of both")

    taken_back = fold(crew.store.journal(RUN, None).events())
    with crew.alone:
        assert way_back.run().standing is Standing.COMPLETED
        assert (mixed, releases(crew)) == ({"2023.1", "2024.1"}, {"2023.1"})
    assert taken_back.standing is Standing.ABORTED
    assert taken_back_by(taken_back) == back
    assert set(runs(crew)) == {RUN, back}
    words = [read_deed(row.body).verb for row in audit_rows(crew.site.runs)]
    assert "take back" in words
